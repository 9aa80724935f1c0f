//! The one integration binary: Namesake against a real API server and Google's side on loopback.

mod abuse;
mod admission;
mod adoption;
mod airflow;
mod api_server;
mod broker_api;
mod clusters;
mod failure;
mod faults;
mod garbage;
mod gates;
mod ha;
mod hygiene;
mod identity;
mod install_check;
mod layering;
mod leave;
mod life;
mod manifests;
mod metaflow;
mod modes;
mod proven;
mod quota;
mod reviews;
mod rules_live;
mod soak;
