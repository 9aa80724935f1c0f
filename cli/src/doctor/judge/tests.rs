use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::Deployment;
use serde_json::{Value, json};

use super::*;
use crate::answer::exit_status::ExitStatus;
use crate::answer::golden;
use crate::check::{NamespaceLabels, Unreadable, shipped_snapshot};
use crate::cluster::identities::tests::NOW;
use crate::doctor::report;

/// An authority that expires in 2036.
const AUTHORITY: &str = include_str!("../../../testdata/authority.pem");

fn object<K: serde::de::DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

fn deployment(name: &str, ready: i32) -> Deployment {
    object(json!({
        "metadata": {"name": name}, "spec": {"replicas": 2, "selector": {}, "template": {}},
        "status": {"readyReplicas": ready, "updatedReplicas": 2},
    }))
}

fn map(data: &[(&str, &str)], annotations: &[(&str, &str)]) -> ConfigMap {
    let pairs = |all: &[(&str, &str)]| -> BTreeMap<String, String> {
        all.iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    };
    object(
        json!({"metadata": {"name": "x", "annotations": pairs(annotations)}, "data": pairs(data)}),
    )
}

/// The facts of an installation in which everything is as it should be.
fn healthy() -> Facts {
    let mut snapshot = shipped_snapshot();
    let installation = snapshot.installation.as_mut().unwrap();
    let bundle = || Some(ByteString(AUTHORITY.as_bytes().to_vec()));
    let mutating = installation.mutating.as_mut().unwrap().webhooks.iter_mut();
    let mutating = mutating.flatten().map(|webhook| &mut webhook.client_config);
    let validating = installation
        .validating
        .as_mut()
        .unwrap()
        .webhooks
        .iter_mut();
    let validating = validating
        .flatten()
        .map(|webhook| &mut webhook.client_config);
    for config in mutating.chain(validating) {
        config.ca_bundle = bundle();
    }
    let revision = snapshot.rules.as_ref().unwrap().revision().to_owned();
    let rules = include_str!("../../../../manifests/base/rules.yaml");
    let lease = json!({"spec": {
        "holderIdentity": "namesake-broker-6c9f-b7k2p_5d3a", "leaseDurationSeconds": 15, "renewTime": "2026-11-29T11:59:55.000000Z",
    }});
    Facts {
        snapshot,
        deployments: Ok(vec![
            deployment("namesake-webhook", 2),
            deployment("namesake-broker", 2),
        ]),
        lease: Ok(Some(object(lease))),
        rules: Ok(Some(map(&[("rules.yaml", rules)], &[]))),
        accepted: Ok(Some(map(
            &[],
            &[("namesake.dev/rules-revision", &revision)],
        ))),
        quota: Ok(Some(map(
            &[
                ("rights.project_acme-identities", "all that the rules need"),
                ("service_accounts.cluster", "41"),
            ],
            &[],
        ))),
        unproven: Ok(Some(map(
            &[("count", "0"), ("parents", "[]")],
            &[("replica.namesake.dev/w-1", &revision)],
        ))),
        webhook_pods: Ok(vec!["w-1".to_owned()]),
        monitors: Ok(vec!["PodMonitoring namesake".to_owned()]),
        network_policies: Ok(Vec::new()),
        reach: Ok(Reach::Answered),
    }
}

fn judged(facts: &Facts) -> Vec<Checked> {
    checked(facts, &Check::all(false), &[], NOW.parse().unwrap())
}

/// The words of the checks that found something, each with the first finding.
fn found(facts: &Facts) -> Vec<(&'static str, Finding)> {
    let all = judged(facts).into_iter();
    all.filter_map(|one| match one.outcome {
        Outcome::Found(findings) => Some((one.check.word(), findings[0].clone())),
        _ => None,
    })
    .collect()
}

#[test]
fn an_installation_as_shipped_is_fine() {
    assert_eq!(found(&healthy()), []);
    let answer = report::answer(&judged(&healthy()));
    assert_eq!(answer.status, ExitStatus::Fine, "{}", answer.text);
    golden::check_as("doctor", "doctor", &answer);
}

/// Breaks one link.
type Break = fn(&mut Facts);

/// What is broken, and the check that must find it, and part of what it says.
const BROKEN: [(Break, &str, &str); 19] = [
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
            f.quota = Ok(Some(map(
                &[("rights.project_acme", "lacks iam.serviceAccounts.create")],
                &[],
            )));
        },
        "rights",
        "the broker lacks iam.serviceAccounts.create",
    ),
    (
        |f| {
            f.quota = Ok(Some(map(
                &[("google_service_accounts.acme", "90 of 100")],
                &[],
            )));
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
];

fn first_bundle(facts: &mut Facts, bundle: Option<&str>) {
    let installation = facts.snapshot.installation.as_mut().unwrap();
    let webhook = &mut installation
        .mutating
        .as_mut()
        .unwrap()
        .webhooks
        .as_mut()
        .unwrap()[0];
    webhook.client_config.ca_bundle = bundle.map(|text| ByteString(text.as_bytes().to_vec()));
}

/// An opted-in namespace that no class of the shipped rules is for.
fn useless() -> NamespaceLabels {
    let labels = [
        ("namesake.dev/stack", "prod"),
        ("kubernetes.io/metadata.name", "nowhere"),
        ("pod-security.kubernetes.io/enforce", "baseline"),
    ];
    NamespaceLabels {
        name: "nowhere".to_owned(),
        labels: labels
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
    }
}

#[test]
fn each_broken_link_is_found_by_its_check_with_a_command() {
    for (break_it, word, part) in BROKEN {
        let mut facts = healthy();
        break_it(&mut facts);
        let found = found(&facts);
        let hit = found.iter().find(|(check, _)| *check == word);
        let (_, finding) = hit.unwrap_or_else(|| panic!("{word}: {found:?}"));
        assert!(finding.what.contains(part), "{word}: {finding:?}");
        assert!(!finding.command.is_empty(), "{word}");
    }
}

#[test]
fn an_authority_is_reported_three_months_before_it_expires() {
    let facts = healthy();
    let at = |now: &str| checked(&facts, &[Check::CaBundle], &[], now.parse().unwrap());
    let is_fine = |all: &[Checked]| matches!(all[0].outcome, Outcome::Fine(_));
    assert!(is_fine(&at(NOW)));
    assert!(!is_fine(&at("2036-11-20T00:00:00Z")));
}

#[test]
fn several_broken_links_are_all_reported_and_what_is_not_seen_is_named() {
    let mut facts = healthy();
    for break_it in [BROKEN[6].0, BROKEN[8].0, BROKEN[14].0] {
        break_it(&mut facts);
    }
    facts.quota = Err(Unreadable {
        what: "the report on quotas",
        why: "User \"carol\" cannot get resource \"configmaps\"".to_owned(),
    });
    let answer = report::answer(&judged(&facts));
    assert_eq!(answer.status, ExitStatus::Incomplete);
    assert!(
        answer
            .short
            .contains("found leader: Lease namesake-system/namesake-broker: no broker holds it"),
        "{}",
        answer.short
    );
    golden::check_as("doctor-broken", "doctor", &answer);
    let skipped = answer
        .cases
        .iter()
        .find(|case| case.name == "quota")
        .unwrap();
    assert!(skipped.skipped.is_some());
    assert_eq!(answer.json["checks"][0]["state"], "ok");
}
