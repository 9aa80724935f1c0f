//! Google's side on loopback: service accounts, policies, STS, credentials, metadata and storage.
//!
//! One HTTP port serves IAM, IAM credentials, STS, resource manager, storage, tokeninfo and, under
//! `/emulator/v1/`, the emulator's own API. [`Emulator::start`] runs it on a listener, [`app`] is the router alone.
//! [`metadata`] is a GKE-like metadata server, one per pod, that uses such a port as any client would.
//! What is documented by Google, what was recorded and what is assumed: see the README.

mod accounts;
mod admin;
mod app;
mod authorize;
mod call;
mod cli;
mod clock;
mod condition;
mod credentials;
mod crm;
mod emulator;
mod errors;
mod faults;
mod iam;
mod journal;
mod jwt;
mod listing;
mod member;
pub mod metadata;
mod policies;
mod policy;
mod policy_write;
mod pools;
mod principal;
mod quota;
mod random;
mod refusals;
mod roles;
mod route;
mod seed;
mod server;
mod settings;
mod state;
mod storage;
mod sts;
mod tokeninfo;
mod tokens;

pub use app::{State, app};
pub use cli::Cli;
pub use clock::Clock;
pub use emulator::{Emulator, Options, StartError};
pub use faults::{Fault, FaultAnswer};
pub use journal::Entry;
pub use pools::PoolSeed;
pub use refusals::{Denied, Refusals};
pub use roles::CustomRole;
pub use seed::{AccountSeed, BucketSeed, FolderSeed, ProjectSeed, Seed};
pub use settings::{Delays, Latency, Limits, Settings};
