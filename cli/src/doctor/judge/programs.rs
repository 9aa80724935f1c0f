//! Whether webhook and broker run, and one broker leads. Pure.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt;
use namesake_api::names;

use crate::doctor::checks::{Check, Outcome};

/// Lease duration that counts if the Lease does not say it.
const LEASE: i32 = 15;

pub(super) fn replicas(check: Check, home: &str, deployments: &[Deployment]) -> Outcome {
    let name = match check {
        Check::WebhookReplicas => names::WEBHOOK_SERVICE_ACCOUNT,
        _ => names::BROKER_SERVICE_ACCOUNT,
    };
    let place = format!("Deployment {home}/{name}");
    let found = |what| Outcome::Found(vec![check.finding(home, place, what)]);
    let Some(deployment) = deployments.iter().find(|one| one.name_any() == name) else {
        return found("it is missing: apply the overlay of the stack".to_owned());
    };
    let wanted = deployment.spec.replicas.unwrap_or(1);
    let status = deployment.status.as_ref();
    let ready = status.and_then(|status| status.ready_replicas).unwrap_or(0);
    let updated = status
        .and_then(|status| status.updated_replicas)
        .unwrap_or(0);
    match (wanted, ready >= wanted, updated >= wanted) {
        (0, ..) => found("it is scaled to 0 replicas".to_owned()),
        (_, false, _) => found(format!("{ready} of {wanted} replicas are ready")),
        (_, true, false) => found(format!(
            "{updated} of {wanted} replicas have its current template: a rollout is in progress, or stuck"
        )),
        (_, true, true) => Outcome::Fine(format!("{ready} of {wanted} ready")),
    }
}

pub(super) fn leader(home: &str, lease: Option<&Lease>, now: Timestamp) -> Outcome {
    let place = format!("Lease {home}/{}", names::BROKER_LEASE);
    let found = |what: String| Outcome::Found(vec![Check::Leader.finding(home, place, what)]);
    let spec = lease.and_then(|lease| lease.spec.as_ref());
    let holder = spec.and_then(|spec| spec.holder_identity.as_deref());
    let (Some(spec), Some(holder)) = (spec, holder.filter(|holder| !holder.is_empty())) else {
        return found("no broker holds it: new users wait, and nothing is repaired".to_owned());
    };
    let seconds = spec.lease_duration_seconds.unwrap_or(LEASE);
    let renewed = spec.renew_time.as_ref().map(|time| time.0);
    // One more duration, because the clocks of the caller and of the broker differ.
    let allowed = SignedDuration::from_secs(2 * i64::from(seconds));
    match renewed {
        Some(renewed) if renewed + allowed >= now => Outcome::Fine(holder.to_owned()),
        Some(renewed) => found(format!("{holder} has not renewed it since {renewed}")),
        None => found(format!("{holder} has never renewed it")),
    }
}
