//! The installation: manifests, their rights, the documented commands, the check of what is open, certificates.

mod certificates;
mod check;
mod install;
mod manifests;
