//! Steps that write binding and grants into policies. Each writes only what is missing.

use std::time::Duration;

use namesake_api::{Identity, Mode};
use namesake_core::ForeignMembers;
use namesake_gcp::{Edit, Error, Policy, Resource};

use super::allowed;
use super::google_account::{confirm, written};
use super::members::{binding_member, email, grantee, members};
use crate::controllers::context::Context;
use crate::controllers::reconcile::outcome::{StepOutcome, StepResult};
use crate::google::foreign_members;
use crate::google::grants;
use crate::google::recorded::WORKLOAD_IDENTITY_USER;
use crate::identity::finding::Finding;
use crate::identity::step_failure::{Retry, StepFailure};

/// Lets the KSA act as the GSA.
pub(crate) async fn bind(identity: &Identity, context: &Context) -> StepResult {
    let email = email(identity)?.to_owned();
    let resource = Resource::ServiceAccount { email };
    let member = binding_member(identity, &context.gcp).await?;
    let edits = vec![Edit::add(WORKLOAD_IDENTITY_USER, member)];
    if !is_missing(identity, context, &resource, &edits).await {
        return Ok(written(false));
    }
    check_still_ours(identity, context).await?;
    match context.policies.change(&resource, edits).await {
        Ok(change) => {
            let finding = handle_foreign_members(identity, context, &resource, &change.policy);
            Ok(StepOutcome {
                foreign_members: Some(finding.await?),
                ..written(change.changed)
            })
        }
        // A new account: Google's replicas learn one by one that it exists, and whose it is.
        Err(error @ (Error::NotFound(_) | Error::PermissionDenied(_))) if !identity.spec.pinned => {
            Err(StepFailure {
                retry: Retry::Backoff(Duration::ZERO),
                ..StepFailure::from(error)
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// Finds others in the policy of the GSA, and removes them if the class asks for that.
async fn handle_foreign_members(
    identity: &Identity,
    context: &Context,
    resource: &Resource,
    policy: &Policy,
) -> StepResult<Finding> {
    let own = members(identity, &context.gcp).await?;
    let status = identity.status.clone().unwrap_or_default();
    let foreign = foreign_members::find(policy, &status, &own);
    let rules = context.rules.current();
    let life = rules.and_then(|rules| rules.lifecycle(&identity.spec.class));
    let remove = life.is_some_and(|life| life.foreign_members == ForeignMembers::Remove);
    let remove = remove && !identity.spec.pinned && !foreign.is_empty();
    if remove {
        let edits = foreign.iter().cloned().map(Edit::RemoveMember).collect();
        context.policies.change(resource, edits).await?;
    }
    Ok(foreign_members::finding(identity, &foreign, remove))
}

/// Grants the roles on one resource.
pub(crate) async fn grant(
    identity: &Identity,
    context: &Context,
    resource: &Resource,
) -> StepResult {
    allowed::check_roles(identity, context)?;
    context.buckets.check(&context.gcp, resource).await?;
    let member = grantee(identity, &context.gcp).await?;
    let edits = grants::edits(&identity.spec, resource, &member);
    if !is_missing(identity, context, resource, &edits).await {
        return Ok(written(false));
    }
    check_still_ours(identity, context).await?;
    match context.policies.change(resource, edits).await {
        Ok(change) => Ok(written(change.changed)),
        Err(error) => Err(StepFailure::from(error).naming_class(&identity.spec)),
    }
}

/// Whether any of these edits has to be written. The policy of a working identity is usually right, so that one read is enough.
async fn is_missing(
    identity: &Identity,
    context: &Context,
    resource: &Resource,
    edits: &[Edit],
) -> bool {
    if !identity.is_ready() {
        return true;
    }
    match context.gcp.policy(resource).await {
        Ok(mut policy) => edits.iter().any(|edit| edit.apply(&mut policy)),
        // The write reports what is wrong.
        Err(_) => true,
    }
}

/// Checks, right before a write, that the GSA is still the one that the broker created: another may have its name by now.
async fn check_still_ours(identity: &Identity, context: &Context) -> StepResult<()> {
    if identity.spec.mode == Mode::Direct || identity.spec.pinned {
        return Ok(());
    }
    confirm(identity, context).await.map(|_| ())
}

/// Returns what is about to be written into policies, to be recorded in the status.
pub(crate) async fn record(identity: &Identity, context: &Context) -> StepResult {
    allowed::check_record(identity, context).await?;
    // What is recorded will be revoked one day: not from an account that somebody wrote into the spec by hand.
    check_still_ours(identity, context).await?;
    Ok(StepOutcome {
        to_record: Some(members(identity, &context.gcp).await?),
        ..StepOutcome::default()
    })
}
