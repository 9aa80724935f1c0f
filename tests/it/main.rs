//! The one integration binary: Namesake against a real API server and Google's side on loopback.

mod abuse;
mod admission;
mod failures;
mod identities;
mod installation;
mod repository;
mod soak;
