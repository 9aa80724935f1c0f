//! The one integration binary: Namesake against a real API server and Google's side on loopback.

mod layering;
mod manifests;
