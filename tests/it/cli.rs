//! `kubectl namesake` against a real API server: each command with the rights of an admin, of a user, and of nobody.

mod check;
mod commands;
mod completion;
pub(crate) mod connection;
mod doctor;
mod edits;
mod explain;
mod leftovers;
mod uninstall;
mod who;
