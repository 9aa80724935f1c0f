//! Behaviour while a part of the system is down or misbehaves.

mod api_server;
mod brokers;
mod google;
mod outages;
mod soak;
