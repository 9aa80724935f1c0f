use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

fn node(value: &Value) -> Json<'_> {
    Json::deserialize(value).unwrap()
}

fn parent(kind: &str) -> &'static ParentKind {
    let mut all = parents();
    all.find(|(k, _)| k.kind == kind).unwrap().1
}

#[test]
fn an_owner_is_found_by_group_and_kind_and_not_by_version() {
    let named = |version: &str, kind: &str| {
        let text = json!({"apiVersion": version, "kind": kind}).to_string();
        of_owner(&serde_json::from_str(&text).unwrap()).map(|(kind, _)| kind.name)
    };
    assert_eq!(named("batch/v1", "Job"), Some("batch/Job"));
    assert_eq!(named("batch/v9", "Job"), Some("batch/Job"));
    assert_eq!(
        named("jobset.x-k8s.io/v1beta1", "JobSet"),
        Some("jobset.x-k8s.io/JobSet")
    );
    assert_eq!(named("v1", "Job"), None);
    assert_eq!(named("example.com/v1", "Job"), None);
    assert_eq!(named("v1", "Pod"), None);
}

#[test]
fn every_kind_is_listed_once_and_what_a_controller_creates_is_a_kind() {
    let names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
    let unique: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len());
    for (kind, parent) in parents() {
        assert!(
            parent.creates.is_none_or(|job| names.contains(&job)),
            "{}",
            kind.name
        );
    }
}

#[test]
fn a_stop_goes_in_one_direction_only() {
    let job = parent("Job").pods.unwrap();
    let stops = |member: &str, old: Value, new: Value| {
        stopping::is_stop(job.stops, member, &node(&old), &node(&new))
    };
    assert!(stops("suspend", json!(false), json!(true)));
    assert!(!stops("suspend", json!(true), json!(false)));
    assert!(!stops("suspend", json!(true), json!(null)));
    assert!(stops("parallelism", json!(2), json!(1)));
    assert!(stops("parallelism", json!(null), json!(0)));
    assert!(!stops("parallelism", json!(1), json!(2)));
    assert!(!stops("parallelism", json!(1), json!(null)));
    assert!(stops("activeDeadlineSeconds", json!(null), json!(60)));
    assert!(!stops("activeDeadlineSeconds", json!(60), json!(null)));
    assert!(!stops("activeDeadlineSeconds", json!(60), json!(61)));
    assert!(!stops("activeDeadlineSeconds", json!(60), json!("1")));
}

fn parts(spec: &Value) -> Parts<'_> {
    Parts {
        spec: node(spec),
        ..Parts::default()
    }
}

#[test]
fn the_child_of_a_controller_has_a_digest_that_the_parent_signs() {
    let template = json!({"spec": {"containers": [{"name": "main", "image": "a"}]}});
    let other = json!({"spec": {"containers": [{"name": "main", "image": "b"}]}});
    let job = json!({"template": template, "backoffLimit": 6});
    let job = parts(&job);
    let cases = [
        (
            "CronJob",
            json!({"jobTemplate": {"spec": {"template": template}}}),
        ),
        (
            "JobSet",
            json!({"replicatedJobs": [{"template": {"spec": {"template": other}}}, {"template": {"spec": {"template": template}}}]}),
        ),
    ];
    for (kind, spec) in cases {
        let pods = parent(kind).pods.unwrap();
        let Runs::Signed { child: shown, .. } = pods.runs else {
            panic!("the pods of a {kind} run what its stamp signed");
        };
        assert!(pods.runs.of(&parts(&spec)).contains(&shown(&job)), "{kind}");
        assert!(
            !pods.runs.of(&Parts::default()).contains(&shown(&job)),
            "{kind}"
        );
    }
}

#[test]
fn the_labels_that_the_api_server_adds_to_a_jobs_template_do_not_change_its_digest() {
    let container =
        json!([{"name": "main", "image": "i", "env": [{"name": "BASH_ENV", "value": "/x"}]}]);
    let template = |labels: Value| json!({"template": {"metadata": {"labels": labels}, "spec": {"containers": container}}});
    let runs = |spec: &Value| parent("Job").pods.unwrap().runs.of(&parts(spec));
    let (before, uid) = (template(json!({})), "4a22ac2d-26c4-4194-b2bb-804ae0a41192");
    let after = template(
        json!({"batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": "j",
        "controller-uid": uid, "job-name": "j"}),
    );
    assert_eq!(runs(&before), runs(&after));
    assert_ne!(runs(&before), runs(&template(json!({"app": "x"}))));
    let mut other = before.clone();
    other["template"]["spec"]["containers"][0]["env"][0]["value"] = json!("/y");
    assert_ne!(runs(&before), runs(&other));
}
