//! The only binary of cluster tests: Namesake with a real API server and an emulated Google, on loopback.

mod abuse;
mod admission;
mod cli;
mod endpoints;
mod failures;
mod identities;
mod installation;
mod repository;
