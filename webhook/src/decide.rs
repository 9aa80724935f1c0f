//! The decisions about requests, without I/O, clock or state. Everything that a decision depends on is an
//! argument; `admit` brings it.

pub mod argo;
pub mod context;
pub mod kinds;
pub mod known;
pub mod mode;
pub mod mutate;
pub mod pod_model;
pub mod validate;
pub mod verify;
pub mod who;
