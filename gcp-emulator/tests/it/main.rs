//! The emulator from outside: requests as real clients send them.

#![expect(clippy::unwrap_used, reason = "tests: also in their helpers")]

mod accounts;
mod chain;
mod support;
