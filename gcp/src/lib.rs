//! Client for Google's APIs as Namesake uses them: IAM, service account credentials, STS and resource policies.
//!
//! Google's official crate makes the calls to IAM; the services that it does not cover (token exchange, buckets, managed
//! folders, projects) are called by plain HTTP. This crate does all retries itself, because the official crates retry
//! neither 429 nor 409 nor a POST whose response was lost. Every request waits for its turn within [`RateLimits`], and
//! every call ends within the time that [`Gcp::within`] sets.

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
pub use policy::edit::{Edit, MemberBinding};
pub use policy::modify::WriteOptions;
pub use policy::resource::Resource;
pub use policy::{Condition, Policy};
pub use transport::credentials::application_default;
pub use transport::rates::{Rate, RateLimits, RateStatus};
pub use transport::retry::{Fence, Observation, Observer};

#[cfg(test)]
mod tests;
