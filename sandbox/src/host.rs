//! What a run takes of this machine: child processes, free ports and a work folder.

pub(crate) mod authority;
pub mod children;
pub mod ports;
pub mod work_folder;
