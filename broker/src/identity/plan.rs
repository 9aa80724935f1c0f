//! What remains to be done for an identity: `plan(desired, observed)`, pure. The controller makes the first change of the list,
//! writes down the outcome, and plans again: so every step is bounded and repeatable, and a restart forgets nothing.

pub mod change;
pub mod observed;

use std::collections::{BTreeMap, BTreeSet};

use namesake_api::{Grant, IdentitySpec, Mode};
use namesake_gcp::Resource;

use self::change::Change;
use self::observed::{Observed, ServiceAccountState};

/// Consecutive reads that must show a new GSA before it is bound: a single read may be answered by a replica that is ahead.
pub const SIGHTINGS: u32 = 3;
/// Consecutive verifications, some time apart, before an identity counts as working.
pub const VERIFICATIONS: u32 = 3;

/// What an identity shall become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// It works.
    Serve,
    /// Nobody acts as it; everything that it needs to serve again stays.
    Suspend,
    /// It is deleted after its last pod.
    Drain,
    /// Nobody acts as it any more, and its KSA is deleted.
    Offboard {
        /// Whether its Google side is deleted as well, because the grace period is over.
        delete: bool,
    },
    /// Everything is deleted, and nothing remains to be done.
    Gone,
}

/// What an identity should be at Google, by its spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// What it shall become.
    pub goal: Goal,
    /// How pods act at Google.
    pub mode: Mode,
    /// Whether the GSA is somebody else's, and only the binding is ours.
    pub pinned: bool,
    /// Roles by the policy that they are in; none for a pinned GSA.
    pub grants: BTreeMap<Resource, BTreeSet<String>>,
}

impl Desired {
    /// What the spec asks for, with the goal to serve.
    #[must_use]
    pub fn of(spec: &IdentitySpec) -> Self {
        Self {
            goal: Goal::Serve,
            mode: spec.mode,
            pinned: spec.pinned,
            grants: roles_by_resource(spec, |_| true),
        }
    }

    /// The same with another goal.
    #[must_use]
    pub fn with_goal(self, goal: Goal) -> Self {
        Self { goal, ..self }
    }

    /// Whether the identity has a GSA of its own.
    const fn has_own_account(&self) -> bool {
        matches!(self.mode, Mode::Impersonate) && !self.pinned
    }
}

/// The roles of the grants that are of interest, by the resource that they are on; none for a pinned GSA.
pub(crate) fn roles_by_resource(
    spec: &IdentitySpec,
    is_of_interest: impl Fn(&Grant) -> bool,
) -> BTreeMap<Resource, BTreeSet<String>> {
    let mut roles: BTreeMap<Resource, BTreeSet<String>> = BTreeMap::new();
    for grant in spec
        .grants
        .iter()
        .filter(|grant| !spec.pinned && is_of_interest(grant))
    {
        if let Some(resource) = resource(grant) {
            roles
                .entry(resource)
                .or_default()
                .insert(grant.role.clone());
        }
    }
    roles
}

/// The resource whose policy has a grant; `None` for a grant that names none, which the API server does not accept.
pub(crate) fn resource(grant: &Grant) -> Option<Resource> {
    let Grant {
        project,
        bucket,
        folder,
        service_account,
        ..
    } = grant.clone();
    match (project, bucket, folder, service_account) {
        (None, Some(bucket), Some(folder), None) => {
            Some(Resource::ManagedFolder { bucket, folder })
        }
        (None, Some(name), None, None) => Some(Resource::Bucket { name }),
        (Some(id), None, None, None) => Some(Resource::Project { id }),
        (None, None, None, Some(email)) => Some(Resource::ServiceAccount { email }),
        _ => None,
    }
}

/// All remaining changes, in order. Empty: the goal is reached.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed) -> Vec<Change> {
    match desired.goal {
        Goal::Serve => serve(desired, observed),
        Goal::Suspend => suspend(desired, observed),
        Goal::Drain if observed.has_done(&Change::Drain) => vec![Change::DeleteIdentity],
        Goal::Drain => vec![Change::Drain, Change::DeleteIdentity],
        Goal::Offboard { delete } => offboard(desired, observed, delete),
        Goal::Gone => Vec::new(),
    }
}

fn serve(desired: &Desired, observed: &Observed) -> Vec<Change> {
    let mut changes = Vec::new();
    match observed.service_account {
        ServiceAccountState::Absent => changes.push(Change::CreateServiceAccount),
        ServiceAccountState::Drifted => changes.push(Change::RepairServiceAccount),
        ServiceAccountState::Unowned | ServiceAccountState::Right => {}
    }
    if desired.mode == Mode::Impersonate {
        let found = observed.visible && !observed.checking;
        let found = found || observed.has_done(&Change::EnsureGoogleAccount);
        push_unless(&mut changes, Change::EnsureGoogleAccount, found);
        let confirm = Change::ConfirmGoogleAccount;
        let sightings = if found && observed.visible {
            SIGHTINGS
        } else {
            observed.times(&confirm)
        };
        if !desired.pinned {
            push_missing(&mut changes, &confirm, sightings, SIGHTINGS);
        }
    }
    push_unless(&mut changes, Change::Record, observed.recorded);
    let written = observed.written && !observed.checking;
    let is_done = |change: &Change| written || observed.has_done(change);
    let bound = desired.mode == Mode::Direct || is_done(&Change::Bind);
    push_unless(&mut changes, Change::Bind, bound);
    let grants = desired.grants.keys().cloned().map(Change::Grant);
    changes.extend(grants.filter(|grant| !is_done(grant)));
    push_unless(&mut changes, Change::Revoke, !observed.stale);
    let needed = desired.mode == Mode::Impersonate || !observed.has_google_account;
    push_unless(&mut changes, Change::DeleteGoogleAccount, needed);
    // Late, because many new identities at once mean enough writes already.
    let owned = observed.service_account != ServiceAccountState::Unowned;
    push_unless(&mut changes, Change::SetServiceAccountOwner, owned);
    if observed.verified {
        let confirmed = !observed.checking || observed.has_done(&Change::VerifyAgain);
        push_unless(&mut changes, Change::VerifyAgain, confirmed);
    } else {
        let verifications = observed.times(&Change::Verify);
        push_missing(&mut changes, &Change::Verify, verifications, VERIFICATIONS);
    }
    changes
}

/// First nobody can act as the identity any more; then its GSA cannot act either.
fn suspend(desired: &Desired, observed: &Observed) -> Vec<Change> {
    let mut changes = Vec::new();
    let unbound = observed.has_done(&Change::Unbind);
    push_unless(&mut changes, Change::Unbind, unbound);
    let disable = Change::DisableGoogleAccount;
    let is_disabled = observed.has_done(&disable) || !desired.has_own_account();
    push_unless(&mut changes, disable, is_disabled);
    changes
}

fn offboard(desired: &Desired, observed: &Observed, delete: bool) -> Vec<Change> {
    let mut changes = suspend(desired, observed);
    let absent = observed.service_account == ServiceAccountState::Absent;
    let drained = absent || observed.has_done(&Change::Drain);
    push_unless(&mut changes, Change::Drain, drained);
    let forgotten = absent && !observed.account_recorded;
    push_unless(&mut changes, Change::DeleteServiceAccount, forgotten);
    if delete {
        let revoked = observed.has_done(&Change::Revoke);
        push_unless(&mut changes, Change::Revoke, revoked);
        let deleted = Change::DeleteGoogleAccount;
        let is_deleted = observed.has_done(&deleted) || !desired.has_own_account();
        push_unless(&mut changes, deleted, is_deleted);
    }
    changes
}

fn push_unless(changes: &mut Vec<Change>, change: Change, done: bool) {
    if !done {
        changes.push(change);
    }
}

fn push_missing(changes: &mut Vec<Change>, change: &Change, have: u32, want: u32) {
    changes.extend((have..want).map(|_| change.clone()));
}

#[cfg(test)]
mod tests;
