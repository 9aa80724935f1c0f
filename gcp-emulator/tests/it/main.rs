//! Tests of the emulator from outside: requests as real clients send them.

#![expect(clippy::unwrap_used, reason = "tests: also in their helpers")]

mod admin;
mod consistency;
mod golden;
mod iam;
mod metadata;
mod replay;
mod storage;
mod support;
mod tokens;
mod wire;
