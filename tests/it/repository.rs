//! The repository itself: dependencies between crates, and documents that match the code.

mod layering;
mod proven;
mod reasons;
