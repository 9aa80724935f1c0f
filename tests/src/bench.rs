//! The webhook under load beside a floor, on one machine in one run: what an admission costs.
//!
//! Servers are children of their own, so that their CPU and memory are the kernel's figures.

mod floor;
mod load;
mod process;
mod report;

pub use floor::serve_floor;
pub use load::{Load, Outcome};
pub use process::{Child, Usage};
pub use report::{Figure, Report};
