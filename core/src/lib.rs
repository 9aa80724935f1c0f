//! What Namesake decides, and nothing else: no I/O, no clock, no environment.
//!
//! ```text
//! requester ──users──▶ user ──┐
//! namespace, launcher, claims ┴─rules──▶ class ──per──▶ identity (one name for KSA, GSA and Identity)
//!
//! stamp       who made an object, signed: the only evidence that travels
//! resolution  what was decided for a pod, signed for the twin
//! ```
//!
//! Proof (user, groups, namespace, launcher) gives power; claims (labels, flow, step, project) only narrow.

mod argo;
mod authors;
mod decide;
mod digest;
mod fingerprint;
mod gathered;
mod glob;
mod grant;
mod groups;
mod name;
mod reason;
mod reasons;
mod refusal;
mod resolution;
mod rules;
mod seal;
mod stamp;
#[cfg(test)]
mod testing;
mod text;
mod tree;
mod user;

pub use argo::{Argo, Deployer};
pub use authors::Requester;
pub use decide::{Claims, Decision, IdentityChoice, Subject};
pub use digest::{Digest, digest_of_job_template, digest_of_pod_template};
pub use fingerprint::fingerprint;
pub use gathered::Gathered;
pub use glob::Glob;
pub use grant::{Ask, IdentitySpec};
pub use groups::{Groups, Membership};
pub use name::{IdentityName, MANAGED_NAME_PATTERN, is_managed_name};
pub use reason::{Reason, UnknownReason};
pub use refusal::Refusal;
pub use resolution::{ExistingPod, Outcome, RESOLUTION_TOLERANCE, Resolution, SeenPod};
pub use rules::{
    BindBy, ForeignMembers, Grant, GrantTarget, Hygiene, Itself, Launcher, Life, Mode, NoMatch,
    Per, Problem, Rules, RulesErrors, Source, Span, Standing, WhenFull,
};
pub use seal::{KeyRing, KeyRingError, MAX_SEALED_BYTES, MIN_KEY_BYTES, SealError, is_epoch};
pub use stamp::{Bound, MAX_RUNS, ObjectName, STAMP_TOLERANCE, SeenObject, Stamp};
pub use tree::{Node, Text};
pub use user::{MAX_USER_BYTES, User, UserError};

#[cfg(test)]
mod tests {
    /// Parsing, printing, hashing: nothing that could do I/O, read a clock or the environment.
    const ALLOWED: [&str; 7] = [
        "serde",
        "serde_json",
        "serde-saphyr",
        "thiserror",
        "sha2",
        "hmac",
        "data-encoding",
    ];

    #[test]
    fn core_depends_on_nothing_that_does_anything() {
        let manifest = include_str!("../Cargo.toml");
        let section = manifest
            .split("[dependencies]\n")
            .nth(1)
            .unwrap()
            .split("\n[")
            .next()
            .unwrap();
        let names = section
            .lines()
            .filter(|line| !line.is_empty())
            .map(|line| line.split(['.', ' ']).next().unwrap());
        assert_eq!(names.collect::<Vec<_>>(), ALLOWED);
    }
}
