//! Identities: creation, verification at Google, changes by rules and drift, offboarding and garbage collection.

mod bad_input;
mod broker_api;
mod clusters;
mod garbage;
mod gates;
mod lifecycle;
mod offboarding;
mod organization_policies;
mod quota;
mod rules_edits;
mod uniqueness;
