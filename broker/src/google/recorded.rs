//! What the broker has written at Google, as the status records it: recorded before it is written and removed after it is revoked,
//! so that a restart in between loses nothing. Pure.

use namesake_api::{BindBy, Identity, IdentityStatus, Mode, WrittenBinding, WrittenGrant};
use namesake_gcp::{MemberBinding, Resource};

use crate::google::grants;
use crate::google::principal;
use crate::identity::plan;

/// Role of the binding: lets a KSA act as a GSA.
pub const WORKLOAD_IDENTITY_USER: &str = "roles/iam.workloadIdentityUser";

/// One member of one policy, with one role.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyEntry {
    /// The resource whose policy it is.
    pub resource: Resource,
    /// Who has which role.
    pub binding: MemberBinding,
}

/// The current members of an identity in policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    /// The member that may act as the GSA; none in mode direct.
    pub binding: Option<String>,
    /// The member that has the grants.
    pub grantee: String,
}

/// Adds everything that the spec asks for. Returns whether anything was new.
pub fn add(identity: &Identity, status: &mut IdentityStatus, members: &Members) -> bool {
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

/// Whether everything that the spec asks for is recorded, for the current KSA.
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

/// What is recorded and not wanted any more: another grant, or the same grant for an earlier member of the identity.
#[must_use]
pub fn stale(identity: &Identity, status: &IdentityStatus) -> Vec<PolicyEntry> {
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
pub fn all(status: &IdentityStatus) -> Vec<PolicyEntry> {
    entries(status.bindings.iter(), status.grants.iter())
}

/// The bindings that are recorded.
#[must_use]
pub fn bindings(status: &IdentityStatus) -> Vec<PolicyEntry> {
    entries(status.bindings.iter(), [].iter())
}

/// The grants that are recorded.
#[must_use]
pub fn grants(status: &IdentityStatus) -> Vec<PolicyEntry> {
    entries([].iter(), status.grants.iter())
}

fn entries<'a>(
    bindings: impl Iterator<Item = &'a WrittenBinding>,
    grants: impl Iterator<Item = &'a WrittenGrant>,
) -> Vec<PolicyEntry> {
    bindings
        .map(of_binding)
        .chain(grants.filter_map(of_grant))
        .collect()
}

/// Removes entries that were revoked.
pub fn remove(status: &mut IdentityStatus, revoked: &[PolicyEntry]) {
    status
        .bindings
        .retain(|written| !revoked.contains(&of_binding(written)));
    status
        .grants
        .retain(|written| !of_grant(written).is_some_and(|entry| revoked.contains(&entry)));
}

fn of_binding(written: &WrittenBinding) -> PolicyEntry {
    PolicyEntry {
        resource: Resource::ServiceAccount {
            email: written.google_service_account.clone(),
        },
        binding: MemberBinding::new(WORKLOAD_IDENTITY_USER, &written.member),
    }
}

fn of_grant(written: &WrittenGrant) -> Option<PolicyEntry> {
    Some(PolicyEntry {
        resource: plan::resource(&written.grant)?,
        binding: grants::entry(&written.grant, &written.member),
    })
}

fn is_current_binding(
    identity: &Identity,
    status: &IdentityStatus,
    written: &WrittenBinding,
) -> bool {
    let spec = &identity.spec;
    let current = match spec.bind_by {
        BindBy::Name => written.member == principal::member_by_name(identity),
        BindBy::Uid => has_current_uid(status, &written.member),
    };
    current
        && spec.mode == Mode::Impersonate
        && spec.google_service_account.as_ref() == Some(&written.google_service_account)
}

fn is_grantee(identity: &Identity, status: &IdentityStatus, member: &str) -> bool {
    match (identity.spec.mode, &identity.spec.google_service_account) {
        (Mode::Direct, _) => has_current_uid(status, member),
        (Mode::Impersonate, Some(email)) => member == format!("serviceAccount:{email}"),
        (Mode::Impersonate, None) => false,
    }
}

fn has_current_uid(status: &IdentityStatus, member: &str) -> bool {
    let uid = status.service_account_uid.as_deref();
    uid.is_some_and(|uid| principal::has_uid(member, uid))
}

#[cfg(test)]
mod tests;
