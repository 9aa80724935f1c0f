//! What is still to do for an identity: `plan(desired, observed)`, pure. The controller does the first change of the
//! list, writes down how it went, and plans again: so every step is bounded, repeatable, and a restart forgets nothing.

use std::collections::{BTreeMap, BTreeSet};

use namesake_api::{Grant, IdentitySpec, Mode};
use namesake_gcp::Resource;

/// Consecutive looks that must show a new GSA before it is bound: one look may be answered by a replica that is ahead.
pub const SIGHTINGS: u32 = 3;
/// Consecutive proofs, spaced, before an identity counts as working.
pub const PROOFS: u32 = 3;

/// What an identity should be at Google, by its spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
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
            mode: spec.mode,
            pinned: spec.pinned,
            grants,
        }
    }
}

/// The policy that a grant is in; none for a grant that names nothing (the API server refuses those).
fn resource(grant: &Grant) -> Option<Resource> {
    match (
        grant.project.clone(),
        grant.bucket.clone(),
        grant.folder.clone(),
    ) {
        (None, Some(bucket), Some(folder)) => Some(Resource::ManagedFolder { bucket, folder }),
        (None, Some(name), None) => Some(Resource::Bucket { name }),
        (Some(id), None, None) => Some(Resource::Project { id }),
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
}

/// One bounded step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Create the KSA.
    CreateServiceAccount,
    /// Put back what was changed on the KSA.
    RepairServiceAccount,
    /// Look for the GSA, create it when it is not there.
    FindGoogleAccount,
    /// Look whether Google shows the GSA.
    SeeGoogleAccount,
    /// Let the KSA act as the GSA.
    Bind,
    /// Give the roles on one resource.
    Grant(Resource),
    /// Go the way of a pod once: token, exchange, impersonation, permissions.
    Prove,
}

/// Everything still to do, in order. Empty: the identity works.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed) -> Vec<Change> {
    let mut changes = Vec::new();
    match observed.service_account {
        ServiceAccount::Absent => changes.push(Change::CreateServiceAccount),
        ServiceAccount::Drifted => changes.push(Change::RepairServiceAccount),
        ServiceAccount::Right => {}
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
        if !observed.bound {
            changes.push(Change::Bind);
        }
    }
    let missing = desired.grants.keys();
    let missing = missing.filter(|resource| !observed.granted.contains(resource));
    changes.extend(missing.cloned().map(Change::Grant));
    if !observed.verified {
        push_missing(&mut changes, &Change::Prove, observed.proofs, PROOFS);
    }
    changes
}

fn push_missing(changes: &mut Vec<Change>, change: &Change, have: u32, want: u32) {
    changes.extend((have..want).map(|_| change.clone()));
}

#[cfg(test)]
mod tests;
