//! The identity broker: makes identities before it answers, brings Google in line behind, and opens gates when it is proven.
//!
//! ```text
//! webhook ─api─▶ Identity + KSA ─controller─▶ plan ─step─▶ Google ─▶ conditions ─gates─▶ pods may run
//!          rules decide and derive         pure    one at a time   pure
//! ```
//!
//! `plan`, `conditions`, `derive`, `objects`, `gates::decide` are pure: cluster, Google and clock meet them in `api` and
//! `controllers`. Nothing is remembered that a restart would miss. A tenant names no project, role or account.

pub mod api;
pub mod cluster;
pub mod controllers;
pub mod google;
pub mod identity;
pub mod server;

#[cfg(test)]
mod fixtures;

pub use google::connect::connect;
pub use server::args::{Args, Command};
pub use server::config::{Config, Timings};
pub use server::run::run;
