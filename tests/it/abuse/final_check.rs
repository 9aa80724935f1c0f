//! The final check of a pod, after every other webhook.

mod pods;
mod reinvocation;
