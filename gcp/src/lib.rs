//! Google's side as Namesake uses it: IAM, credentials, STS and resource policies.
//!
//! Google's official crate speaks to IAM about accounts and their policies; plain HTTP speaks to the services that it
//! does not cover (token exchange, buckets, managed folders, projects). Retries are ours in both cases: the official
//! crates retry neither 429 nor 409 nor a lost answer to a POST. Every request waits for its turn ([`PerMinute`]), and every
//! call ends by [`Gcp::within`]'s limit.

mod accounts;
mod classify;
mod client;
mod credentials;
mod details;
mod edit;
mod error;
mod folders;
mod http;
mod policies;
mod policy;
mod projects;
mod rates;
mod refusal;
mod resource;
mod retry;
mod tokens;

pub use accounts::ServiceAccount;
pub use client::{Endpoints, Gcp};
pub use credentials::application_default;
pub use edit::{Edit, Entry};
pub use error::{Error, Failure};
pub use policies::Manner;
pub use policy::{Condition, Policy};
pub use rates::{PerMinute, Rate, Standing};
pub use refusal::Refusal;
pub use resource::Resource;
pub use retry::Fence;
pub use tokens::AccessToken;

#[cfg(test)]
mod tests;
