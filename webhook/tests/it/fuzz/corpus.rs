//! The reviews that fuzzing changes, each with the state that answers it.

use std::collections::BTreeSet;
use std::convert::Infallible;

use kube::Client;
use kube::client::Body;
use namesake_core::Json;
use namesake_core::Stamp;
use namesake_webhook::decide::argo::ArgoKind;
use namesake_webhook::decide::argo::nodes::node_id;
use namesake_webhook::decide::argo::object::own_digest;
use namesake_webhook::state::State;
use serde_json::{Value, json};

use crate::cases::{self, merge, name_of, testdata};
use crate::golden::names;

const ALICE: &str = "alice@acme.com";
const ARGO: &str = "system:serviceaccount:argo:argo";
const TEMPLATE: &str = "objects/argo-workflowtemplate.json";
/// Argo's controller is a carrier.
const CARRIERS: &str = "noMatch: deny\ncarriers: [{account: \"system:serviceaccount:argo:argo\", parents: [Workflow]}]";

/// A state, and a review that it answers.
pub(super) struct Case {
    pub(super) state: State,
    pub(super) review: Value,
    /// The users for whom a carrier may act here.
    pub(super) carried: BTreeSet<String>,
    /// Whether its namespaces are in shadow mode.
    pub(super) shadow: bool,
}

impl Case {
    /// A case without a review, where Alice has an identity.
    pub(super) fn of_alice() -> Case {
        Case::new(known(), Value::Null)
    }

    fn new(mut case: Value, review: Value) -> Case {
        cases::sign(&mut case);
        case["decidesLast"] = json!(true);
        let parents = case["parents"].as_array().into_iter().flatten();
        let stamps = parents.filter_map(|parent| Stamp::unverified(parent["stamp"].as_str()?));
        let carried = stamps.filter_map(|stamp| Some(stamp.user?.to_string()));
        Case {
            carried: carried.chain([ALICE.to_owned()]).collect(),
            shadow: case["mode"] == "shadow",
            state: cases::state(&case).with_cluster(api_server()),
            review,
        }
    }
}

pub(super) fn corpus() -> Vec<Case> {
    let mut all = Vec::new();
    for name in names() {
        let text = cases::read(&format!("{name}.input.yaml"));
        let mut case: Value = serde_saphyr::from_str(&text).unwrap();
        cases::sign(&mut case);
        let review = cases::review(&case["request"]);
        all.push(Case::new(case, review));
    }
    for file in std::fs::read_dir(testdata("corpus")).unwrap() {
        let path = file.unwrap().path();
        let review = serde_json::from_slice(&std::fs::read(&path).unwrap())
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        all.push(Case::new(known(), review));
    }
    let more = argo().into_iter().chain(guarded()).chain(others());
    all.extend(more.map(|mut request| {
        cases::sign(&mut request);
        let review = cases::review(&request);
        let over = json!({"request": request["review"]});
        Case::new(known(), merge(review, over))
    }));
    all
}

// Alice has an identity, and Argo's controller is a carrier.
fn known() -> Value {
    json!({"identities": [{"user": ALICE, "ready": true}], "parents": [{"stamp": {"$stamp": {}}}],
        "edits": [["noMatch: deny", CARRIERS]]})
}

fn spec() -> Value {
    let template: Value = serde_json::from_str(&cases::read(TEMPLATE)).unwrap();
    template["spec"].clone()
}

fn signed(kind: ArgoKind, spec: &Value) -> Value {
    let text = spec.to_string();
    let spec: Json<'_> = serde_json::from_str(&text).unwrap();
    json!({"own": {"digest": own_digest(kind, &spec)}})
}

fn metadata(kind: &str, argo: &Value) -> Value {
    let stamp =
        json!({"kind": format!("argoproj.io/{kind}"), "object": {"name": "flow"}, "argo": argo});
    json!({"name": "flow", "uid": "u", "creationTimestamp": "1970-01-01T00:33:10Z",
        "annotations": {"namesake.dev/stamp": {"$stamp": stamp}}})
}

// The four kinds, new and changed, and a pod of a Workflow.
fn argo() -> Vec<Value> {
    let spec = spec();
    let reference =
        json!({"workflowTemplateRef": {"name": "flow"}, "arguments": {"parameters": []}});
    let cron = json!({"schedules": ["@daily"], "workflowSpec": reference});
    let kinds = [
        ("WorkflowTemplate", ArgoKind::Template, &spec),
        ("ClusterWorkflowTemplate", ArgoKind::Template, &spec),
        ("Workflow", ArgoKind::Workflow, &spec),
        ("Workflow", ArgoKind::Workflow, &reference),
        ("CronWorkflow", ArgoKind::CronWorkflow, &cron),
    ];
    let mut all = Vec::new();
    for (kind, argo_kind, spec) in kinds {
        let old = json!({"metadata": metadata(kind, &signed(argo_kind, spec)), "spec": spec});
        let new = merge(old.clone(), json!({"spec": {"entrypoint": "other"}}));
        let user = if kind.starts_with("Cluster") {
            "root@acme.com"
        } else {
            ALICE
        };
        all.push(json!({"kind": kind, "user": user, "object": {"metadata": {"generateName": "flow-"}, "spec": spec}}));
        for user in [ALICE, "bob@acme.com", ARGO] {
            all.push(
                json!({"kind": kind, "operation": "UPDATE", "user": user, "token": true,
                "oldObject": old, "object": new}),
            );
        }
    }
    let owner = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "flow", "uid": "u", "controller": true});
    all.push(json!({"user": ARGO, "token": true, "object": {"metadata": {"name": "p", "ownerReferences": [owner]},
        "spec": {"containers": [{"name": "main", "image": "a"}]}}}));
    all
}

// Who enters a pod, and who writes the results of a step.
fn guarded() -> Vec<Value> {
    let account = format!("system:serviceaccount:research:{}", name_of(ALICE));
    let connect = |user: &str, sub: &str, kind: &str| {
        let options = json!({"kind": kind, "apiVersion": "v1", "stdin": true, "container": "main", "command": ["sh"]});
        json!({"kind": kind, "operation": "CONNECT", "user": user, "object": options,
            "review": {"subResource": sub, "name": "p", "resource": {"resource": "pods"}}})
    };
    let mut all = Vec::new();
    for user in [ALICE, "bob@acme.com", "root@acme.com"] {
        for (sub, kind) in [
            ("exec", "PodExecOptions"),
            ("attach", "PodAttachOptions"),
            ("portforward", "PodPortForwardOptions"),
            ("proxy", "PodProxyOptions"),
        ] {
            all.push(connect(user, sub, kind));
        }
    }
    let owner = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "flow", "uid": "u"});
    let result = json!({"metadata": {"name": node_id("flow", "flow.a"), "labels": {"workflows.argoproj.io/workflow": "flow"},
        "annotations": {"namesake.dev/pod-uid": "u"}, "ownerReferences": [owner]}, "outputs": {"parameters": [{"name": "x", "value": "$(id)"}]}});
    let group = json!({"kind": {"group": "argoproj.io"}});
    for user in [account.as_str(), ARGO, "bob@acme.com"] {
        all.push(json!({"kind": "WorkflowTaskResult", "user": user, "token": true, "pod": true, "object": result,
            "review": group}));
        for sub in [None, Some("status")] {
            all.push(json!({"kind": "WorkflowTaskSet", "operation": "UPDATE", "user": user, "token": true, "pod": true,
                "object": {"metadata": {"name": "flow"}}, "oldObject": {"metadata": {"name": "flow"}},
                "review": {"kind": {"group": "argoproj.io"}, "subResource": sub}}));
        }
    }
    all
}

// Namespaces, rules, deleted objects, and other versions of the kinds that the webhook handles.
fn others() -> Vec<Value> {
    let namespace = |stack: &str| {
        json!({"metadata": {"name": "research", "labels": {"namesake.dev/stack": stack},
            "annotations": {"namesake.dev/epoch": "an-epoch-from-before"}}})
    };
    let rules = json!({"metadata": {"name": "namesake-rules"}, "data": {"rules.yaml": cases::read("rules.yaml")}});
    let mut all = vec![
        json!({"kind": "Namespace", "user": "root@acme.com", "object": namespace("prod")}),
        json!({"kind": "Namespace", "user": "root@acme.com", "operation": "UPDATE", "oldObject": namespace("other"),
            "object": namespace("prod")}),
        json!({"kind": "ConfigMap", "user": "root@acme.com", "object": rules}),
    ];
    for kind in [
        "Pod",
        "Job",
        "CronJob",
        "JobSet",
        "Workflow",
        "WorkflowTemplate",
    ] {
        let named = json!({"metadata": {"name": "x"}});
        all.push(json!({"kind": kind, "user": ALICE, "operation": "DELETE",
            "review": {"object": null, "oldObject": named}}));
        all.push(json!({"kind": kind, "user": ALICE, "object": named,
            "review": {"kind": {"version": "v9beta1"}, "requestKind": {"group": "other", "version": "v0", "kind": "Other"}}}));
    }
    all
}

// An API server that has a running pod of Alice's, a Workflow, and the template that it runs.
fn api_server() -> Client {
    let spec = spec();
    let mut workflow = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow",
        "metadata": metadata("Workflow", &signed(ArgoKind::Workflow, &spec)), "spec": spec});
    let mut template = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "WorkflowTemplate",
        "metadata": metadata("WorkflowTemplate", &signed(ArgoKind::Template, &spec)), "spec": spec});
    let owner = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "flow", "uid": "u", "controller": true});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "research", "uid": "u",
        "ownerReferences": [owner], "annotations": {
            "workflows.argoproj.io/node-id": node_id("flow", "flow.a"), "workflows.argoproj.io/node-name": "flow.a"}},
        "spec": {"serviceAccountName": name_of(ALICE), "containers": []}});
    cases::sign(&mut workflow);
    cases::sign(&mut template);
    let objects = [
        ("/pods/", pod),
        ("/workflows/", workflow),
        ("/workflowtemplates/", template),
    ];
    let objects = objects.map(|(path, object)| (path, object.to_string().into_bytes()));
    let service = tower::service_fn(move |request: axum::http::Request<Body>| {
        let path = request.uri().path();
        let found = objects.iter().find(|(part, _)| path.contains(part));
        let missing = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound"});
        let (status, text) = match found {
            Some((_, text)) => (200, text.clone()),
            None => (404, missing.to_string().into_bytes()),
        };
        let answer = axum::http::Response::builder().status(status);
        let answer = answer.body(Body::from(text)).unwrap();
        async move { Ok::<_, Infallible>(answer) }
    });
    Client::new(service, "default")
}
