use super::*;
use crate::answer::golden;
use crate::cluster::identities::tests::{NOW, identity};

const RULES: &str = include_str!("../../../../../webhook/testdata/rules.yaml");

fn metadata<K>(namespace: &str, name: &str, annotations: &[(&str, &str)]) -> PartialObjectMeta<K> {
    let annotations: std::collections::BTreeMap<_, _> = annotations.iter().copied().collect();
    serde_json::from_value(json!({"metadata": {
        "namespace": namespace, "name": name, "annotations": annotations, "creationTimestamp": "2026-11-29T11:00:00Z",
    }}))
    .unwrap()
}

fn found() -> Found {
    let mark = |name: &str| {
        format!(
            "namesake stack=prod cluster=projects/acme/locations/us-central1/clusters/ml ksa=research/{name}"
        )
    };
    let account = |name: &str| metadata("research", name, &[(names::MARK_ANNOTATION, &mark(name))]);
    let mut old = identity("bob", "Gone", "False", "Offboarded");
    old.spec.class = "interns".to_owned();
    let mut moved = identity("carol", "InUse", "True", "Ready");
    moved.status.as_mut().unwrap().bindings = serde_json::from_value(
        json!([{"googleServiceAccount": "carol-ml@acme.iam.gserviceaccount.com", "member": "m"}]),
    )
    .unwrap();
    let mut report = ConfigMap::default();
    for pod in ["namesake-webhook-7d9f-k2x4q", "namesake-webhook-7d9f-zzzzz"] {
        let annotations = report.annotations_mut();
        annotations.insert(names::replica_annotation(pod), "52ed97ef1410".to_owned());
        annotations.insert(names::replica_status_annotation(pod), "{}".to_owned());
    }
    Found {
        home: "namesake-system".to_owned(),
        accounts: vec![
            account("mf-alice-aaaaaaaaaaaaaa"),
            account("mf-dora-aaaaaaaaaaaaaa"),
        ],
        identities: vec![identity("alice", "InUse", "True", "Ready"), old, moved],
        jobs: vec![
            metadata("research", "namesake-warm-x7k2p", &[]),
            metadata("research", "nightly", &[]),
        ],
        config_maps: vec![
            FoundConfigMap {
                name: names::UNPROVEN_CONFIG_MAP,
                program: names::WEBHOOK_SERVICE_ACCOUNT,
                map: Some(report),
                pods: vec!["namesake-webhook-7d9f-k2x4q".to_owned()],
            },
            quota("mf-lost-aaaaaaaaaaaaaa@acme-identities.iam.gserviceaccount.com"),
        ],
        unseen: Vec::new(),
    }
}

/// What the broker reports of its accounts at Google.
fn quota(garbage: &str) -> FoundConfigMap {
    let data = [("garbage.acme-identities".to_owned(), garbage.to_owned())];
    FoundConfigMap {
        name: names::QUOTA_CONFIG_MAP,
        program: names::BROKER_SERVICE_ACCOUNT,
        map: Some(ConfigMap {
            data: Some(data.into()),
            ..ConfigMap::default()
        }),
        pods: Vec::new(),
    }
}

fn left(found: &Found) -> Vec<Leftover> {
    let files = [("rules.yaml".to_owned(), RULES.to_owned())].into();
    let rules = namesake_service::parse_rules(&files).unwrap();
    leftovers(Some(&rules), found, NOW.parse().unwrap())
}

#[test]
fn each_leftover_has_its_reason_and_the_command_that_removes_it() {
    let left = left(&found());
    assert_eq!(left.len(), 6, "{left:#?}");
    golden::check_as("gc", "gc --dry-run", &answer(&left, &[]));
}

#[test]
fn what_belongs_to_somebody_or_is_young_or_not_seen_is_not_left_over() {
    let mut found = found();
    found.accounts.truncate(1);
    found.identities.truncate(1);
    found.jobs.truncate(1);
    found.jobs[0].metadata.creation_timestamp = None;
    found.config_maps[0]
        .pods
        .push("namesake-webhook-7d9f-zzzzz".to_owned());
    found.config_maps[1] = quota("none");
    assert_eq!(found.reported_garbage(), Some(Vec::new()));
    assert_eq!(left(&found), []);
    let fine = answer(&[], &[]);
    assert_eq!(fine.status, ExitStatus::Fine);
    let half = answer(&[], &["not allowed to list Jobs".to_owned()]);
    assert_eq!(half.status, ExitStatus::Incomplete);
}

#[test]
fn without_the_rules_what_does_not_depend_on_them_is_still_listed() {
    let mut found = found();
    let left = leftovers(None, &found, NOW.parse().unwrap());
    let places: Vec<_> = left.iter().map(|one| one.place.as_str()).collect();
    assert_eq!(
        places,
        [
            "Google service account mf-lost-aaaaaaaaaaaaaa@acme-identities.iam.gserviceaccount.com",
            "Job research/namesake-warm-x7k2p",
            "ConfigMap namesake-system/namesake-unproven"
        ]
    );
    // A report of an earlier release has no accounts.
    found.config_maps[1].map = Some(ConfigMap::default());
    assert_eq!(found.reported_garbage(), None);
}

#[test]
fn an_account_of_another_stack_or_cluster_is_not_ours() {
    let mut other = found();
    let mark = "namesake stack=dev cluster=projects/acme/locations/us-central1/clusters/ml ksa=research/mf-dora-aaaaaaaaaaaaaa";
    let annotations = other.accounts[1].annotations_mut();
    annotations.insert(names::MARK_ANNOTATION.to_owned(), mark.to_owned());
    assert!(
        !left(&other)
            .iter()
            .any(|one| one.place.starts_with("ServiceAccount"))
    );
}
