//! What somebody tries who wants to be somebody else: every abuse case, and random actors over all kinds.

mod argo;
mod bad_input;
mod final_check;
mod guards;
mod model;
mod raw;
mod roads;
mod stamps;
