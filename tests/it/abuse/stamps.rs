//! Stamps: they name the proven requester, and are valid only for the object they were signed for.

mod before_opt_in;
mod custody;
mod epochs;
