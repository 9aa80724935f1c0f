//! The installation: the acceptance script, manifests and their rights, the documented commands, the installation check, certificates.

mod acceptance;
mod certificates;
mod check;
mod install;
mod manifests;
mod monitoring;
mod stacks;
mod terraform;
