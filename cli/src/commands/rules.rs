//! The commands about files of rules.

pub(crate) mod bare_job;
mod files;
pub(crate) mod lint;
pub(crate) mod replay;
pub(crate) mod simulate;
