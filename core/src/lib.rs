//! What Namesake decides. This crate does no I/O, and reads no clock and no environment.
//!
//! ```text
//! requester ──users──▶ user ──┐
//! namespace, launcher, claims ┴─rules──▶ class ──per──▶ identity (one name for KSA, GSA and Identity)
//!
//! stamp       who created an object, signed: the only evidence that objects carry
//! resolution  what was decided for a pod, signed for the final check
//! ```
//!
//! Only what is proven (user, groups, namespace, launcher) gives a pod an identity; what a pod claims (labels, flow, step,
//! project) can only narrow which one.

mod decision;
mod json;
mod names;
mod reason;
mod rules;
mod signed;
mod user;

pub use decision::{
    Claims, Decision, DerivedIdentity, EditEffect, EndpointRight, IdentityChoice, MetadataRequest,
    NewRun, PodAttributes, Refusal, Replay, ReplayChange, ReplayIdentity, ReplayReport,
    RequestedIdentity, TagChange, TracedRule, UserStatus, is_plain_path,
};
pub use json::{Json, Text, read_log};
pub use names::{Glob, IdentityName, MANAGED_NAME_PATTERN, Per, is_managed_name};
pub use reason::{Reason, UnknownReason};
pub use rules::{
    BindBy, EndpointMode, ForeignMembers, Grant, GrantTarget, Hygiene, Launcher, Lifecycle, Mode,
    NoMatch, Problem, Rules, RulesDuration, RulesErrors, Source, WhenFull,
};
pub use signed::{
    ArgoStamp, Bound, DecisionId, Deployer, Digest, ExistingPod, HashInput, KeyRing, KeyRingError,
    MAX_DIGESTS, MAX_SEALED_BYTES, MIN_KEY_BYTES, ObjectName, Outcome, RESOLUTION_TOLERANCE,
    Resolution, STAMP_TOLERANCE, SealError, SeenObject, SeenPod, Stamp, digest_of_job_template,
    digest_of_pod_template, fingerprint, is_epoch,
};
pub use user::{Groups, MAX_USER_BYTES, Membership, Requester, User, UserError};

#[cfg(test)]
mod tests {
    /// Parsing, printing and hashing. None of these does I/O, or reads a clock or the environment.
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
    fn core_depends_on_no_crate_that_does_io() {
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
