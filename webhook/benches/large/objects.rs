//! Objects of nearly 1.5 MB, the limit of etcd: with many small members, which cost most, and with 500 templates.

use namesake_core::Json;
use namesake_webhook::admit::Webhook;
use namesake_webhook::decide::argo::ArgoKind;
use namesake_webhook::decide::argo::object::own_digest;
use serde_json::{Value, json};
use tokio::runtime::Builder;

use crate::cases::{ask, job_controller, patch, patched, review, sign};

/// Variables of about 100 bytes each.
const VARIABLES: usize = 14_000;
/// Templates of about 2.9 kB each.
const TEMPLATES: usize = 500;
const VARIABLES_OF_A_TEMPLATE: usize = 14;
const USER: &str = "alice@acme.com";
pub(crate) const ARGO: &str = "system:serviceaccount:argo:argo";

/// Builds a spec that runs this image.
type Spec = fn(&str) -> Value;

/// One object, and the request about it.
pub(crate) struct Large {
    pub(crate) name: String,
    pub(crate) webhook: Webhook,
    pub(crate) review: Value,
    /// What the API server answers when the webhook asks it about the review.
    pub(crate) stored: Option<Value>,
}

/// All that the bench measures.
pub(crate) fn all() -> Vec<Large> {
    let mut all = Vec::new();
    let batch: [(&str, Spec); 3] = [
        ("Job", |image| json!({"template": pods(image, VARIABLES)})),
        (
            "CronJob",
            |image| json!({"schedule": "@daily", "jobTemplate": {"spec": {"template": pods(image, VARIABLES)}}}),
        ),
        ("JobSet", |image| {
            let job = json!({"spec": {"template": pods(image, VARIABLES)}});
            json!({"replicatedJobs": [{"name": "control", "template": job}]})
        }),
    ];
    for (kind, spec) in batch {
        all.extend(by_its_user(kind, spec, None));
    }
    let argo: [(&str, ArgoKind, Spec); 3] = [
        ("WorkflowTemplate", ArgoKind::Template, templates),
        ("Workflow", ArgoKind::Workflow, templates),
        (
            "CronWorkflow",
            ArgoKind::CronWorkflow,
            |image| json!({"schedules": ["@daily"], "workflowSpec": templates(image)}),
        ),
    ];
    for (kind, argo_kind, spec) in argo {
        all.extend(by_its_user(kind, spec, Some(argo_kind)));
    }
    all.push(status_of_argo());
    all.push(pod_of_argo());
    all.extend(pod_of_a_job());
    all
}

// The variables that hygiene cleans have another value in each version, so that they are cleaned in updates too.
fn environment(version: &str, variables: usize) -> Vec<Value> {
    let variable = |i: usize| json!({"name": format!("VARIABLE_{i}"), "value": "x".repeat(64)});
    let said = [
        json!({"name": "METAFLOW_USER", "value": version}),
        json!({"name": "METAFLOW_SERVICE_HEADERS", "value": format!(r#"{{"authorization":"Bearer {version}"}}"#)}),
    ];
    said.into_iter()
        .chain((0..variables).map(variable))
        .collect()
}

fn pods(image: &str, variables: usize) -> Value {
    json!({"metadata": {"labels": {"app.kubernetes.io/part-of": "metaflow"}},
        "spec": {"containers": [{"name": "main", "image": image, "env": environment(image, variables)}]}})
}

fn templates(image: &str) -> Value {
    let template = |i: usize| {
        let container = json!({"image": image, "command": ["bash", "-c", "true && ".repeat(120)],
            "env": environment(image, VARIABLES_OF_A_TEMPLATE), "resources": {"requests": {"cpu": "1", "memory": "4096M"}}});
        json!({"name": format!("step-{i}"), "container": container, "activeDeadlineSeconds": 432_000,
            "metadata": {"annotations": {"metaflow/flow_name": "F", "metaflow/step_name": format!("step-{i}")}}})
    };
    json!({"entrypoint": "step-0", "podMetadata": {"labels": {"app.kubernetes.io/part-of": "metaflow"}},
        "templates": (0..TEMPLATES).map(template).collect::<Vec<_>>()})
}

fn node(value: &Value, with: impl FnOnce(&Json<'_>) -> String) -> String {
    let text = value.to_string();
    with(&serde_json::from_str(&text).unwrap())
}

fn group(kind: &str) -> &'static str {
    match kind {
        "Job" | "CronJob" => "batch",
        "JobSet" => "jobset.x-k8s.io",
        _ => "argoproj.io",
    }
}

// Metadata of an existing object, with this part for Argo in its stamp.
fn metadata(kind: &str, argo: &Value) -> Value {
    let stamp = json!({"kind": format!("{}/{kind}", group(kind)), "object": {"name": "large"}, "argo": argo});
    json!({"name": "large", "uid": "u", "creationTimestamp": "1970-01-01T00:33:10Z",
        "annotations": {"namesake.dev/stamp": {"$stamp": stamp}}})
}

fn by_its_user(kind: &str, spec: Spec, argo_kind: Option<ArgoKind>) -> [Large; 2] {
    let (before, after) = (spec("a"), spec("b"));
    let argo = argo_kind
        .map(|kind| json!({"own": {"digest": node(&before, |spec| own_digest(kind, spec))}}));
    let metadata = metadata(kind, &json!(argo));
    let create = json!({"kind": kind, "user": USER, "object": {"metadata": {"name": "large"}, "spec": before}});
    let update = json!({"kind": kind, "user": USER, "operation": "UPDATE",
        "oldObject": {"metadata": metadata, "spec": before}, "object": {"metadata": metadata, "spec": after}});
    // Nothing of an earlier Workflow of its name exists.
    let none = argo_kind
        .is_some()
        .then(|| json!({"metadata": {}, "items": []}));
    [
        Large {
            stored: none,
            ..large(format!("{kind}, created"), Webhook::Mutate, create)
        },
        large(
            format!("{kind}, changed by its user"),
            Webhook::Mutate,
            update,
        ),
    ]
}

fn large(name: String, webhook: Webhook, mut request: Value) -> Large {
    sign(&mut request);
    Large {
        name,
        webhook,
        review: review(&request),
        stored: None,
    }
}

// A Workflow that runs a template of its user, with the spec that Argo has stored.
fn running(phase: &str) -> Value {
    let stored = templates("a");
    let digest = node(&stored, |spec| own_digest(ArgoKind::Template, spec));
    let deployed = json!({"requester": USER, "user": USER, "stored": digest,
        "groups": {"in": [], "out": ["billing@acme.com"]}});
    let mut workflow = json!({"metadata": metadata("Workflow", &json!({"deployed": deployed})),
        "spec": {"workflowTemplateRef": {"name": "flow"}},
        "status": {"phase": phase, "storedWorkflowTemplateSpec": stored}});
    sign(&mut workflow);
    workflow
}

fn status_of_argo() -> Large {
    let update = json!({"kind": "Workflow", "user": ARGO, "token": true, "operation": "UPDATE",
        "oldObject": running("Pending"), "object": running("Running")});
    large(
        "Workflow, its status written by Argo".to_owned(),
        Webhook::Mutate,
        update,
    )
}

fn pod_of_argo() -> Large {
    let owner = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "large", "uid": "u", "controller": true});
    let pod = json!({"user": ARGO, "token": true, "object": {
        "metadata": {"name": "p", "ownerReferences": [owner], "labels": {"app.kubernetes.io/part-of": "metaflow"}},
        "spec": {"containers": [{"name": "main", "image": "a"}]}}});
    let large = large("pod of such a Workflow".to_owned(), Webhook::Mutate, pod);
    Large {
        stored: Some(running("Running")),
        ..large
    }
}

// The pod, and its final check.
fn pod_of_a_job() -> [Large; 2] {
    let mut request = job_controller();
    request["object"] = json!({"spec": pods("a", VARIABLES)["spec"]});
    let pod = large("pod of a Job".to_owned(), Webhook::Mutate, request);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(ask(&crate::state(&pod, "{}"), Webhook::Mutate, &pod.review));
    let mut last = pod.review.clone();
    last["request"]["object"] = patched(&last["request"]["object"], &patch(&answer));
    let final_check = Large {
        name: "its final check".to_owned(),
        webhook: Webhook::Validate,
        review: last,
        stored: None,
    };
    [pod, final_check]
}
