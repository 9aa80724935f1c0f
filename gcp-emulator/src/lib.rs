//! Google's side on loopback: service accounts, policies, STS, credentials, metadata and storage.
//!
//! One HTTP port serves IAM, IAM credentials, STS, resource manager, storage, tokeninfo and, under
//! `/emulator/v1/`, the emulator's own API. [`Emulator::start`] runs it on a listener, [`app`] is the router alone.
//! [`metadata`] is a GKE-like metadata server, one per pod, that uses such a port as any client would.
//! What is documented by Google, what was recorded and what is assumed: see the README.

mod api;
mod emulator;
pub mod metadata;
mod policy;
mod services;
mod world;

pub use emulator::router::app;
pub use emulator::seed::{AccountSeed, BucketSeed, FolderSeed, ProjectSeed, Seed};
pub use emulator::{Emulator, Options, StartError};
pub use world::controls::clock::Clock;
pub use world::controls::faults::{Fault, FaultAnswer};
pub use world::controls::refusals::{Denied, Refusals};
pub use world::controls::request_log::Entry;
pub use world::controls::settings::{Delays, Latency, Limits, Settings};
pub use world::pools::PoolSeed;
pub use world::roles::CustomRole;
pub use world::state::State;
