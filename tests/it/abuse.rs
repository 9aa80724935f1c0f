//! What somebody tries who wants to be somebody else: every abuse case, and random actors over all kinds.

mod argo;
mod before_opt_in;
mod custody;
mod guards;
mod lockout;
mod model;
mod reinvocation;
mod roads;
mod twin;
