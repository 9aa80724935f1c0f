//! The life of an identity: created, verified at Google, changed by rules and drift, offboarded and collected.

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
