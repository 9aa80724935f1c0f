//! The facts of an installation in which everything is as it should be, and parts of others.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use crate::check::{NamespaceLabels, Read, Unreadable, shipped_snapshot};
use crate::cluster::versions::OWN;
use crate::doctor::facts::{Facts, Monitor, ProgramPod, Reach};

/// An authority that expires in 2036.
pub(super) const AUTHORITY: &str = include_str!("../../../../testdata/authority.pem");

pub(super) fn object<K: serde::de::DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

pub(super) fn deployment(name: &str, ready: i32) -> Deployment {
    object(json!({
        "metadata": {"name": name}, "spec": {"replicas": 2, "selector": {}, "template": {"metadata": {"labels": {"app.kubernetes.io/name": name}}}},
        "status": {"readyReplicas": ready, "updatedReplicas": 2},
    }))
}

pub(super) fn map(data: &[(&str, &str)], annotations: &[(&str, &str)]) -> ConfigMap {
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
pub(super) fn healthy() -> Facts {
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
    let rules = include_str!("../../../../../manifests/base/rules.yaml");
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
            &[
                ("namesake.dev/reported-at", "2026-11-29T11:57:00Z"),
                ("replica.namesake.dev/b-1", &revision),
                ("replica-status.namesake.dev/b-1", &status(OWN)),
            ],
        ))),
        unproven: Ok(Some(map(
            &[("count", "0"), ("parents", "[]")],
            &[
                ("replica.namesake.dev/w-1", &revision),
                ("replica-status.namesake.dev/w-1", &status(OWN)),
            ],
        ))),
        pods: Ok(vec![
            pod("namesake-webhook", "w-1"),
            pod("namesake-broker", "b-1"),
        ]),
        monitors: Ok(vec![monitor()]),
        network_policies: Ok(Vec::new()),
        reach: Ok(Reach::Answered),
    }
}

/// The broker's report of a time.
pub(super) fn report(data: &[(&str, &str)], at: &str) -> Read<Option<ConfigMap>> {
    let annotations = [
        ("namesake.dev/reported-at", at),
        ("replica-status.namesake.dev/b-1", &status(OWN)),
    ];
    Ok(Some(map(data, &annotations)))
}

/// What a replica of a version says.
pub(super) fn status(version: &str) -> String {
    format!(r#"{{"version":"{version}","certificateExpires":"2026-12-06T12:00:00Z"}}"#)
}

/// What a replica says that is not ready.
pub(super) fn waits() -> String {
    let missing = ["rules are not loaded", "namespaces are not listed"];
    json!({"version": OWN, "missing": missing, "certificateExpires": "2026-12-06T12:00:00Z"})
        .to_string()
}

/// What a replica says whose certificate expires then.
pub(super) fn serves_until(at: &str) -> String {
    format!(r#"{{"version":"{OWN}","certificateExpires":"{at}"}}"#)
}

pub(super) fn pod(program: &str, name: &str) -> ProgramPod {
    ProgramPod {
        program: program.to_owned(),
        name: name.to_owned(),
    }
}

/// Replaces what a webhook says about itself; `None` removes it.
pub(super) fn webhook_says(facts: &mut Facts, text: Option<&str>) {
    let map = facts.unproven.as_mut().unwrap().as_mut().unwrap();
    let key = "replica-status.namesake.dev/w-1".to_owned();
    match text {
        Some(text) => map.annotations_mut().insert(key, text.to_owned()),
        None => map.annotations_mut().remove(&key),
    };
}

pub(super) fn first_bundle(facts: &mut Facts, bundle: Option<&str>) {
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
pub(super) fn useless() -> NamespaceLabels {
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
pub(super) fn no_pods(facts: &mut Facts) {
    facts.pods = Ok(Vec::new());
}

pub(super) fn unreadable(what: &'static str) -> Unreadable {
    let why = "no right".to_owned();
    Unreadable { what, why }
}

/// A monitor of both programs.
pub(super) fn monitor() -> Monitor {
    let selector =
        json!({"matchExpressions": [{"key": "app.kubernetes.io/name", "operator": "Exists"}]});
    Monitor {
        name: "PodMonitoring namesake".to_owned(),
        selector: object(selector),
        ports: vec!["metrics".to_owned()],
    }
}
