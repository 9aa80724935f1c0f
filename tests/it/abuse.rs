//! What somebody tries who wants to be somebody else: every abuse case, and random actors over all kinds.

mod argo;
mod bad_input;
mod before_opt_in;
mod custody;
mod down;
mod epochs;
mod guards;
mod lockout;
mod model;
mod raw;
mod reinvocation;
mod roads;
mod twin;
