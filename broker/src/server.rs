//! The program around API and controllers: flags, start, readiness, rules in force, metrics, log.

pub mod args;
pub mod clean;
pub mod config;
pub mod metrics;
pub mod ready;
pub mod rules;
pub mod rules_watch;
pub mod run;
pub mod shared;
