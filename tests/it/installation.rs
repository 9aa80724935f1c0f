//! The installation: manifests and their rights, the documented commands, the installation check, certificates.

mod certificates;
mod check;
mod install;
mod manifests;
mod stacks;
