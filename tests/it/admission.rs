//! From a request to the final pod: what admission changes, refuses and says, for each kind of workload.

mod adoption;
mod airflow;
mod argo;
mod environment;
mod metaflow;
mod modes;
mod pods;
mod reviews;
