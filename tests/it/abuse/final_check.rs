//! The final check of pods, after all other webhooks.

mod pods;
mod reinvocation;
mod skipped;
