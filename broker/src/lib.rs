//! The identity broker: makes identities before it answers, brings Google in line behind, and opens gates when it is proven.
//!
//! ```text
//! webhook ─api─▶ Identity + KSA ─controller─▶ plan ─step─▶ Google ─▶ conditions ─gates─▶ pods may run
//!          rules decide and derive         pure    one at a time   pure
//! ```
//!
//! `plan`, `conditions`, `derive`, `objects`, `gates::decide` are pure: cluster, Google and clock meet them in `api`,
//! `controller` and `gates`. Nothing is remembered that a restart would miss. A tenant names no project, role or account.

pub mod api;
mod args;
pub mod asked;
mod buckets;
pub mod clean;
pub mod conditions;
pub mod config;
pub mod controller;
pub mod derive;
pub mod ensure;
pub mod events;
pub mod failure;
pub mod foreign;
pub mod garbage;
pub mod gates;
mod google;
pub mod grants;
pub mod identities;
mod known;
pub mod leader;
pub mod listing;
pub mod metrics;
pub mod namespaces;
pub mod objects;
pub mod phase;
pub mod place;
pub mod plan;
pub mod policies;
pub mod principal;
pub mod quota;
pub mod ready;
pub mod reason;
mod refused;
mod rights;
pub mod roles;
pub mod rules;
mod run;
pub mod schedule;
pub mod signals;
pub mod status;
pub mod telemetry;
mod turns;
mod verify;
pub mod written;

#[cfg(test)]
mod fixtures;

pub use args::{Args, Command, LogFormat};
pub use config::{Config, Timings};
pub use google::connect;
pub use run::run;
