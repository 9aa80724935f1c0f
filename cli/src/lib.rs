//! `kubectl namesake`: questions about an installation, answered from the API server with the caller's rights.
//!
//! ```text
//! Args ─connect─▶ Session (client, namespace of the stack) ─command─▶ Answer ─print─▶ text, JSON or XML, and the exit code
//! ```
//!
//! Each command reads first, and decides in pure functions. What it is not allowed to read is in its answer.

pub mod answer;
pub mod args;
mod connect;
pub mod exit_status;
pub mod failure;
#[cfg(test)]
mod golden;
mod pages;
mod quota;
mod run;
mod text;

pub use connect::Session;
pub use exit_status::ExitStatus;
pub use run::{Console, run};
