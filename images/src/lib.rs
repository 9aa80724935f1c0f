//! Packs static programs as OCI images, without a container engine, and `kubectl namesake` for krew. The same program gives the same
//! digest, on any machine.

pub mod image;
mod layer;
pub mod layout;
pub mod plugin;
pub mod program;
