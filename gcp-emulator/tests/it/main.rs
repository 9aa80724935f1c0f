//! The emulator from outside: requests as real clients send them.

#![expect(clippy::unwrap_used, reason = "tests: also in their helpers")]

mod accounts;
mod admin;
mod buckets;
mod chain;
mod consistency;
mod golden;
mod metadata;
mod policies;
mod providers;
mod storage;
mod support;
mod wire;
