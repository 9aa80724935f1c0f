//! Answers from logs: of the API server itself, of Cloud Logging, broken, of another cluster.

use serde_json::json;

use super::super::{google, kubernetes};
use super::*;
use crate::answer::golden;
use crate::cluster::identities::tests::identity;

const NAME: &str = "mf-alice-aaaaaaaaaaaaaa";

fn since() -> Timestamp {
    "2026-11-28T12:00:00Z".parse().unwrap()
}

fn alice() -> Account {
    let account = Account::parse(NAME).unwrap();
    account.with(&identity("alice", "InUse", "True", "Ready"))
}

/// What the webhook writes about a pod.
fn annotations(account: &str, decision: &str) -> Value {
    let all = [
        ("requester", "alice@acme.com"),
        ("user", "alice@acme.com"),
        ("rule", "everyone"),
        ("class", "research"),
        ("service-account", account),
        ("generate-name", "t-1-"),
        ("owner-kind", "Job"),
        ("owner-name", "t-1"),
        ("decision", decision),
    ];
    let all = all.map(|(key, value)| (format!("pods.namesake.dev/{key}"), json!(value)));
    Value::Object(all.into_iter().collect())
}

fn event(minute: u32, account: &str) -> Value {
    json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "stage": "ResponseComplete", "verb": "create",
        "requestURI": "/api/v1/namespaces/research/pods", "stageTimestamp": format!("2026-11-29T08:{minute:02}:00.123456Z"),
        "objectRef": {"resource": "pods", "namespace": "research", "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": 201}, "user": {"username": "x", "groups": []},
        "annotations": annotations(account, "4u2j6dq3"),
    })
}

fn changed(event: &Value, path: &str, value: Value) -> Value {
    let mut event = event.clone();
    *event.pointer_mut(path).unwrap() = value;
    event
}

/// The entry of Cloud Logging about the same.
fn entry(minute: u32) -> Value {
    json!({
        "logName": "projects/acme/logs/cloudaudit.googleapis.com%2Factivity", "timestamp": format!("2026-11-29T08:{minute:02}:00Z"),
        "resource": {"type": "k8s_cluster"}, "labels": annotations(NAME, "q7xlm2a4"),
        "protoPayload": {
            "methodName": "io.k8s.core.v1.pods.create", "resourceName": "core/v1/namespaces/research/pods/t-1-x7k2p",
            "authenticationInfo": {"principalEmail": "system:serviceaccount:kube-system:job-controller"},
        },
    })
}

fn action(minute: u32, log: &str, method: &str, who: &Value) -> Value {
    json!({
        "logName": format!("projects/acme/logs/cloudaudit.googleapis.com%2F{log}"),
        "timestamp": format!("2026-11-29T08:{minute:02}:00Z"),
        "protoPayload": {
            "methodName": method, "resourceName": "projects/_/buckets/acme-mf/objects/users/alice-aaaaaaaaaaaaaa/data.csv",
            "authenticationInfo": who,
        },
    })
}

fn by_alice() -> Value {
    json!({
        "principalEmail": format!("{NAME}@acme-identities.iam.gserviceaccount.com"),
        "serviceAccountDelegationInfo": [{"principalSubject": format!("serviceAccount:acme.svc.id.goog[research/{NAME}]")}],
    })
}

fn lines(all: &[Value]) -> String {
    all.iter().map(|one| format!("{one}\n")).collect()
}

fn answered(kubernetes: &str, google: &str) -> Answer {
    let logs = Logs {
        kubernetes: Some(
            kubernetes::read(kubernetes.as_bytes(), |_| (), &alice(), since()).unwrap(),
        ),
        google: Some(google::read(google.as_bytes(), |_| (), &alice(), since()).unwrap()),
    };
    answer(&alice(), &logs, since(), None)
}

#[test]
fn pods_and_what_their_account_did_are_joined() {
    let pods = lines(&[event(2, NAME), event(1, "mf-bob-aaaaaaaaaaaaaa"), entry(9)]);
    let read = action(3, "data_access", "storage.objects.get", &by_alice());
    let refused = changed(
        &action(8, "data_access", "storage.objects.get", &by_alice()),
        "/protoPayload/resourceName",
        json!("projects/_/buckets/acme-mf/objects/users/bob-aaaaaaaaaaaaaa/data.csv"),
    );
    let mut refused = refused;
    refused["protoPayload"]["status"] = json!({"code": 7, "message": "denied"});
    let again = action(7, "data_access", "storage.objects.get", &by_alice());
    let bob =
        json!({"principalEmail": "mf-bob-aaaaaaaaaaaaaa@acme-identities.iam.gserviceaccount.com"});
    let other = action(4, "data_access", "storage.objects.get", &bob);
    let answer = answered(&pods, &lines(&[again, read, refused, other]));
    let words = format!("who {NAME} --kubernetes-audit kubernetes.json --google-audit google.json");
    golden::check_as("who", &words, &answer);
    assert_eq!(answer.status, ExitStatus::Fine);
    assert_eq!(answer.json["users"], json!(["alice@acme.com"]));
    assert_eq!(answer.json["actions"].as_array().map(Vec::len), Some(2));
}

#[test]
fn dry_runs_refusals_other_accounts_and_earlier_pods_do_not_count() {
    let event = event(2, NAME);
    let mut dry_run = event.clone();
    dry_run["annotations"]["pods.namesake.dev/dry-run"] = json!("true");
    let none = [
        changed(
            &event,
            "/requestURI",
            json!("/api/v1/namespaces/research/pods?dryRun=All"),
        ),
        changed(&event, "/responseStatus/code", json!(403)),
        dry_run,
        changed(&event, "/stage", json!("RequestReceived")),
        changed(&event, "/verb", json!("update")),
        changed(&event, "/objectRef/namespace", json!("other")),
        changed(&event, "/stageTimestamp", json!("2026-11-27T08:00:00Z")),
    ];
    let read = kubernetes::read(lines(&none).as_bytes(), |_| (), &alice(), since()).unwrap();
    assert!(read.pods.is_empty(), "{:?}", read.pods);
    assert_eq!((read.counts.entries, read.counts.broken), (7, 0));
}

#[test]
fn broken_entries_and_a_log_of_another_cluster_are_reported_and_not_fatal() {
    let pods = format!(
        "{}not json\n{{\"kind\":\"Pod\"}}\n{}",
        event(1, NAME),
        event(2, NAME)
    );
    let google = lines(&[action(3, "data_access", "storage.objects.get", &by_alice())]);
    let answer = answered(&pods, &google);
    // The first line is whole, and then not an event.
    assert_eq!(answer.status, ExitStatus::Incomplete);
    assert!(
        answer
            .text
            .contains("2 entries of the Kubernetes log that cannot be read, the first is entry 1"),
        "{}",
        answer.text
    );
    let cut = answered(&format!("[{}, {{", event(1, NAME)), &google);
    let part = "everything of the Kubernetes log after entry 1";
    assert!(cut.text.contains(part), "{}", cut.text);
    assert_eq!(cut.status, ExitStatus::Incomplete);
    let other = changed(&event(1, NAME), "/annotations", json!({}));
    let answer = answered(&lines(&[other]), &google);
    assert!(
        answer.text.contains("it is of another cluster or time"),
        "{}",
        answer.text
    );
    assert_eq!(answer.status, ExitStatus::Incomplete);
}

#[test]
fn without_the_identity_nobody_knows_what_a_pinned_account_did() {
    let pinned = json!({"principalEmail": "alice-ml@acme.iam.gserviceaccount.com"});
    let google = lines(&[action(3, "data_access", "storage.objects.get", &pinned)]);
    let answered = |account: &Account, unknown: Option<&str>| {
        let kubernetes = lines(&[event(1, NAME)]);
        let kubernetes = kubernetes::read(kubernetes.as_bytes(), |_| (), account, since());
        let google = google::read(google.as_bytes(), |_| (), account, since());
        let logs = Logs {
            kubernetes: Some(kubernetes.unwrap()),
            google: Some(google.unwrap()),
        };
        answer(account, &logs, since(), unknown)
    };
    let by_name = Account::parse(NAME).unwrap();
    let unknown = answered(&by_name, Some("no kubeconfig"));
    assert_eq!(unknown.status, ExitStatus::Incomplete);
    let part = "NOT SEEN which Google account it is: no kubeconfig; give its e-mail address";
    assert!(unknown.text.contains(part), "{}", unknown.text);
    // In mode direct it has none, and the cluster says so.
    assert_eq!(answered(&by_name, None).status, ExitStatus::Fine);
    assert_eq!(answered(&alice(), Some("x")).status, ExitStatus::Fine);
}

#[test]
fn what_is_not_enabled_and_what_happened_before_the_first_pod_is_named() {
    let pods = lines(&[event(30, NAME)]);
    let google = lines(&[action(3, "activity", "SetIamPolicy", &by_alice())]);
    let answer = answered(&pods, &google);
    assert!(
        answer
            .text
            .contains("Data Access audit logs are off unless"),
        "{}",
        answer.text
    );
    assert!(
        answer.text.contains("which pods did 1 of the actions"),
        "{}",
        answer.text
    );
    assert_eq!(answer.status, ExitStatus::Incomplete);
}

#[test]
fn somebody_else_who_acts_as_the_account_is_found() {
    let mut who = by_alice();
    who["serviceAccountDelegationInfo"] =
        json!([{"principalSubject": "user:mallory@acme.com\u{1b}"}]);
    let google = lines(&[action(3, "data_access", "storage.objects.get", &who)]);
    let answer = answered(&lines(&[event(1, NAME)]), &google);
    assert_eq!(answer.status, ExitStatus::Found);
    assert!(
        answer
            .text
            .contains("FOUND user:mallory@acme.com\\u{1b} acted as the account"),
        "{}",
        answer.text
    );
    let mut google_itself = by_alice();
    google_itself["serviceAccountDelegationInfo"] = json!([{"firstPartyPrincipal": {"principalEmail": "service-1@container-engine.system.gserviceaccount.com"}}]);
    let google = lines(&[action(
        3,
        "data_access",
        "storage.objects.get",
        &google_itself,
    )]);
    assert_eq!(
        answered(&lines(&[event(1, NAME)]), &google).status,
        ExitStatus::Fine
    );
}
