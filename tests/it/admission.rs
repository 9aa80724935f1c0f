//! Admission, from the request to the final pod: changes, refusals and messages for each kind of workload.

mod adoption;
mod airflow;
mod argo;
mod environment;
mod gateway_tokens;
mod metaflow;
mod modes;
mod pods;
mod reviews;
mod scheduling;
