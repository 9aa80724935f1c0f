//! Whether webhook and broker run, and one broker leads. Pure.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt;
use namesake_api::names;

use super::replicas;
use crate::cluster::leader;
use crate::doctor::checks::{Check, Outcome};
use crate::doctor::facts::Facts;
use crate::doctor::remedy;

pub(super) fn replicas(check: Check, facts: &Facts, deployments: &[Deployment]) -> Outcome {
    let (home, name) = (&facts.snapshot.home, program(check));
    let place = format!("Deployment {home}/{name}");
    let Some(deployment) = deployments.iter().find(|one| one.name_any() == name) else {
        if check == Check::GatewayReplicas {
            return Outcome::Fine("not installed".to_owned());
        }
        let finding = check.finding(home, place, "it is missing".to_owned());
        return Outcome::Found(vec![remedy::apply_again(facts, finding)]);
    };
    let found = |what| Outcome::Found(vec![check.finding(home, place, what)]);
    let wanted = deployment.spec.replicas.unwrap_or(1);
    let status = deployment.status.as_ref();
    let ready = status.and_then(|status| status.ready_replicas).unwrap_or(0);
    let updated = status
        .and_then(|status| status.updated_replicas)
        .unwrap_or(0);
    match (wanted, ready >= wanted, updated >= wanted) {
        (0, ..) => found("it is scaled to 0 replicas".to_owned()),
        (_, false, _) => {
            let missing: String = replicas::missing(facts, name)
                .iter()
                .map(|text| format!("; {text}"))
                .collect();
            found(format!("{ready} of {wanted} replicas are ready{missing}"))
        }
        (_, true, false) => found(format!(
            "{updated} of {wanted} replicas have its current template: a rollout is in progress, or stuck"
        )),
        (_, true, true) => Outcome::Fine(format!("{ready} of {wanted} ready")),
    }
}

fn program(check: Check) -> &'static str {
    match check {
        Check::WebhookReplicas => names::WEBHOOK_SERVICE_ACCOUNT,
        Check::GatewayReplicas => names::GATEWAY_SERVICE_ACCOUNT,
        _ => names::BROKER_SERVICE_ACCOUNT,
    }
}

pub(super) fn leader(home: &str, lease: Option<&Lease>, now: Timestamp) -> Outcome {
    let place = format!("Lease {home}/{}", names::BROKER_LEASE);
    match leader::leader(lease, now) {
        Ok(holder) => Outcome::Fine(holder),
        Err(why) => {
            let what = format!("{why}: new users wait, and nothing is repaired");
            Outcome::Found(vec![Check::Leader.finding(home, place, what)])
        }
    }
}
