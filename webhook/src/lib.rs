//! Admission: who asked, which identity, and the twin that checks the final pod.
//!
//! ```text
//! bytes ─review─▶ request ─who─▶ asker ─mutate::choose─▶ decision ─(broker)─▶ mutate::{pod, parent, update} ─▶ patch
//!                    └─────────────────────────twin::check, rules_check::check──────────────────────────────▶ verdict
//! ```
//!
//! `who`, `mutate`, `twin`, `rules_check` and `kinds` are pure: state, broker and clock meet them in `admit` only. A known
//! user's pod is answered from memory, without a call and without a lock held across a wait. Nothing here talks to Google.

pub mod admit;
pub mod check;
pub mod decide;
pub mod review;
mod server;
pub mod state;
mod survey;

pub use review::text::Pairs;
pub use server::args::{Args, Command};
pub use server::run::run;
pub use server::{Askers, app, app_for, metrics_app};
pub use survey::{Survey, Unproven};
