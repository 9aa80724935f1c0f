//! The commands that are one file each, or little more.

pub(crate) mod adopt;
pub(crate) mod kubectl_completion;
pub(crate) mod list;
pub(crate) mod pages;
pub(crate) mod people;
pub(crate) mod quota;
pub(crate) mod removal;
pub(crate) mod rules;
pub(crate) mod support_bundle;
pub(crate) mod who;

pub(crate) use people::{offboard, warm};
