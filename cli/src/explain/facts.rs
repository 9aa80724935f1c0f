//! What was read for an explanation.

use jiff::Timestamp;
use namesake_api::Identity;
use namesake_core::{DecisionId, Resolution, Stamp, TracedRule};

/// What is signed on an object, as it reads; only its proof says whether it is true.
#[derive(Clone, Debug)]
pub(super) enum Payload {
    /// On a pod.
    Resolution(Box<Resolution>),
    /// On what creates pods.
    Stamp(Box<Stamp>),
    /// It cannot be read.
    Unreadable,
}

/// Whether something signed is true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// The webhook verified it.
    Verified,
    /// The webhook says that it is not valid.
    NotValid(String),
    /// Nobody verified it.
    NotVerified,
}

/// What is signed on an object.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) payload: Payload,
    pub(super) decision: Option<DecisionId>,
    pub(super) proof: Proof,
}

/// An object of the chain from a pod to what a person created.
#[derive(Clone, Debug)]
pub(super) struct Link {
    /// Group and kind, as `batch/Job`.
    pub(super) kind: String,
    pub(super) name: String,
    /// Nothing if it is not signed, or could not be read.
    pub(super) signed: Option<Signed>,
    /// Whether it runs something else than its stamp signs.
    pub(super) is_changed: bool,
    /// Whether it does not exist any more.
    pub(super) is_gone: bool,
}

/// Why a pod waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    /// The reason's word.
    pub(super) reason: String,
    /// For people; ends with how long that lately takes.
    pub(super) message: String,
    pub(super) since: Option<Timestamp>,
}

/// A pod as it is now.
#[derive(Clone, Debug)]
pub(super) struct PodFacts {
    pub(super) name: String,
    pub(super) phase: String,
    pub(super) account: String,
    pub(super) wait: Option<Wait>,
}

/// The rules applied to a pod, as they are now.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    /// The rules up to the one that matches.
    pub(super) rules: Vec<TracedRule>,
    /// What the pod gets, for people.
    pub(super) decision: String,
}

/// A pod or what creates it.
#[derive(Clone, Debug)]
pub(super) struct RunFacts {
    /// Kind, namespace and name.
    pub(super) title: String,
    /// The pod first, if there is one.
    pub(super) links: Vec<Link>,
    pub(super) pod: Option<PodFacts>,
    pub(super) identity: Option<Box<Identity>>,
    pub(super) trace: Option<Trace>,
    /// What could not be seen, and why.
    pub(super) unseen: Vec<String>,
}

/// An Identity, and the pods that wait for it.
#[derive(Clone, Debug)]
pub(super) struct IdentityFacts {
    pub(super) identity: Box<Identity>,
    /// Name and reason of each pod that waits.
    pub(super) waiting: Vec<(String, Wait)>,
}

/// A user.
#[derive(Clone, Debug)]
pub(super) struct UserFacts {
    /// The name as it was asked for.
    pub(super) name: String,
    /// What the rules say about a requester of this name, for people.
    pub(super) by_rules: Option<String>,
    pub(super) identities: Vec<IdentityFacts>,
    /// Where the identities were looked for.
    pub(super) place: String,
    pub(super) trace: Option<Trace>,
    pub(super) unseen: Vec<String>,
}
