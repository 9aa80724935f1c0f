//! What can be broken or hidden, and what must be found then.

use kube::ResourceExt as _;

use super::healthy::*;
use crate::cluster::identities::tests::NOW;
use crate::cluster::versions::OWN;
use crate::doctor::facts::{Facts, Reach};

/// Breaks one link.
pub(super) type Break = fn(&mut Facts);

/// What is broken, and the check that must find it, and part of what it says.
pub(super) const BROKEN: [(Break, &str, &str); 28] = [
    (
        |f| f.snapshot.version = Ok("v1.29.1".to_owned()),
        "api-server",
        "v1.29.1",
    ),
    (
        |f| drop(f.snapshot.installation.as_mut().unwrap().mutating.take()),
        "webhooks",
        "labels.namesake.dev is missing",
    ),
    (
        |f| {
            f.snapshot
                .installation
                .as_mut()
                .unwrap()
                .policies
                .retain(|p| p.metadata.name.as_deref() != Some("namesake-epochs"));
        },
        "policies",
        "namesake-epochs is missing",
    ),
    (|f| first_bundle(f, None), "ca-bundle", "empty"),
    (
        |f| {
            first_bundle(
                f,
                Some("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
            );
        },
        "ca-bundle",
        "cannot be read",
    ),
    (
        |f| {
            f.reach = Ok(Reach::Failed(
                "failed calling webhook: no endpoints".to_owned(),
            ));
        },
        "webhook-reachable",
        "no endpoints",
    ),
    (
        |f| {
            f.deployments = Ok(vec![
                deployment("namesake-webhook", 1),
                deployment("namesake-broker", 2),
            ]);
        },
        "webhook-replicas",
        "1 of 2",
    ),
    (
        |f| f.deployments = Ok(vec![deployment("namesake-webhook", 2)]),
        "broker-replicas",
        "missing",
    ),
    (
        |f| {
            let all = f.deployments.as_mut().unwrap();
            all.push(deployment("namesake-gateway", 1));
        },
        "gateway-replicas",
        "1 of 2",
    ),
    (
        |f| webhook_says(f, Some(&serves_until("2026-11-30T12:00:00Z"))),
        "ca-bundle",
        "it serves a certificate that expires at 2026-11-30T12:00:00Z",
    ),
    (
        |f| f.monitors.as_mut().unwrap()[0].ports.clear(),
        "metrics",
        "it scrapes no port metrics of namesake-webhook",
    ),
    (|f| f.lease = Ok(None), "leader", "no broker holds it"),
    (
        |f| {
            f.lease
                .as_mut()
                .unwrap()
                .as_mut()
                .unwrap()
                .spec
                .as_mut()
                .unwrap()
                .renew_time = None;
        },
        "leader",
        "never renewed",
    ),
    (
        |f| webhook_says(f, Some(&status("0.0.9"))),
        "versions",
        "it is 0.0.9, older than this kubectl-namesake",
    ),
    (
        |f| webhook_says(f, Some(&status("99.0.0"))),
        "versions",
        "it is 99.0.0, newer than this kubectl-namesake",
    ),
    (
        |f| webhook_says(f, None),
        "versions",
        "it does not say its version",
    ),
    (
        |f| {
            webhook_says(f, Some(&status("0.0.9")));
            drop(f.snapshot.installation.as_mut().unwrap().mutating.take());
        },
        "webhooks",
        "labels.namesake.dev is missing (compared with the manifests of",
    ),
    (
        |f| {
            webhook_says(f, Some(&waits()));
            f.deployments = Ok(vec![
                deployment("namesake-webhook", 1),
                deployment("namesake-broker", 2),
            ]);
        },
        "webhook-replicas",
        "1 of 2 replicas are ready; w-1: rules are not loaded, namespaces are not listed",
    ),
    (|f| f.rules = Ok(None), "rules", "missing"),
    (
        |f| f.rules = Ok(Some(map(&[("rules.yaml", "a: [")], &[]))),
        "rules",
        "rules.yaml:",
    ),
    (|f| f.accepted = Ok(None), "rules-revision", "revision none"),
    (
        |f| {
            f.unproven = Ok(Some(map(
                &[("count", "0"), ("parents", "[]")],
                &[("replica.namesake.dev/w-1", "0123456789ab")],
            )));
        },
        "rules-revision",
        "it uses revision 0123456789ab",
    ),
    (
        |f| f.snapshot.namespaces.as_mut().unwrap().push(useless()),
        "namespaces",
        "no rule of stack prod can match",
    ),
    (
        |f| {
            f.quota = report(
                &[("rights.project_acme", "lacks iam.serviceAccounts.create")],
                NOW,
            );
        },
        "rights",
        "the broker lacks iam.serviceAccounts.create",
    ),
    (
        |f| {
            f.quota = report(&[("google_service_accounts.acme", "90 of 100")], NOW);
        },
        "quota",
        "90 of 100",
    ),
    (
        |f| f.unproven = Ok(None),
        "unproven",
        "not written its report",
    ),
    (
        |f| f.snapshot.network_policies = Ok(Vec::new()),
        "exposure",
        "network",
    ),
    (
        |f| {
            let quota = f.quota.as_mut().unwrap().as_mut().unwrap();
            let said = (
                "replica.namesake.dev/b-1".to_owned(),
                "ba0123456789".to_owned(),
            );
            quota.annotations_mut().extend([said]);
        },
        "rules-revision",
        "it uses revision ba0123456789",
    ),
];

/// Hides something, the checks that must not be fine then, and part of what they say.
pub(super) const HIDDEN: [(Break, &[&str], &str); 10] = [
    (
        |f| f.quota = Ok(None),
        &["rights", "quota"],
        "has not reported it",
    ),
    (
        no_pods,
        &["versions"],
        "no replica of webhook or broker runs",
    ),
    (
        |f| f.quota = report(&[], NOW),
        &["rights", "quota"],
        "has not reported it",
    ),
    (
        |f| f.quota = report(&[("service_accounts.cluster", "41")], NOW),
        &["rights"],
        "has not reported it",
    ),
    (
        |f| {
            let data = [
                ("service_accounts.cluster", "41"),
                ("rights.project_acme", "all that the rules need"),
            ];
            f.quota = report(&data, "2026-11-29T09:00:00Z");
        },
        &["rights", "quota"],
        "has not reported for 3h, since 2026-11-29T09:00:00Z",
    ),
    (
        |f| f.quota = Ok(Some(map(&[("service_accounts.cluster", "41")], &[]))),
        &["rights", "quota"],
        "of an earlier release",
    ),
    (
        |f| f.unproven = Err(unreadable("the report of the webhook")),
        &["ca-bundle", "versions", "rules-revision", "unproven"],
        "no right",
    ),
    (
        |f| f.pods = Err(unreadable("the pods of webhook and broker")),
        &["ca-bundle", "versions", "rules-revision"],
        "no right",
    ),
    (
        |f| {
            let report = f.unproven.as_mut().unwrap().as_mut().unwrap();
            report.annotations_mut().remove("replica.namesake.dev/w-1");
        },
        &["rules-revision"],
        "they have not said: w-1",
    ),
    (
        |f| webhook_says(f, Some(&format!(r#"{{"version":"{OWN}"}}"#))),
        &["ca-bundle"],
        "these replicas have not said: w-1",
    ),
];
