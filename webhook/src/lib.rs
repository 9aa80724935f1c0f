//! Admission: who asked, which identity, and the twin that checks the final pod.
//!
//! ```text
//! bytes ─review─▶ request ─who─▶ asker ─mutate::choose─▶ decision ─(broker)─▶ mutate::{pod, parent, update} ─▶ patch
//!                    └─────────────────────────twin::check, rules_check::check──────────────────────────────▶ verdict
//! ```
//!
//! `who`, `mutate`, `twin`, `rules_check` and `kinds` are pure: state, broker and clock meet them in `admit` only. A known
//! user's pod is answered from memory, without a call and without a lock held across a wait. Nothing here talks to Google.

pub mod admit;
pub mod adopt;
pub mod argo;
mod args;
pub mod broker;
pub mod check;
mod claims;
mod epoch;
pub mod guard;
pub mod hygiene;
pub mod installation;
pub mod kinds;
pub mod metrics;
pub mod mode;
pub mod mutate;
pub mod opt_in;
pub mod patch;
pub mod reason;
pub mod review;
pub mod rules_check;
mod run;
mod server;
#[cfg(test)]
mod shipped;
pub mod signals;
pub mod state;
mod task_result;
pub mod telemetry;
mod text;
pub mod twin;
pub mod verdict;
mod watch;
pub mod who;

pub use args::{Args, Command, LogFormat};
pub use run::run;
pub use server::{Askers, app, app_for, metrics_app};
pub use text::Pairs;
