//! Builds a state and a review from a case. A case is YAML:
//!
//! ```yaml
//! now: 2000                       # seconds since 1970; 2000 if absent
//! webhook: mutate                 # mutate | validate
//! rules: rules.yaml               # file in testdata; edits: [[from, to]] change its text
//! namespaces: {research: prod}    # opted in, and to which stack
//! mode: shadow                    # of the namespaces; enforce if absent
//! identities: [{namespace, class, user, ready, uid, recorded: {user, class}}]
//! parents: [{kind, uid, name, generateName, created, stamp, runs}]
//! request: {operation, kind, user, groups, token, pod, dryRun, file, object, oldObject}   # pod: a pod's own token
//! ```
//!
//! `returned: true`: the namespaces were opted out and in again after the signatures of this case. `$ALICE` is the name of Alice's
//! identity. Anywhere in a case, `{$stamp: {...}}` and `{$resolution: {...}}` become signed text (`key: other` signs with a key
//! that is unknown to the webhook, `key: old` with a former one), and `{$digest: {...}}` the digest of a pod template.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use namesake_core::{IdentityName, Source};
use namesake_core::{Json, KeyRing, Per, Resolution, Rules, Stamp, digest_of_pod_template};
use namesake_service::RulesFiles;
use namesake_webhook::admit::{Webhook, admit};
use namesake_webhook::decide::known::{KnownIdentity, KnownParent};
use namesake_webhook::decide::mode::Mode;
use namesake_webhook::decide::pod_model::containers;
use namesake_webhook::review::Object;
use namesake_webhook::state::{OptedIn, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub(crate) const NOW: i64 = 2000;
/// The epoch of the namespaces.
pub(crate) const EPOCH: &str = "epoch-of-the-tests";
/// The digest of the pod template of a Job, which its stamp signs, unless the case gives another one.
const JOB_RUNS: &str = "what-the-job-runs";
pub(crate) const ALICE_JOB: &str = "4a22ac2d-26c4-4194-b2bb-804ae0a41192";

pub(crate) fn testdata(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("testdata")
        .join(file)
}

pub(crate) fn read(file: &str) -> String {
    std::fs::read_to_string(testdata(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

pub(crate) fn keys() -> KeyRing {
    ring("k1")
}

// With a former key, which only verifies.
fn ring(current: &str) -> KeyRing {
    let keys = [("k0".to_owned(), [6; 32]), ("k1".to_owned(), [7; 32])];
    KeyRing::new(current, keys).unwrap()
}

fn other_keys() -> KeyRing {
    KeyRing::new("k1", [("k1".to_owned(), [8; 32])]).unwrap()
}

fn unknown_keys() -> KeyRing {
    KeyRing::new("k9", [("k9".to_owned(), [9; 32])]).unwrap()
}

/// Replaces `$stamp`, `$digest`, `$resolution` and `$ALICE` in a case.
pub(crate) fn sign(value: &mut Value) {
    let signed = value.as_object().and_then(|map| {
        let (purpose, body) = map.iter().next().filter(|_| map.len() == 1)?;
        let mut body = body.clone();
        let key = body.as_object_mut().and_then(|b| b.remove("key"));
        let ring = match key.as_ref().and_then(Value::as_str) {
            None => keys(),
            Some("old") => ring("k0"),
            Some("unknown") => unknown_keys(),
            Some(_) => other_keys(),
        };
        match purpose.as_str() {
            "$stamp" => {
                sign(&mut body);
                let stamp = stamp(body);
                let epoch = if stamp.namespace.is_empty() {
                    ""
                } else {
                    EPOCH
                };
                Some(stamp.sign(&ring, epoch))
            }
            "$digest" => {
                let template = Json::deserialize(&body).unwrap();
                Some(digest_of_pod_template(&template).to_string())
            }
            "$resolution" => Some(resolution(body).sign(&ring, EPOCH)),
            _ => None,
        }
    });
    match (signed, value) {
        (Some(text), value) => *value = Value::String(text),
        (None, Value::Object(map)) => map.values_mut().for_each(sign),
        (None, Value::Array(all)) => all.iter_mut().for_each(sign),
        (None, Value::String(text)) if text == "$ALICE" => *text = name_of("alice@acme.com"),
        _ => {}
    }
}

/// Merges one value into another: objects member by member; null removes a member.
pub(crate) fn merge(base: Value, over: Value) -> Value {
    match (base, over) {
        (Value::Object(mut base), Value::Object(over)) => {
            for (key, value) in over {
                let merged = merge(base.remove(&key).unwrap_or_default(), value);
                if !merged.is_null() {
                    base.insert(key, merged);
                }
            }
            Value::Object(base)
        }
        (base @ Value::Object(_), Value::Null) => base,
        (_, over) => over,
    }
}

fn stamp(over: Value) -> Stamp {
    let base = json!({"stack": "prod", "namespace": "research", "kind": "batch/Job", "requester": "alice@acme.com",
        "user": "alice@acme.com", "groups": {"in": [], "out": ["billing@acme.com"]}});
    let mut all = merge(base, over);
    let map = all.as_object_mut().unwrap();
    map.entry("object")
        .or_insert(json!({"generateName": "t-b2bdfea8-"}));
    map.entry("bound").or_insert(json!({"written": NOW - 10}));
    if map["kind"] == "batch/Job" {
        map.entry("runs").or_insert(json!([JOB_RUNS]));
    }
    if map.get("user") == Some(&json!("nobody")) {
        map.insert("user".to_owned(), Value::Null);
    }
    serde_json::from_value(all).unwrap()
}

fn resolution(over: Value) -> Resolution {
    let base = json!({"stack": "prod", "namespace": "research",
        "requester": "system:serviceaccount:kube-system:job-controller", "credential": true, "at": NOW, "ownerUid": ALICE_JOB,
        "serviceAccount": name_of("alice@acme.com"), "identity": name_of("alice@acme.com"), "user": "alice@acme.com",
        "class": "research", "rule": "metaflow", "outcome": "identity", "containers": containers()});
    let mut all = merge(base, over);
    all.as_object_mut()
        .unwrap()
        .entry("pod")
        .or_insert(json!({"generateName": "t-b2bdfea8-gwtfp-"}));
    serde_json::from_value(all).unwrap()
}

/// The containers of `run-pod.json`, as a resolution records them.
fn containers() -> BTreeMap<String, String> {
    let pod = read("objects/run-pod.json");
    let pod: Object<'_> = serde_json::from_str(&pod).unwrap();
    containers::of_pod(&rules("rules.yaml", &[]), &pod.spec.unwrap()).unwrap()
}

pub(crate) fn name_of(user: &str) -> String {
    let rules = rules("rules.yaml", &[]);
    let values = BTreeMap::from([(Per::User, user.to_owned())]);
    IdentityName::derive(
        rules.stack(),
        rules.cluster(),
        "research",
        "research",
        &values,
    )
    .to_string()
}

pub(crate) fn rules(file: &str, edits: &[(String, String)]) -> Rules {
    let text = rules_text(file, edits);
    Rules::parse(&[Source { file, text: &text }]).unwrap_or_else(|e| panic!("{e}"))
}

fn rules_text(file: &str, edits: &[(String, String)]) -> String {
    edits.iter().fold(read(file), |text, (from, to)| {
        assert!(text.contains(from), "{file} has no {from:?}");
        text.replace(from, to)
    })
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

/// The state that a case describes.
pub(crate) fn state(case: &Value) -> State {
    let now = case.get("now").and_then(Value::as_i64).unwrap_or(NOW);
    state_at(case, Arc::new(AtomicI64::new(now)))
}

/// The same, with a clock that moves.
pub(crate) fn state_at(case: &Value, clock: Arc<AtomicI64>) -> State {
    let state = State::new(Box::new(move || clock.load(Relaxed)));
    let edits: Vec<(String, String)> = case
        .get("edits")
        .map_or(Vec::new(), |e| serde_json::from_value(e.clone()).unwrap());
    let rules = rules_text(text(case, "rules").unwrap_or("rules.yaml"), &edits);
    state
        .rules
        .set_current(Some(RulesFiles::from([("rules.yaml".to_owned(), rules)])));
    assert!(state.rules.get().is_some(), "rules");
    state.set_keys(keys());
    opt_in(case, &state);
    if case.get("decidesLast") == Some(&Value::Bool(true)) {
        state.set_decides_last(BTreeSet::from(["research".to_owned()]));
    }
    if case.get("listed") != Some(&Value::Bool(false)) {
        state.synced.namespaces.set();
        state.synced.identities.set();
    }
    for identity in case
        .get("identities")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let user = text(identity, "user").unwrap();
        let recorded = identity.get("recorded").unwrap_or(identity);
        let known = KnownIdentity {
            user: text(recorded, "user").unwrap().into(),
            class: text(recorded, "class").unwrap_or("research").into(),
            service_account_uid: Some(text(identity, "uid").unwrap_or("ksa-uid").into()),
            ready: identity.get("ready") == Some(&Value::Bool(true)),
            stalled: text(identity, "stalled").map(Into::into),
        };
        state.identities.apply("research", &name_of(user), known);
    }
    parents(case, &state);
    state
}

fn parents(case: &Value, state: &State) {
    let all = case.get("parents").and_then(Value::as_array);
    for parent in all.into_iter().flatten() {
        let kind = text(parent, "kind").unwrap_or("batch/Job");
        let mut kinds = namesake_webhook::decide::kinds::parents();
        let generated =
            (kind == "batch/Job").then(|| text(parent, "generateName").unwrap_or("t-b2bdfea8-"));
        let created = parent.get("created").and_then(Value::as_i64);
        let kept = KnownParent {
            kind: kinds.find(|(k, _)| k.name == kind).unwrap().0.name,
            name: text(parent, "name").unwrap_or("t-b2bdfea8-gwtfp").into(),
            generate_name: generated.map(Into::into),
            created: created.unwrap_or(NOW - 10),
            stamp: text(parent, "stamp").map(Into::into),
            runs: (kind == "batch/Job").then(|| {
                let runs = text(parent, "runs").unwrap_or(JOB_RUNS);
                serde_json::from_value(json!(runs)).unwrap()
            }),
            is_child: false,
            has_ended: false,
        };
        let uid = text(parent, "uid").unwrap_or(ALICE_JOB);
        state.parents.apply("research", uid, kept);
    }
}

fn opt_in(case: &Value, state: &State) {
    let default = json!({"research": "prod"});
    let namespaces = case
        .get("namespaces")
        .unwrap_or(&default)
        .as_object()
        .unwrap();
    for (name, stack) in namespaces {
        let returned = case.get("returned").is_some();
        let opted_in = OptedIn {
            stack: stack.as_str().unwrap().to_owned(),
            mode: Mode::of(text(case, "mode")).unwrap(),
            epoch: if returned { "another-epoch" } else { EPOCH }.to_owned(),
        };
        state.namespaces.apply(name, opted_in);
    }
}

/// The review that a case describes.
pub(crate) fn review(request: &Value) -> Value {
    let kind = text(request, "kind").unwrap_or("Pod");
    let group = match kind {
        "Job" | "CronJob" => "batch",
        "JobSet" => "jobset.x-k8s.io",
        "Workflow" | "WorkflowTemplate" | "ClusterWorkflowTemplate" | "CronWorkflow" => {
            "argoproj.io"
        }
        "ReplicaSet" => "apps",
        _ => "",
    };
    let object = |key: &str| {
        let base = text(request, "file").map_or(Value::Null, |f| {
            serde_json::from_str(&read(&format!("objects/{f}"))).unwrap()
        });
        let given = request.get(key).cloned().unwrap_or_default();
        merge(base, given)
    };
    let operation = text(request, "operation").unwrap_or("CREATE");
    let mut extra = Map::new();
    if request.get("token") == Some(&Value::Bool(true)) {
        extra.insert(
            "authentication.kubernetes.io/credential-id".to_owned(),
            json!(["JTI=1"]),
        );
    }
    if request.get("pod") == Some(&Value::Bool(true)) {
        for (key, value) in [("pod-name", "p"), ("pod-uid", "u")] {
            extra.insert(
                format!("authentication.kubernetes.io/{key}"),
                json!([value]),
            );
        }
    }
    let old = if operation == "UPDATE" {
        object("oldObject")
    } else {
        Value::Null
    };
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "review-1", "kind": {"group": group, "version": "v1", "kind": kind},
        "resource": {"group": group, "version": "v1", "resource": "ignored"},
        "namespace": text(request, "namespace").unwrap_or("research"), "operation": operation,
        "userInfo": {"username": text(request, "user").unwrap(), "groups": request.get("groups"), "extra": extra},
        "object": object("object"), "oldObject": old, "dryRun": request.get("dryRun"), "options": null}})
}

pub(crate) fn job_controller() -> Value {
    json!({"user": "system:serviceaccount:kube-system:job-controller", "token": true, "file": "run-pod.json"})
}

/// Sends a review to a webhook and returns the response.
pub(crate) async fn ask(state: &State, webhook: Webhook, review: &Value) -> Value {
    let began = Instant::now();
    let deadline = began + Duration::from_secs(5);
    let body = review.to_string();
    let answer = admit(state, webhook, body.as_bytes(), began, deadline).await;
    serde_json::from_slice::<Value>(&answer.unwrap()).unwrap()["response"].take()
}

/// The JSON patch of an answer; empty when there is none.
pub(crate) fn patch(response: &Value) -> Value {
    match response.get("patch").and_then(Value::as_str) {
        Some(text) => {
            assert_eq!(response["patchType"], "JSONPatch");
            serde_json::from_slice(&data_encoding::BASE64.decode(text.as_bytes()).unwrap()).unwrap()
        }
        None => json!([]),
    }
}

/// The object after the patch.
pub(crate) fn patched(object: &Value, patch: &Value) -> Value {
    let patch: json_patch::Patch = serde_json::from_value(patch.clone()).unwrap();
    let mut object = object.clone();
    json_patch::patch(&mut object, &patch).unwrap();
    object
}
