//! Admission: who requested an object, which identity its pods get, and the final check of each pod.
//!
//! ```text
//! AdmissionReview ─review─▶ request ─who─▶ principal ─sanitize─▶ spec ─choose─▶ decision ─(broker)─▶ mutate ─▶ patch ─▶ verdict
//!                              └──────────────────────────── validate ────────────────────────────────────────────▶ verdict
//! ```
//!
//! `decide` is pure: state, broker and clock meet it in `admit` only. A known user's pod is answered from memory, without a call
//! and without a lock held across a wait. Nothing here talks to Google.

pub mod admit;
pub mod decide;
pub mod review;
mod server;
pub mod simulate;
pub mod state;
mod survey;

pub use review::text::Pairs;
pub use server::args::Args;
pub use server::run::run;
pub use server::{AllowedClients, app, app_for, metrics_app};
pub use survey::Survey;
