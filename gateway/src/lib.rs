//! Authenticated endpoints for Metaflow's services.
//!
//! ```text
//! browser, laptop, pod ──TLS──▶ Envoy ──(OIDC login, JWT check)──▶ this program: who is it, may they? ──▶ Metaflow's services
//! ```
//!
//! Envoy authenticates: this crate renders its configuration from one file. The program `serve` runs beside Envoy in the same pod and
//! authorizes each request over a Unix socket, from memory.

pub mod config;
pub mod discovery;
pub mod render;
