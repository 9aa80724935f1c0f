//! An emulator of Google's APIs on loopback: service accounts, policies, STS, credentials, storage, and a metadata server.
//!
//! One HTTP port serves IAM, IAM credentials, STS, Resource Manager, Cloud Storage, tokeninfo and, under `/emulator/v1/`,
//! the emulator's own API. [`Emulator::start`] serves it on a listener, [`app`] is the router alone. [`metadata`] is a
//! GKE-like metadata server for one pod, which is a client of that port. The README says which behaviour is documented by
//! Google, which was recorded and which is assumed.
//!
//! Modules import only those before them: `api` (the wire), `world` (the emulated state), `policy` (permissions), `services`
//! (the handlers), `emulator` (the server). [`replay`] is a client: it compares the emulator with a report of docs/acceptance.md.

mod api;
mod emulator;
pub mod metadata;
mod policy;
mod services;
mod world;

pub use emulator::replay;
pub use emulator::router::app;
pub use emulator::seed::{AccountSeed, BucketSeed, FolderSeed, ProjectSeed, Seed};
pub use emulator::{Emulator, Options, StartError};
pub use world::controls::clock::Clock;
pub use world::controls::faults::{Fault, FaultAnswer};
pub use world::controls::permission_checks::PermissionCheck;
pub use world::controls::refusals::{Denied, Refusals};
pub use world::controls::request_log::LoggedRequest;
pub use world::controls::settings::{Delays, Latency, Limits, Settings};
pub use world::pools::PoolSeed;
pub use world::roles::CustomRole;
pub use world::state::State;
