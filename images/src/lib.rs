//! Packs static programs as OCI images, without a container engine, `kubectl namesake` for krew, and the Helm chart. The same
//! content gives the same digest, on any machine.

pub mod chart;
pub mod image;
mod layer;
pub mod layout;
pub mod plugin;
pub mod program;
