//! Steps that remove an identity from the cluster, and its whole Google side. What does not exist any more counts as removed.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use namesake_api::{Identity, Phase};
use namesake_core::Reason;

use super::revoke::{OnDenied, expected_entries, revoke_entries};
use super::{google_account_removal, leftovers};
use crate::cluster::ensure::{self, EnsureError, KIND};
use crate::cluster::requests::{delete_this_version, described, is_conflict};
use crate::controllers::context::Context;
use crate::controllers::reconcile::outcome::{StepOutcome, StepResult};
use crate::google::recorded;
use crate::identity::derive;
use crate::identity::objects;
use crate::identity::phase;
use crate::identity::plan::observed::ServiceAccountState;
use crate::identity::step_failure::StepFailure;

/// Checks whether every replica of the webhook knows that the identity gets no more pods, and whether its last pod is gone.
pub(super) async fn drain(identity: &Identity, context: &Context) -> StepResult {
    let timings = &context.config.timings;
    let is_offboarding = identity.phase() == Phase::Offboarding;
    let age = phase::time_in_phase(identity, context.now());
    // An identity that the rules dropped waits longer: the edit may have been a mistake.
    let delay = if is_offboarding || context.is_wanted(identity) {
        timings.webhook_delay
    } else {
        context.config.collect_after
    };
    let pods = running_pods(identity, context).await?;
    let leftovers = if is_offboarding {
        let mut leftovers: Vec<_> = pods.iter().map(|pod| format!("Pod {pod}")).collect();
        leftovers.extend(leftovers::scheduled(identity, context).await);
        leftovers.sort();
        Some(leftovers)
    } else {
        None
    };
    let wait = delay.saturating_sub(age);
    let repeat_after = if !wait.is_zero() {
        Some(wait.min(timings.resync))
    } else if !pods.is_empty() {
        Some(timings.refused)
    } else {
        None
    };
    Ok(StepOutcome {
        repeat_after,
        leftovers,
        // An identity with pods is not idle.
        in_use: !is_offboarding && !pods.is_empty(),
        ..StepOutcome::default()
    })
}

/// Names of the pods that run as the identity, or will.
async fn running_pods(identity: &Identity, context: &Context) -> StepResult<Vec<String>> {
    let namespace = identity.namespace().unwrap_or_default();
    let api = Api::<Pod>::namespaced(context.client.clone(), &namespace);
    let fields = format!("spec.serviceAccountName={}", identity.name_any());
    let params = ListParams::default().fields(&fields);
    let what = format!("a list of the pods of {}", described(KIND, identity));
    let pods = api.list(&params).await.map_err(EnsureError::kube(what))?;
    let has_ended = |pod: &Pod| {
        let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
        matches!(phase, Some("Succeeded" | "Failed"))
    };
    let running = pods.items.iter().filter(|pod| !has_ended(pod));
    Ok(running.map(ResourceExt::name_any).collect())
}

/// Deletes the KSA and its RoleBindings.
pub(super) async fn delete_service_account(identity: &Identity, context: &Context) -> StepResult {
    ensure::delete_account_and_bindings(&context.client, identity).await?;
    Ok(StepOutcome {
        service_account: Some(ServiceAccountState::Absent),
        service_account_deleted: true,
        ..StepOutcome::default()
    })
}

/// Deletes the Identity unless it was changed since it was read, for example by a use. Its finalizer deletes the rest.
pub(super) async fn delete_identity(identity: &Identity, context: &Context) -> StepResult {
    let params = delete_this_version(identity);
    match ensure::delete(&context.client, "Identity", identity, &params).await {
        Err(EnsureError::Kube { source, .. }) if is_conflict(&source) => {
            let why = "it was used or changed right before it would have been deleted: it is checked again";
            return Err(StepFailure::passing(Reason::Used, why));
        }
        deleted => deleted?,
    }
    Ok(StepOutcome {
        repeat_after: Some(Duration::from_secs(1)),
        ..StepOutcome::default()
    })
}

/// Deletes everything at Google, for an Identity that is being deleted: first the binding, so that nobody acts as the identity;
/// then the grants; then the account.
pub(crate) async fn delete_at_google(identity: &Identity, context: &Context) -> StepResult<()> {
    // A copy of another cluster's Identity: what is at Google belongs to that cluster.
    if context.cluster_id.differs_from(&identity.spec.cluster) {
        return Ok(());
    }
    // For an Identity that somebody wrote by hand, the broker has done nothing.
    if !derive::has_derived_name(identity) || objects::mark(identity).is_err() {
        return Ok(());
    }
    let status = expected_entries(identity, context).await?;
    let deleted = identity.metadata.deletion_timestamp.as_ref();
    let delay = deleted.map(|deleted| phase::elapsed(deleted.0, context.now()));
    let on_denied = OnDenied::after(delay.unwrap_or_default());
    for entries in [recorded::bindings(&status), recorded::grants(&status)] {
        revoke_entries(identity, context, entries, on_denied).await?;
    }
    google_account_removal::delete(identity, context).await?;
    Ok(ensure::delete_if_unowned(&context.client, identity).await?)
}
