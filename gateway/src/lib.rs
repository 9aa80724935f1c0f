//! Authenticated endpoints for Metaflow's services.
//!
//! ```text
//! browser, laptop, pod ──TLS──▶ Envoy ──(OIDC login, JWT check)──▶ this program: who is it, may they? ──▶ Metaflow's services
//! ```
//!
//! Envoy authenticates: this crate renders its configuration from one file. The program `serve` runs beside Envoy in the same pod and
//! authorizes each request over a Unix socket, from memory.

pub mod caller;
pub mod config;
pub mod discovery;
pub mod render;
mod server;
pub mod state;

pub use server::args::{Args, Command, Serve};
pub use server::run::{bind_socket, run};
pub use server::{app, metrics_app};
