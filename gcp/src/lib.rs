//! Google's side as Namesake uses it: IAM, credentials, STS and resource policies.
//!
//! Google's official crate speaks to IAM about accounts and their policies; plain HTTP speaks to the services that it
//! does not cover (token exchange, buckets, managed folders, projects). Retries are ours in both cases: the official
//! crates retry neither 429 nor 409 nor a lost answer to a POST. Every request waits for its turn ([`PerMinute`]), and every
//! call ends by [`Gcp::within`]'s limit.

mod accounts;
mod buckets;
mod client;
mod error;
mod policy;
mod projects;
mod tokens;
mod transport;

pub use accounts::ServiceAccount;
pub use client::{Endpoints, Gcp};
pub use error::refusal::Refusal;
pub use error::{Error, Failure};
pub use policy::edit::{Edit, Entry};
pub use policy::modify::Manner;
pub use policy::resource::Resource;
pub use policy::{Condition, Policy};
pub use tokens::AccessToken;
pub use transport::credentials::application_default;
pub use transport::rates::{PerMinute, Rate, Standing};
pub use transport::retry::Fence;

#[cfg(test)]
mod tests;
