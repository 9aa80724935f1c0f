//! The repository itself: dependencies between crates, and documents that match the code.

mod book;
mod layering;
mod permissions;
mod proven;
mod reasons;
