//! What remains to be done for an identity: `plan(desired, observed)`, pure. The controller makes the first change of the list,
//! writes down the outcome, and plans again: so every step is bounded and repeatable, and a restart forgets nothing.

use std::collections::{BTreeMap, BTreeSet};

use namesake_api::{Grant, IdentitySpec, Mode};
use namesake_gcp::Resource;

/// Consecutive reads that must show a new GSA before it is bound: a single read may be answered by a replica that is ahead.
pub const SIGHTINGS: u32 = 3;
/// Consecutive proofs, some time apart, before an identity counts as working.
pub const PROOFS: u32 = 3;

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
        let mut grants: BTreeMap<Resource, BTreeSet<String>> = BTreeMap::new();
        for grant in spec.grants.iter().filter(|_| !spec.pinned) {
            if let Some(resource) = resource(grant) {
                let roles = grants.entry(resource).or_default();
                roles.insert(grant.role.clone());
            }
        }
        Self {
            goal: Goal::Serve,
            mode: spec.mode,
            pinned: spec.pinned,
            grants,
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

/// The KSA as it was observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceAccountState {
    /// It does not exist.
    Absent,
    /// It is ours, and something on it was changed.
    Drifted,
    /// It is ours and as it should be, except that it has no owner yet.
    Unowned,
    /// It is ours and as it should be.
    Right,
}

/// The GSA as far as it was observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoogleAccountState {
    /// Not read yet.
    Unknown,
    /// It exists and is ours; this many consecutive reads have shown it.
    Found(u32),
    /// It shows up everywhere.
    Visible,
}

/// What is known about an identity: from the cluster, from its status, from the steps done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The KSA.
    pub service_account: ServiceAccountState,
    /// Whether the status has a KSA, whether it exists or not.
    pub account_recorded: bool,
    /// The GSA.
    pub google_account: GoogleAccountState,
    /// Whether the KSA may act as the GSA.
    pub bound: bool,
    /// Resources whose policies have the roles.
    pub granted: BTreeSet<Resource>,
    /// Consecutive proofs so far.
    pub proofs: u32,
    /// Whether it was proven to work.
    pub verified: bool,
    /// Whether that is still known: no drift check is under way, or its proof succeeded.
    pub confirmed: bool,
    /// Whether everything that is to be written is recorded.
    pub recorded: bool,
    /// Whether something is recorded that is not wanted any more.
    pub stale: bool,
    /// Whether the status has a GSA of its own, which mode direct does not need.
    pub has_google_account: bool,
    /// How far it is removed.
    pub teardown: Teardown,
}

/// How far an identity is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Teardown {
    /// Nobody acts as it.
    pub unbound: bool,
    /// Its GSA is disabled.
    pub disabled: bool,
    /// Every replica of the webhook knows, and its last pod is gone.
    pub drained: bool,
    /// The grants are revoked.
    pub revoked: bool,
    /// Its GSA is deleted.
    pub deleted: bool,
}

/// One bounded step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Create the KSA.
    CreateServiceAccount,
    /// Restore what was changed on the KSA.
    RepairServiceAccount,
    /// Make the Identity the owner of the KSA that was created together with it.
    SetServiceAccountOwner,
    /// Find the GSA; enable, undelete or create it if needed.
    EnsureGoogleAccount,
    /// Read the GSA once more, to see whether Google shows it everywhere.
    ConfirmGoogleAccount,
    /// Let the KSA act as the GSA.
    Bind,
    /// Grant the roles on one resource.
    Grant(Resource),
    /// Record in the status what is about to be written at Google.
    Record,
    /// Revoke what is recorded and not wanted any more.
    Revoke,
    /// Delete the GSA.
    DeleteGoogleAccount,
    /// Act as a pod once: token, exchange, impersonation, permissions.
    Prove,
    /// The same for an identity that worked: what else may refuse it than binding and grants shows in no policy.
    ProveAgain,
    /// Let nobody act as the identity.
    Unbind,
    /// Disable the GSA.
    DisableGoogleAccount,
    /// Check that every replica of the webhook knows that it gets no more pods, and that the last pod is gone.
    Drain,
    /// Delete the KSA and its RoleBindings.
    DeleteServiceAccount,
    /// Delete the Identity; its finalizer deletes the rest before that.
    DeleteIdentity,
}

impl Change {
    /// Its name in metrics and Events.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::CreateServiceAccount => "CreateServiceAccount",
            Self::RepairServiceAccount => "RepairServiceAccount",
            Self::SetServiceAccountOwner => "SetServiceAccountOwner",
            Self::EnsureGoogleAccount => "EnsureGoogleAccount",
            Self::ConfirmGoogleAccount => "ConfirmGoogleAccount",
            Self::Bind => "Bind",
            Self::Grant(_) => "Grant",
            Self::Record => "Record",
            Self::Revoke => "Revoke",
            Self::DeleteGoogleAccount => "DeleteGoogleAccount",
            Self::Prove => "Prove",
            Self::ProveAgain => "ProveAgain",
            Self::Unbind => "Unbind",
            Self::DisableGoogleAccount => "DisableGoogleAccount",
            Self::Drain => "Drain",
            Self::DeleteServiceAccount => "DeleteServiceAccount",
            Self::DeleteIdentity => "DeleteIdentity",
        }
    }

    /// Whether it changes the cluster only, and so never waits for Google.
    #[must_use]
    pub const fn is_in_cluster(&self) -> bool {
        matches!(
            self,
            Self::CreateServiceAccount
                | Self::RepairServiceAccount
                | Self::SetServiceAccountOwner
                | Self::DeleteServiceAccount
                | Self::DeleteIdentity
        )
    }

    /// Whether it calls Google.
    #[must_use]
    pub const fn is_at_google(&self) -> bool {
        !self.is_in_cluster() && !matches!(self, Self::Record | Self::Drain)
    }
}

/// All remaining changes, in order. Empty: the goal is reached.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed) -> Vec<Change> {
    match desired.goal {
        Goal::Serve => serve(desired, observed),
        Goal::Suspend => suspend(desired, observed),
        Goal::Drain if observed.teardown.drained => vec![Change::DeleteIdentity],
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
        let sightings = match observed.google_account {
            GoogleAccountState::Unknown => {
                changes.push(Change::EnsureGoogleAccount);
                0
            }
            GoogleAccountState::Found(sightings) => sightings,
            GoogleAccountState::Visible => SIGHTINGS,
        };
        if !desired.pinned {
            push_missing(
                &mut changes,
                &Change::ConfirmGoogleAccount,
                sightings,
                SIGHTINGS,
            );
        }
    }
    push_unless(&mut changes, Change::Record, observed.recorded);
    let bound = observed.bound || desired.mode == Mode::Direct;
    push_unless(&mut changes, Change::Bind, bound);
    let missing = desired.grants.keys();
    let missing = missing.filter(|resource| !observed.granted.contains(resource));
    changes.extend(missing.cloned().map(Change::Grant));
    push_unless(&mut changes, Change::Revoke, !observed.stale);
    let needed = desired.mode == Mode::Impersonate || !observed.has_google_account;
    push_unless(&mut changes, Change::DeleteGoogleAccount, needed);
    // Late, because many new identities at once mean enough writes already.
    let owned = observed.service_account != ServiceAccountState::Unowned;
    push_unless(&mut changes, Change::SetServiceAccountOwner, owned);
    if observed.verified {
        push_unless(&mut changes, Change::ProveAgain, observed.confirmed);
    } else {
        push_missing(&mut changes, &Change::Prove, observed.proofs, PROOFS);
    }
    changes
}

/// First nobody can act as the identity any more; then its GSA cannot act either.
fn suspend(desired: &Desired, observed: &Observed) -> Vec<Change> {
    let mut changes = Vec::new();
    push_unless(&mut changes, Change::Unbind, observed.teardown.unbound);
    let disabled = observed.teardown.disabled || !desired.has_own_account();
    push_unless(&mut changes, Change::DisableGoogleAccount, disabled);
    changes
}

fn offboard(desired: &Desired, observed: &Observed, delete: bool) -> Vec<Change> {
    let teardown = &observed.teardown;
    let mut changes = suspend(desired, observed);
    let absent = observed.service_account == ServiceAccountState::Absent;
    push_unless(&mut changes, Change::Drain, absent || teardown.drained);
    let forgotten = absent && !observed.account_recorded;
    push_unless(&mut changes, Change::DeleteServiceAccount, forgotten);
    if delete {
        push_unless(&mut changes, Change::Revoke, teardown.revoked);
        let deleted = teardown.deleted || !desired.has_own_account();
        push_unless(&mut changes, Change::DeleteGoogleAccount, deleted);
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
