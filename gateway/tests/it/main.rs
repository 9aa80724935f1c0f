//! The authorizer and the page, as Envoy sees them: through the routes of the socket.

#![expect(clippy::unwrap_used, reason = "tests")]

mod authorize;
mod owners;
mod page;
mod paths;
mod setup;
mod socket;
