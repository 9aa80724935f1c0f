//! What is still to do for an identity: `plan(desired, observed)`, pure. The controller does the first change of the
//! list, writes down how it went, and plans again: so every step is bounded, repeatable, and a restart forgets nothing.

use std::collections::{BTreeMap, BTreeSet};

use namesake_api::{Grant, IdentitySpec, Mode};
use namesake_gcp::Resource;

/// Consecutive looks that must show a new GSA before it is bound: one look may be answered by a replica that is ahead.
pub const SIGHTINGS: u32 = 3;
/// Consecutive proofs, spaced, before an identity counts as working.
pub const PROOFS: u32 = 3;

/// What an identity comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// It works.
    Serve,
    /// Nobody acts as it; all that is needed to go on stays.
    Rest,
    /// It is taken down when its last pod is gone.
    Drain,
    /// Nobody acts as it any more; `delete`: nor is there anything left of it.
    Leave {
        /// Whether the grace is over.
        delete: bool,
    },
    /// Nothing is left of it, and nothing is to be done.
    Nothing,
}

/// What an identity should be at Google, by its spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// What it comes to.
    pub aim: Aim,
    /// How pods act at Google.
    pub mode: Mode,
    /// Whether the GSA is somebody else's, and only the binding is ours.
    pub pinned: bool,
    /// Roles by the policy they are in; none for a pinned GSA.
    pub grants: BTreeMap<Resource, BTreeSet<String>>,
}

impl Desired {
    /// What the spec asks for.
    #[must_use]
    pub fn of(spec: &IdentitySpec) -> Self {
        let mut grants: BTreeMap<Resource, BTreeSet<String>> = BTreeMap::new();
        for grant in spec.grants.iter().filter(|_| !spec.pinned) {
            if let Some(resource) = resource(grant) {
                grants
                    .entry(resource)
                    .or_default()
                    .insert(grant.role.clone());
            }
        }
        Self {
            aim: Aim::Serve,
            mode: spec.mode,
            pinned: spec.pinned,
            grants,
        }
    }

    /// The same, coming to something else.
    #[must_use]
    pub fn towards(self, aim: Aim) -> Self {
        Self { aim, ..self }
    }
}

/// The policy that a grant is in; none for a grant that names nothing (the API server refuses those).
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

/// The KSA as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceAccount {
    /// Not there.
    Absent,
    /// Ours, but something on it was changed.
    Drifted,
    /// Ours and as it should be, but for its owner.
    Unowned,
    /// Ours and as it should be.
    Right,
}

/// The GSA as far as we know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoogleAccount {
    /// Not looked for yet.
    Unknown,
    /// There and ours; so many consecutive looks have shown it.
    Found(u32),
    /// There for everybody.
    Visible,
}

/// What is known about an identity: from the cluster, from its status, from the steps already done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The KSA.
    pub service_account: ServiceAccount,
    /// Whether one is recorded, there or not.
    pub account_recorded: bool,
    /// The GSA.
    pub google_account: GoogleAccount,
    /// Whether the KSA may act as the GSA.
    pub bound: bool,
    /// Policies that have the roles.
    pub granted: BTreeSet<Resource>,
    /// Consecutive proofs so far.
    pub proofs: u32,
    /// Whether it was proven to work.
    pub verified: bool,
    /// Whether that is known to be so still: no look for drift is under way, or its proof is done.
    pub confirmed: bool,
    /// Whether all that is to be written is recorded.
    pub recorded: bool,
    /// Whether something recorded is not asked for any more.
    pub stale: bool,
    /// Whether there is a GSA of its own that mode direct has no use for.
    pub leftover: bool,
    /// What is taken down already.
    pub down: Down,
}

/// How far an identity is taken down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Down {
    /// Nobody acts as it.
    pub unbound: bool,
    /// Its GSA is disabled.
    pub disabled: bool,
    /// Every replica knows, and its last pod is gone.
    pub drained: bool,
    /// The grants are taken back.
    pub revoked: bool,
    /// Its GSA is deleted.
    pub deleted: bool,
}

/// One bounded step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Create the KSA.
    CreateServiceAccount,
    /// Put back what was changed on the KSA.
    RepairServiceAccount,
    /// Make the Identity the owner of the KSA that was made together with it.
    OwnServiceAccount,
    /// Look for the GSA, create it when it is not there.
    FindGoogleAccount,
    /// Look whether Google shows the GSA.
    SeeGoogleAccount,
    /// Let the KSA act as the GSA.
    Bind,
    /// Give the roles on one resource.
    Grant(Resource),
    /// Write down what is about to be written at Google.
    Record,
    /// Take back what is recorded and not asked for any more.
    Revoke,
    /// Delete the GSA.
    DeleteGoogleAccount,
    /// Go the way of a pod once: token, exchange, impersonation, permissions.
    Prove,
    /// Go it once more as one that worked: a refusal by something else than binding and grants shows in no policy.
    ProveAgain,
    /// Let nobody act as the identity.
    Unbind,
    /// Disable the GSA.
    DisableGoogleAccount,
    /// See that every replica knows that it gets no more pods, and that the last one is gone.
    Drain,
    /// Delete the KSA and its RoleBindings.
    DeleteServiceAccount,
    /// Delete the Identity; what is left of it goes before it.
    DeleteIdentity,
}

/// Everything still to do, in order. Empty: the identity is what it comes to.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed) -> Vec<Change> {
    match desired.aim {
        Aim::Serve => serve(desired, observed),
        Aim::Rest => rest(desired, observed),
        Aim::Drain if observed.down.drained => vec![Change::DeleteIdentity],
        Aim::Drain => vec![Change::Drain, Change::DeleteIdentity],
        Aim::Leave { delete } => leave(desired, observed, delete),
        Aim::Nothing => Vec::new(),
    }
}

fn serve(desired: &Desired, observed: &Observed) -> Vec<Change> {
    let mut changes = Vec::new();
    match observed.service_account {
        ServiceAccount::Absent => changes.push(Change::CreateServiceAccount),
        ServiceAccount::Drifted => changes.push(Change::RepairServiceAccount),
        ServiceAccount::Unowned | ServiceAccount::Right => {}
    }
    if desired.mode == Mode::Impersonate {
        let seen = match observed.google_account {
            GoogleAccount::Unknown => {
                changes.push(Change::FindGoogleAccount);
                0
            }
            GoogleAccount::Found(sightings) => sightings,
            GoogleAccount::Visible => SIGHTINGS,
        };
        if !desired.pinned {
            push_missing(&mut changes, &Change::SeeGoogleAccount, seen, SIGHTINGS);
        }
    }
    push_unless(&mut changes, Change::Record, observed.recorded);
    let bound = observed.bound || desired.mode == Mode::Direct;
    push_unless(&mut changes, Change::Bind, bound);
    let missing = desired.grants.keys();
    let missing = missing.filter(|resource| !observed.granted.contains(resource));
    changes.extend(missing.cloned().map(Change::Grant));
    push_unless(&mut changes, Change::Revoke, !observed.stale);
    let needed = desired.mode == Mode::Impersonate || !observed.leftover;
    push_unless(&mut changes, Change::DeleteGoogleAccount, needed);
    // Late: those who come at once have enough to write.
    let owned = observed.service_account != ServiceAccount::Unowned;
    push_unless(&mut changes, Change::OwnServiceAccount, owned);
    if observed.verified {
        push_unless(&mut changes, Change::ProveAgain, observed.confirmed);
    } else {
        push_missing(&mut changes, &Change::Prove, observed.proofs, PROOFS);
    }
    changes
}

/// Whoever could act as it cannot any more; then its account cannot act either.
fn rest(desired: &Desired, observed: &Observed) -> Vec<Change> {
    let mut changes = Vec::new();
    push_unless(&mut changes, Change::Unbind, observed.down.unbound);
    let disabled = observed.down.disabled || !has_account(desired);
    push_unless(&mut changes, Change::DisableGoogleAccount, disabled);
    changes
}

fn leave(desired: &Desired, observed: &Observed, delete: bool) -> Vec<Change> {
    let down = &observed.down;
    let mut changes = rest(desired, observed);
    let gone = observed.service_account == ServiceAccount::Absent;
    push_unless(&mut changes, Change::Drain, gone || down.drained);
    let forgotten = gone && !observed.account_recorded;
    push_unless(&mut changes, Change::DeleteServiceAccount, forgotten);
    if delete {
        push_unless(&mut changes, Change::Revoke, down.revoked);
        let deleted = down.deleted || !has_account(desired);
        push_unless(&mut changes, Change::DeleteGoogleAccount, deleted);
    }
    changes
}

/// Whether the identity has a GSA of its own.
const fn has_account(desired: &Desired) -> bool {
    matches!(desired.mode, Mode::Impersonate) && !desired.pinned
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
