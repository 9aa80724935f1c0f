//! A record of what the watches have shown, and when, to decide whether a pod was released too early.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use kube::ResourceExt;
use namesake_api::{Identity, IdentitySpec, conditions, names::READY};

/// The maximum age of a verification when it is recorded and seen.
const VERIFICATION: Duration = Duration::from_secs(3);
/// The maximum delay of our watch and of the broker's when an identity stops working.
const BEHIND: Duration = Duration::from_secs(5);

/// A recorded version of an Identity.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) version: u64,
    pub(super) seen: Instant,
    pub(super) ready: bool,
    pub(super) spec: IdentitySpec,
    uid: Option<String>,
}

/// The judgement about a pod that was released while its identity did not work.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It was released too early: its identity was never verified, or none of the excuses applies.
    Early,
    /// Somebody broke the identity at Google after its verification.
    Broken,
    /// The propagation delay at Google was increased a moment before.
    Weather,
    /// The identity was suspended or changed at the same moment.
    Crossed,
    /// Our watch was interrupted, so its state at that time is not known.
    Unseen,
}

/// Everything that the watches have shown.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    versions: HashMap<String, Vec<Version>>,
    broken: HashMap<String, Instant>,
    /// Whether the watch of Identities is interrupted.
    cut: bool,
    /// The newest version seen; the version at which the watch restarted; and the ranges of versions without events.
    top: u64,
    restarted_at: Option<u64>,
    gaps: Vec<(u64, u64)>,
    /// The times at which the propagation delay at Google was increased, and the delays.
    pub(super) weather: Option<(Instant, Duration)>,
    /// The UIDs of pods that were seen with and without our gate.
    pub(super) gated: HashSet<String>,
    pub(super) released: HashSet<String>,
    pub(super) working: usize,
    pub(super) excused: usize,
    /// Pods that were released too early.
    pub(super) early: Vec<String>,
    /// The names and messages of failed pods.
    pub(super) ended: HashMap<String, String>,
}

impl Ledger {
    pub(super) fn saw(&mut self, identity: &Identity) {
        let version = Version {
            version: version(identity.resource_version()),
            seen: Instant::now(),
            ready: is_ready(identity),
            spec: identity.spec.clone(),
            uid: identity.uid(),
        };
        self.top = self.top.max(version.version);
        self.versions
            .entry(identity.name_any())
            .or_default()
            .push(version);
    }

    /// Records that the watch of Identities is interrupted.
    pub(super) fn is_cut(&mut self) {
        self.cut = true;
    }

    /// Records that it resumed without missing events.
    pub(super) fn resume(&mut self) {
        self.cut = false;
    }

    /// Records that it restarts with a list, so events may be missing.
    pub(super) fn restart(&mut self) {
        self.cut = true;
        self.restarted_at.get_or_insert(self.top);
    }

    /// Records that the list is complete.
    pub(super) fn is_whole(&mut self) {
        self.cut = false;
        if let Some(from) = self.restarted_at.take() {
            self.gaps.push((from, self.top));
        }
    }

    pub(super) fn breaks(&mut self, name: &str) {
        self.broken.insert(name.to_owned(), Instant::now());
    }

    /// The last state of an identity in which it was ready, up to this version.
    pub(super) fn last_ready(&self, name: &str, until: u64) -> Option<&Version> {
        let all = self.versions.get(name)?.iter();
        all.filter(|v| v.ready && v.version <= until)
            .max_by_key(|v| v.version)
    }

    /// Judges the release at `version` of a pod whose identity did not work at `at`.
    pub(super) fn judge(&self, name: &str, version: u64, at: Instant) -> Judgement {
        let unseen = |(from, to): &(u64, u64)| *from < version && version <= *to;
        if self.cut || self.gaps.iter().any(unseen) {
            return Judgement::Unseen;
        }
        let Some(ready) = self.last_ready(name, version) else {
            return Judgement::Early;
        };
        let all = self.versions.get(name).map_or(&[][..], Vec::as_slice);
        let same = |v: &&Version| v.ready && v.spec == ready.spec && v.uid == ready.uid;
        let others = all.iter().filter(|v| v.version < ready.version && !same(v));
        let since_version = others.map(|v| v.version).max().unwrap_or_default();
        let since = all
            .iter()
            .filter(|v| v.version > since_version && same(v))
            .map(|v| v.seen)
            .min()
            .unwrap_or(ready.seen);
        if self
            .broken
            .get(name)
            .is_some_and(|b| *b + VERIFICATION >= since)
        {
            return Judgement::Broken;
        }
        if self
            .weather
            .is_some_and(|(then, delay)| at < then + delay + VERIFICATION)
        {
            return Judgement::Weather;
        }
        let ended = all
            .iter()
            .filter(|v| v.version > ready.version && !same(v))
            .min_by_key(|v| v.version);
        if ended.is_some_and(|v| v.seen < at + BEHIND && at < v.seen + BEHIND) {
            return Judgement::Crossed;
        }
        Judgement::Early
    }
}

/// Whether an Identity is ready in its current generation.
fn is_ready(identity: &Identity) -> bool {
    let status = identity.status.as_ref();
    let ready = status.and_then(|status| conditions::get(&status.conditions, READY));
    identity.metadata.deletion_timestamp.is_none()
        && ready.is_some_and(|c| {
            c.status == "True" && c.observed_generation == identity.metadata.generation
        })
}

/// A resourceVersion as a number; within a cluster they only increase.
pub(super) fn version(text: Option<String>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}
