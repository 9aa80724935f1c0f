//! The one integration binary: Namesake against a real API server and Google's side on loopback.

mod admission;
mod adoption;
mod airflow;
mod argo;
mod before_opt_in;
mod broker_api;
mod custody;
mod failure;
mod gates;
mod guards;
mod ha;
mod hygiene;
mod identity;
mod layering;
mod leave;
mod life;
mod manifests;
mod metaflow;
mod model;
mod modes;
mod quota;
mod reinvocation;
mod reviews;
mod roads;
mod rules_live;
mod twin;
