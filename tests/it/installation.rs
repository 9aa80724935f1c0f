//! The installation: the acceptance script, manifests and their rights, the documented commands, certificates.

mod acceptance;
mod certificates;
mod chart;
mod install;
mod manifests;
mod monitoring;
mod stacks;
mod terraform;
mod upgrade;
