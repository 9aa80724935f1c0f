//! The identity broker: creates identities before it answers, brings Google in line with them, and opens the gates of pods whose
//! identity works.
//!
//! ```text
//! webhook ─api─▶ Identity + KSA ─reconcile─▶ plan ─step by step─▶ Google ─▶ conditions ─gates─▶ pods are scheduled
//!          rules derive it         pure                             pure
//! ```
//!
//! The modules of `identity` are pure, except `status` and `store`. A restart loses nothing, because everything that matters is in
//! the cluster or at Google. A tenant never names a project, role or account: the rules do.

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
