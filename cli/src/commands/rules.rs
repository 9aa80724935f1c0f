//! The commands about files of rules.

mod files;
pub(crate) mod lint;
pub(crate) mod replay;
pub(crate) mod simulate;
