//! What the broker has written at Google, as the status records it. Recorded before it is written and forgotten after it is
//! taken back, so that a restart in between loses nothing. Pure.

use namesake_api::{BindBy, Identity, IdentityStatus, Mode, WrittenBinding, WrittenGrant};
use namesake_gcp::{Condition, Resource};

use crate::google::grants;
use crate::google::principal;
use crate::identity::plan;

/// Role of the binding: lets a KSA act as a GSA.
pub const WORKLOAD_IDENTITY_USER: &str = "roles/iam.workloadIdentityUser";

/// One member of one policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entry {
    /// Whose policy.
    pub resource: Resource,
    /// Which role.
    pub role: String,
    /// Who has it.
    pub member: String,
    /// When; always, if there is none.
    pub condition: Option<Condition>,
}

/// How Google names an identity today.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    /// Who may act as the GSA; none in mode direct.
    pub binding: Option<String>,
    /// Who has the grants.
    pub grantee: String,
}

/// Records everything that the spec asks for; what is recorded already stays. Returns whether anything was new.
pub fn record(identity: &Identity, status: &mut IdentityStatus, members: &Members) -> bool {
    let before = (status.grants.len(), status.bindings.len());
    let spec = &identity.spec;
    if let (Some(email), Some(member)) = (&spec.google_service_account, &members.binding) {
        let binding = WrittenBinding {
            google_service_account: email.clone(),
            member: member.clone(),
        };
        push(&mut status.bindings, binding);
    }
    for grant in spec.grants.iter().filter(|_| !spec.pinned) {
        let written = WrittenGrant {
            grant: grant.clone(),
            member: members.grantee.clone(),
        };
        push(&mut status.grants, written);
    }
    (status.grants.len(), status.bindings.len()) != before
}

fn push<T: PartialEq>(all: &mut Vec<T>, one: T) {
    if !all.contains(&one) {
        all.push(one);
    }
}

/// Whether everything that the spec asks for is recorded, for the KSA that is there now.
#[must_use]
pub fn is_complete(identity: &Identity, status: &IdentityStatus) -> bool {
    let spec = &identity.spec;
    let bound = spec.mode == Mode::Direct
        || status
            .bindings
            .iter()
            .any(|written| is_current_binding(identity, status, written));
    let mut wanted = spec.grants.iter().filter(|_| !spec.pinned);
    bound
        && wanted.all(|grant| {
            status.grants.iter().any(|written| {
                written.grant == *grant && is_grantee(identity, status, &written.member)
            })
        })
}

/// What is recorded and not asked for any more: another grant, or the same for somebody that the identity was once.
#[must_use]
pub fn stale(identity: &Identity, status: &IdentityStatus) -> Vec<Entry> {
    let spec = &identity.spec;
    let bindings = status
        .bindings
        .iter()
        .filter(|written| !is_current_binding(identity, status, written));
    let grants = status.grants.iter().filter(|written| {
        spec.pinned
            || !spec.grants.contains(&written.grant)
            || !is_grantee(identity, status, &written.member)
    });
    entries(bindings, grants)
}

/// Everything that is recorded.
#[must_use]
pub fn all(status: &IdentityStatus) -> Vec<Entry> {
    entries(status.bindings.iter(), status.grants.iter())
}

/// The bindings that are recorded.
#[must_use]
pub fn bindings(status: &IdentityStatus) -> Vec<Entry> {
    entries(status.bindings.iter(), [].iter())
}

/// The grants that are recorded.
#[must_use]
pub fn grants(status: &IdentityStatus) -> Vec<Entry> {
    entries([].iter(), status.grants.iter())
}

fn entries<'a>(
    bindings: impl Iterator<Item = &'a WrittenBinding>,
    grants: impl Iterator<Item = &'a WrittenGrant>,
) -> Vec<Entry> {
    bindings
        .map(of_binding)
        .chain(grants.filter_map(of_grant))
        .collect()
}

/// Forgets what was taken back.
pub fn forget(status: &mut IdentityStatus, taken: &[Entry]) {
    status
        .bindings
        .retain(|written| !taken.contains(&of_binding(written)));
    status
        .grants
        .retain(|written| !of_grant(written).is_some_and(|entry| taken.contains(&entry)));
}

fn of_binding(written: &WrittenBinding) -> Entry {
    Entry {
        resource: Resource::ServiceAccount {
            email: written.google_service_account.clone(),
        },
        role: WORKLOAD_IDENTITY_USER.to_owned(),
        member: written.member.clone(),
        condition: None,
    }
}

fn of_grant(written: &WrittenGrant) -> Option<Entry> {
    Some(Entry {
        resource: plan::resource(&written.grant)?,
        role: written.grant.role.clone(),
        member: written.member.clone(),
        condition: grants::condition(&written.grant),
    })
}

fn is_current_binding(
    identity: &Identity,
    status: &IdentityStatus,
    written: &WrittenBinding,
) -> bool {
    let spec = &identity.spec;
    let current = match spec.bind_by {
        BindBy::Name => written.member == principal::binding(identity),
        BindBy::Uid => is_of_uid(status, &written.member),
    };
    current
        && spec.mode == Mode::Impersonate
        && spec.google_service_account.as_ref() == Some(&written.google_service_account)
}

fn is_grantee(identity: &Identity, status: &IdentityStatus, member: &str) -> bool {
    match (identity.spec.mode, &identity.spec.google_service_account) {
        (Mode::Direct, _) => is_of_uid(status, member),
        (Mode::Impersonate, Some(email)) => member == format!("serviceAccount:{email}"),
        (Mode::Impersonate, None) => false,
    }
}

fn is_of_uid(status: &IdentityStatus, member: &str) -> bool {
    let uid = status.service_account_uid.as_deref();
    uid.is_some_and(|uid| principal::is_of_uid(member, uid))
}

#[cfg(test)]
mod tests;
