//! Who requested what: a stamp names the proven requester, and counts only for what it was signed for.

mod before_opt_in;
mod custody;
mod epochs;
