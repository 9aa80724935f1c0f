//! The commands that are one file each, or little more.

pub(crate) mod pages;
pub(crate) mod quota;
