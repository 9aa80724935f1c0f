//! What holds for the repository itself: who depends on whom, and documents in step with the code.

mod layering;
mod proven;
mod reasons;
