//! What a reconcile remembers of an identity until the next one. Nothing here needs to survive a restart: it only saves
//! repeating steps that are repeatable.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kube::ResourceExt;
use namesake_api::names::{BINDING_READY, GOOGLE_ACCOUNT_READY, SERVICE_ACCOUNT_READY, VERIFIED};
use namesake_api::{Identity, IdentityStatus};
use namesake_gcp::Resource;
use tokio::time::Instant;

use super::run_step::Untold;
use crate::google::verify::Minted;
use crate::google::written;
use crate::identity::conditions::holds;
use crate::identity::plan::{
    Change, Desired, Down, GoogleAccount, Observed, PROOFS, ServiceAccount,
};
use crate::identity::retry::Asked;

/// After so many failures in a row a proof may lack what somebody took away at Google since it was written.
const DOUBT: u32 = 8;

/// An identity that worked is believed to work until Google has refused it so often in a row: a replica may be behind.
const REFUSALS: u32 = 5;

/// How long a watch may be behind. What it shows for longer is so: versions start anew when a cluster is restored.
const BEHIND: Duration = Duration::from_secs(60);

/// What a memory is about: generation of the spec, UID of the KSA, whether it serves.
type About = (Option<i64>, Option<String>, bool);

fn about(identity: &Identity) -> About {
    (
        identity.metadata.generation,
        identity.service_account_uid().map(str::to_owned),
        identity.phase().accepts_new_pods(),
    )
}

/// Steps done and waits agreed for one identity.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    about: About,
    /// UID of the KSA that it is about, while the status does not say so yet.
    learned: Option<String>,
    found: bool,
    sightings: u32,
    bound: bool,
    granted: BTreeSet<Resource>,
    proofs: u32,
    /// Whether the look under way has proven it again.
    confirmed: bool,
    down: Down,
    /// The token of the KSA that proofs start from, while they follow one another.
    pub(crate) token: Option<Minted>,
    /// A repair that is not proven yet.
    unproven: bool,
    /// Steps done that the status does not tell yet.
    pub(crate) untold: Untold,
    /// Failures in a row.
    pub(crate) failures: u32,
    /// No step before this: a write of the status wakes the controller earlier than agreed.
    pub(crate) not_before: Option<Instant>,
    /// What was asked for when a step was refused that does not pass by itself.
    pub(crate) refused: Option<Asked>,
    /// When an identity that works is looked at again.
    pub(crate) next_look: Option<Instant>,
    /// Whether that is a turn of ours, within the budget.
    pub(crate) reserved: bool,
    /// Whether such a look is under way.
    pub(crate) looking: bool,
}

impl Memory {
    /// Starts over when the spec, or the KSA, is another one.
    fn at(self, about: About) -> Self {
        if self.about == about {
            return self;
        }
        let (generation, account, serves) = &about;
        let known = (*generation, None, *serves) == self.about;
        if known && account.is_some() && *account == self.learned {
            return Self { about, ..self };
        }
        Self {
            about,
            ..Self::default()
        }
    }

    /// A look has shown this KSA, of which the status does not tell yet. What was done for another counts no more.
    pub(crate) fn learn(&mut self, uid: &str) {
        if self.learned.as_deref().is_some_and(|before| before != uid) {
            *self = Self {
                about: self.about.clone(),
                ..Self::default()
            };
        }
        self.learned = Some(uid.to_owned());
    }

    /// What is known: from the cluster, from the status, from the steps done.
    pub(crate) fn observed(
        &self,
        identity: &Identity,
        status: &IdentityStatus,
        account: ServiceAccount,
        desired: &Desired,
    ) -> Observed {
        let generation = identity.metadata.generation;
        let held = |condition| holds(status, generation, condition);
        let known = |condition| held(condition) && !self.looking;
        let google_account = match (
            self.found || known(GOOGLE_ACCOUNT_READY),
            held(GOOGLE_ACCOUNT_READY),
        ) {
            (false, _) => GoogleAccount::Unknown,
            (true, true) => GoogleAccount::Visible,
            (true, false) => GoogleAccount::Found(self.sightings),
        };
        let granted = if known(BINDING_READY) {
            desired.grants.keys().cloned().collect()
        } else {
            self.granted.clone()
        };
        let service_account = match account {
            ServiceAccount::Right | ServiceAccount::Unowned if !held(SERVICE_ACCOUNT_READY) => {
                ServiceAccount::Drifted
            }
            other => other,
        };
        Observed {
            service_account,
            account_recorded: status.service_account_uid.is_some(),
            google_account,
            bound: self.bound || known(BINDING_READY),
            granted,
            proofs: self.proofs,
            verified: held(VERIFIED) && !self.unproven,
            confirmed: self.confirmed || !self.looking,
            recorded: written::is_complete(identity, status),
            // What Google keeps from us stays recorded.
            stale: !written::stale(identity, status).is_empty() && !self.down.revoked,
            leftover: status.google_service_account_id.is_some(),
            down: self.down,
        }
    }

    /// Whether a step was refused and somebody has changed since what may lift that: then it is tried at once.
    pub(crate) fn is_asked_again(&mut self, asked: &Asked) -> bool {
        let again = self.refused.as_ref().is_some_and(|before| before != asked);
        if again {
            (self.refused, self.not_before, self.failures) = (None, None, 0);
        }
        again
    }

    /// A step was done; `repaired`: it found something missing.
    pub(crate) fn did(&mut self, change: &Change, repaired: bool) {
        (self.failures, self.refused) = (0, None);
        if repaired && self.looking {
            self.unproven = true;
            self.proofs = 0;
        }
        match change {
            Change::CreateServiceAccount | Change::RepairServiceAccount => self.proofs = 0,
            Change::FindGoogleAccount => self.found = true,
            Change::SeeGoogleAccount => self.sightings += 1,
            Change::Bind => self.bound = true,
            Change::Grant(resource) => {
                self.granted.insert(resource.clone());
            }
            Change::Prove => self.proofs += 1,
            Change::ProveAgain => self.confirmed = true,
            Change::Unbind => self.down.unbound = true,
            Change::DisableGoogleAccount => self.down.disabled = true,
            Change::Drain => self.down.drained = true,
            Change::Revoke => self.down.revoked = true,
            Change::DeleteGoogleAccount => self.down.deleted = true,
            // Their marks are in the status and in the cluster.
            Change::OwnServiceAccount
            | Change::Record
            | Change::DeleteServiceAccount
            | Change::DeleteIdentity => {}
        }
    }

    /// A step failed: proofs and sightings count only in a row. What cannot be proven again and again is looked at from the start.
    pub(crate) fn failed(&mut self, change: &Change) {
        self.failures = self.failures.saturating_add(1);
        match change {
            Change::SeeGoogleAccount => self.sightings = 0,
            Change::Prove if self.failures.is_multiple_of(DOUBT) => {
                let failures = self.failures;
                self.look_again();
                self.failures = failures;
                self.unproven = true;
            }
            Change::Prove => self.proofs = 0,
            _ => {}
        }
    }

    /// Whether the next proof is the last before the identity counts as working.
    pub(crate) const fn proves_last(&self) -> bool {
        self.proofs + 1 >= PROOFS
    }

    /// Google refused again what had worked: whether that was once too often. From then on it has to be proven anew.
    pub(crate) fn doubts(&mut self) -> bool {
        let doubts = self.failures >= REFUSALS;
        self.unproven |= doubts;
        doubts
    }

    /// A look for drift that has found none: it changes nothing in the status.
    pub(crate) fn is_quiet(&self) -> bool {
        self.looking && !self.unproven
    }

    /// How long an Identity that was made just now, and says nothing yet, is left to the API, which is about to make its KSA:
    /// two that do the same at the same time only get in each other's way. What it writes wakes the controller: the status, or
    /// all that it had to make, once that is `made`.
    pub(crate) fn leaves_to_api(
        &mut self,
        identity: &Identity,
        made: impl FnOnce() -> bool,
        wait: Duration,
        now: Instant,
    ) -> Option<Duration> {
        if identity.status.is_some() {
            return None;
        }
        if made() {
            self.not_before = None;
            return None;
        }
        let until = *self.not_before.get_or_insert(now + wait);
        let left = until.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Looks at everything again, without giving up what is known to work.
    pub(crate) fn look_again(&mut self) {
        *self = Self {
            about: self.about.clone(),
            looking: true,
            ..Self::default()
        };
    }

    /// All is done: what was counted on the way counts no more. The next look is due in `wait`, unless one is agreed.
    pub(crate) fn finished(&mut self, wait: Duration) {
        let due = self.next_look.unwrap_or_else(|| Instant::now() + wait);
        *self = Self {
            about: self.about.clone(),
            next_look: Some(due),
            reserved: self.reserved,
            down: self.down,
            ..Self::default()
        };
    }

    /// Puts the look that is due off to a turn of its own.
    pub(crate) fn reserve(&mut self, wait: Duration) {
        self.next_look = Some(Instant::now() + wait);
        self.reserved = true;
    }
}

/// The memory of all identities, by their UID.
#[derive(Default)]
pub(crate) struct Memories(Mutex<HashMap<String, Kept>>);

#[derive(Default)]
struct Kept {
    memory: Memory,
    /// The version that our last write made, and when that was.
    wrote: Option<(u64, Instant)>,
}

impl Memories {
    pub(crate) fn of(&self, identity: &Identity) -> Memory {
        let memory = self.see(identity, |kept| kept.memory.clone());
        memory.unwrap_or_default().at(about(identity))
    }

    pub(crate) fn keep(&self, identity: &Identity, memory: Memory) {
        self.change(identity, |kept| kept.memory = memory);
    }

    /// This is what our last write made of it.
    pub(crate) fn wrote(&self, identity: &Identity) {
        let wrote = version(identity).map(|version| (version, Instant::now()));
        self.change(identity, |kept| kept.wrote = wrote);
    }

    /// Whether this is older than what our last write made of it: to act on it would be to do things twice.
    pub(crate) fn is_behind(&self, identity: &Identity) -> bool {
        let wrote = self.see(identity, |kept| kept.wrote).flatten();
        let wrote = wrote.filter(|(_, at)| at.elapsed() < BEHIND);
        wrote.is_some_and(|(wrote, _)| version(identity).is_some_and(|version| version < wrote))
    }

    pub(crate) fn forget(&self, identity: &Identity) {
        let mut memories = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memories.remove(&identity.uid().unwrap_or_default());
    }

    fn see<T>(&self, identity: &Identity, see: impl FnOnce(&Kept) -> T) -> Option<T> {
        let memories = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memories.get(&identity.uid().unwrap_or_default()).map(see)
    }

    // Only of an identity that is worked on: thousands are only looked at.
    fn change(&self, identity: &Identity, change: impl FnOnce(&mut Kept)) {
        let mut memories = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(
            memories
                .entry(identity.uid().unwrap_or_default())
                .or_default(),
        );
    }
}

/// Versions of one kind can be compared as numbers (Kubernetes documents that since 1.35; etcd made them so before).
fn version(identity: &Identity) -> Option<u64> {
    identity.metadata.resource_version.as_deref()?.parse().ok()
}
