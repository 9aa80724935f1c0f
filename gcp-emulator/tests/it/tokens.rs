//! Tokens: exchange, impersonation, signatures, and which project a call is counted for.

mod impersonation;
mod providers;
pub(crate) mod signing;
mod user_project;
