//! The emulator from outside: requests as real clients send them.

#![expect(clippy::unwrap_used, reason = "tests: also in their helpers")]

mod accounts;
mod admin;
mod buckets;
mod chain;
mod consistency;
mod golden;
mod limits_on_grants;
mod metadata;
mod objects;
mod paths;
mod policies;
mod providers;
mod roles;
mod signing;
mod storage;
mod support;
mod user_project;
mod wire;
