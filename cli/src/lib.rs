//! `kubectl namesake`: questions about an installation, answered from the API server with the caller's rights.
//!
//! ```text
//! Args ─connect─▶ Session (client, namespace of the stack) ─command─▶ Answer ─print─▶ text, JSON or XML, and the exit code
//! ```
//!
//! Each command reads first, and decides in pure functions. What it is not allowed to read is in its answer.

mod answer;
mod args;
pub mod check;
mod cluster;
mod commands;
mod console;
mod doctor;
mod explain;
mod run;
#[cfg(test)]
#[path = "../../webhook/src/state/installation/shipped.rs"]
mod shipped;

pub use answer::exit_status::ExitStatus;
pub use args::Args;
pub use console::Console;
pub use run::run;
