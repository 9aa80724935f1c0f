//! IAM's own API: service accounts, roles and policies.

mod accounts;
mod audit_configs;
mod conditional_grants;
mod policies;
mod projects;
mod refusals;
mod roles;
