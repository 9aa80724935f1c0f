//! What the watches have shown, and when: enough to say whether a pod was released early.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use kube::ResourceExt;
use namesake_api::{Identity, IdentitySpec, conditions, names::READY};

/// A proof may be so old when it is written down and seen.
const PROOF: Duration = Duration::from_secs(3);
/// Our watch, and the broker's, may be so far behind when an identity stops to work.
const BEHIND: Duration = Duration::from_secs(5);

/// An Identity as it was.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) version: u64,
    pub(super) seen: Instant,
    pub(super) ready: bool,
    pub(super) spec: IdentitySpec,
    uid: Option<String>,
}

/// Why a pod may have been released although its identity did not work at that moment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It was never proven, or something else than these.
    Early,
    /// Somebody broke it at Google after it was proven.
    Broken,
    /// Google was told to believe more slowly a moment before.
    Weather,
    /// It stopped to serve, or became another, at the same moment.
    Crossed,
    /// Our watch was cut: what it was like then was not seen.
    Unseen,
}

/// Everything that was seen.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    versions: HashMap<String, Vec<Version>>,
    broken: HashMap<String, Instant>,
    /// Whether the watch of Identities is cut.
    cut: bool,
    /// The newest version that was seen; when the watch began anew; and between which versions it has shown nothing.
    top: u64,
    anew: Option<u64>,
    gaps: Vec<(u64, u64)>,
    /// When Google was told to believe more slowly, and how slowly.
    pub(super) weather: Option<(Instant, Duration)>,
    /// UIDs of pods that were seen with or without our gate.
    pub(super) gated: HashSet<String>,
    pub(super) released: HashSet<String>,
    pub(super) working: usize,
    pub(super) excused: usize,
    /// What must not be.
    pub(super) early: Vec<String>,
    /// Name and message of the pods that were ended.
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

    /// The watch of Identities shows nothing for now.
    pub(super) fn is_cut(&mut self) {
        self.cut = true;
    }

    /// It goes on where it was cut, and has missed nothing.
    pub(super) fn resume(&mut self) {
        self.cut = false;
    }

    /// It begins anew: what is there now, and not what was meanwhile.
    pub(super) fn begins_anew(&mut self) {
        self.cut = true;
        self.anew.get_or_insert(self.top);
    }

    /// It has shown all that is there.
    pub(super) fn is_whole(&mut self) {
        self.cut = false;
        if let Some(from) = self.anew.take() {
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

    /// Says what is to be thought of a release at `version`, of a pod whose identity did not work at `at`.
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
        if self.broken.get(name).is_some_and(|b| *b + PROOF >= since) {
            return Judgement::Broken;
        }
        if self
            .weather
            .is_some_and(|(then, delay)| at < then + delay + PROOF)
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

/// Whether an Identity says that it works as it is now, and not as it was before an edit.
fn is_ready(identity: &Identity) -> bool {
    let status = identity.status.as_ref();
    let ready = status.and_then(|status| conditions::get(&status.conditions, READY));
    identity.metadata.deletion_timestamp.is_none()
        && ready.is_some_and(|c| {
            c.status == "True" && c.observed_generation == identity.metadata.generation
        })
}

/// A resourceVersion as a number: they only grow within a cluster.
pub(super) fn version(text: Option<String>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}
