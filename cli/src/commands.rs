//! The commands that are one file each, or little more.

pub(crate) mod adopt;
pub(crate) mod list;
pub(crate) mod offboard;
pub(crate) mod pages;
pub(crate) mod quota;
pub(crate) mod removal;
pub(crate) mod rules;
pub(crate) mod support_bundle;
pub(crate) mod warm;
pub(crate) mod who;
