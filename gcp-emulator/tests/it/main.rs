//! The emulator from outside: requests as real clients send them.

mod accounts;
mod chain;
mod support;
