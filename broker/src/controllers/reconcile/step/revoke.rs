//! Steps that revoke what was written into policies. What does not exist any more counts as revoked.

use std::time::Duration;

use kube::ResourceExt;
use namesake_api::{BindBy, Identity, IdentityStatus, Mode, Phase};
use namesake_core::Reason;
use namesake_gcp::{Edit, Error, Resource};
use tracing::warn;

use super::google_account_removal::{self, GoogleAccountOwner};
use super::members::members;
use crate::controllers::context::Context;
use crate::controllers::reconcile::outcome::{StepOutcome, StepResult};
use crate::google::recorded::{self, PolicyEntry};
use crate::identity::phase;

/// How long a policy that the broker may not change delays the removal of an identity: the permission may come back, and what is not
/// recorded any more is never revoked.
const DENIED_DELAY: Duration = Duration::from_hours(1);

/// What happens if Google does not let the broker revoke an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OnDenied {
    /// The step fails: whoever has the entry must not act any more, and still could.
    Fail,
    /// The entry stays, and that is reported.
    Report,
}

impl OnDenied {
    /// For an identity that should have been removed so long ago.
    pub(super) fn after(delay: Duration) -> Self {
        if delay < DENIED_DELAY {
            Self::Fail
        } else {
            Self::Report
        }
    }
}

/// Lets nobody act as the identity: revokes the binding, or the grants if the KSA itself has them.
pub(crate) async fn unbind(identity: &Identity, context: &Context) -> StepResult {
    let status = expected_entries(identity, context).await?;
    let entries = match identity.spec.mode {
        Mode::Impersonate => recorded::bindings(&status),
        Mode::Direct => recorded::all(&status),
    };
    // The KSA of an offboarded user is deleted next.
    let on_denied = match identity.phase() {
        Phase::Offboarding => OnDenied::after(phase::time_in_phase(identity, context.now())),
        _ => OnDenied::Fail,
    };
    match revoke_entries(identity, context, entries, on_denied).await {
        Ok(revoked) => Ok(outcome(revoked)),
        Err(failure) => {
            // The binding stays as long as the organization blocks its policy, so nobody may act as the account meanwhile.
            if failure.is_organization_refusal() {
                google_account_removal::disable(identity, context).await?;
            }
            Err(failure)
        }
    }
}

/// Revokes what is recorded and not wanted any more; everything, if the identity is being removed.
pub(crate) async fn revoke(identity: &Identity, context: &Context) -> StepResult {
    let (entries, on_denied) = if identity.phase().accepts_new_pods() {
        let status = identity.status.clone().unwrap_or_default();
        // What cannot be revoked stays recorded, and is tried again.
        (recorded::stale(identity, &status), OnDenied::Report)
    } else {
        let entries = recorded::all(&expected_entries(identity, context).await?);
        let age = phase::time_in_phase(identity, context.now());
        let delay = age.saturating_sub(context.config.offboarding_grace);
        (entries, OnDenied::after(delay))
    };
    let revoked = revoke_entries(identity, context, entries, on_denied).await?;
    Ok(outcome(revoked))
}

fn outcome(revoked: Vec<PolicyEntry>) -> StepOutcome {
    StepOutcome {
        revoked,
        ..StepOutcome::default()
    }
}

/// A status with what is recorded, and what an identity with this spec has even if that was not recorded. If the account under its
/// name is not ours, its bindings are not the identity's.
pub(super) async fn expected_entries(
    identity: &Identity,
    context: &Context,
) -> StepResult<IdentityStatus> {
    let mut status = identity.status.clone().unwrap_or_default();
    let owner = google_account_removal::find(identity, context).await?;
    let is_foreign = matches!(owner, GoogleAccountOwner::Foreign);
    if is_foreign {
        status.bindings.clear();
    }
    let is_complete = recorded::is_complete(identity, &status);
    if is_foreign || is_complete || !may_have_unrecorded(identity, context) {
        return Ok(status);
    }
    let members = members(identity, &context.gcp).await;
    let spec = &identity.spec;
    match members {
        Ok(members) => {
            recorded::add(identity, &mut status, &members);
        }
        // Its member is not known, because its KSA does not exist or the project's number cannot be read. Then nothing was written
        // for it that is not recorded.
        Err(_) if spec.mode == Mode::Direct || spec.bind_by == BindBy::Uid => {}
        Err(failure) => return Err(failure),
    }
    Ok(status)
}

/// Whether an identity with this spec may have entries that are not recorded. The spec of an offboarded user is not restored after an
/// edit by hand, so it may name somebody else's account or a role that the broker never grants.
fn may_have_unrecorded(identity: &Identity, context: &Context) -> bool {
    let spec = &identity.spec;
    let prefix = format!("{}@", identity.name_any());
    let account = spec.google_service_account.as_ref();
    let is_own = spec.pinned || account.is_none_or(|email| email.starts_with(&prefix));
    is_own && context.config.allowed_roles.refusal(spec).is_none()
}

/// Revokes entries policy by policy. Returns those that are revoked.
pub(super) async fn revoke_entries(
    identity: &Identity,
    context: &Context,
    entries: Vec<PolicyEntry>,
    on_denied: OnDenied,
) -> StepResult<Vec<PolicyEntry>> {
    let recorded = identity.status.as_ref().map(recorded::all);
    let recorded = recorded.unwrap_or_default();
    let (mut revoked, mut left) = (Vec::new(), entries);
    while let Some(first) = left.first() {
        let resource = first.resource.clone();
        let (here, others): (Vec<_>, Vec<_>) = left
            .into_iter()
            .partition(|entry| entry.resource == resource);
        left = others;
        // A recorded entry is not recorded any more after this, and would never be revoked if it stayed.
        let is_recorded = here.iter().any(|entry| recorded.contains(entry));
        let bindings = here.iter().map(|entry| entry.binding.clone());
        let edits = bindings.map(Edit::Remove).collect();
        let removed = context
            .policies
            .change_confirmed(&resource, edits, is_recorded);
        let may_stay = !is_recorded || on_denied == OnDenied::Report;
        match removed.await {
            Err(error) if is_denied(&error) && may_stay && !is_account(&resource) => {
                if is_recorded {
                    let why = &error.failure().message;
                    report_not_revoked(identity, context, &resource, why).await;
                }
            }
            Ok(_) | Err(Error::NotFound(_)) => revoked.extend(here),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(revoked)
}

/// Whether the broker may not change a policy: it lacks a permission, or the organization refuses it.
const fn is_denied(error: &Error) -> bool {
    matches!(error, Error::PermissionDenied(_) | Error::Refused { .. })
}

/// Whoever is in the policy of an account may act as it.
const fn is_account(resource: &Resource) -> bool {
    matches!(resource, Resource::ServiceAccount { .. })
}

async fn report_not_revoked(identity: &Identity, context: &Context, on: &Resource, why: &str) {
    let serves =
        identity.phase().accepts_new_pods() && identity.metadata.deletion_timestamp.is_none();
    let state = if serves {
        "is not wanted any more, and stays: revoke it by hand, or grant the broker a role that lets it"
    } else {
        "stays for an account that is deleted, so that nobody has it"
    };
    let note = format!("a grant on {on} {state}: {why}");
    warn!(name = %identity.name_any(), user = %identity.spec.user, %note, "a grant could not be revoked");
    let reason = Reason::GrantNotRevoked;
    context.warn(identity, "Revoke", reason, &note).await;
}
