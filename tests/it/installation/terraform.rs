//! `terraform/`, with OpenTofu and without Google.

mod hcl;
mod overlay;
mod schema;
mod stacks;
mod state;
