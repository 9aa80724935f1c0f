//! The replay of a report of docs/acceptance.md.

use namesake_gcp_emulator::replay::{ReplayError, replay};
use serde_json::{Value, json};

use crate::support::{CLUSTER, GSAS, POOL, SCOPE, exchange};

const EMAIL: &str = "test-one@acme-identities.iam.gserviceaccount.com";
const DENIED: &str =
    "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).";
const QUOTA: &str = "A quota has been reached for project number 222222222222: Service accounts created per minute per project.";

/// A request to IAM by the owner, and its answer.
fn owner(method: &str, path: &str, body: &Value, answer: &Value) -> Value {
    json!({"row": "r", "service": "iam", "caller": "owner", "method": method, "path": path, "body": body,
        "compare": "all", "status": 200, "answer": answer})
}

/// An object with other values.
fn with(mut object: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        object[key] = value.clone();
    }
    object
}

/// The body of an error.
fn error(
    code: u16,
    status: &str,
    message: &str,
    domain: &str,
    reason: &str,
    detail: &Value,
) -> Value {
    json!({"error": {"code": code, "message": message, "status": status, "details": [detail],
        "errors": [{"domain": domain, "message": message, "reason": reason}]}})
}

/// A KSA gets a token of an account that it was bound to, after a while.
fn binding() -> Value {
    let detail = json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "IAM_PERMISSION_DENIED",
        "domain": "iam.googleapis.com", "metadata": {"permission": "iam.serviceAccounts.getAccessToken"}});
    let denied = error(
        403,
        "PERMISSION_DENIED",
        DENIED,
        "global",
        "forbidden",
        &detail,
    );
    let generate = format!("/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken");
    let token = json!({"accessToken": "<token ya29.c. 4>", "expireTime": "2026-11-22T12:00:00Z"});
    let effect = with(
        owner("POST", &generate, &json!({"scope": [SCOPE]}), &token),
        &json!({"caller": "ksa:alice", "before": [{"status": 403, "answer": denied}]}),
    );
    let member = format!("serviceAccount:{POOL}[research/alice]");
    let bindings = json!([{"role": "roles/iam.workloadIdentityUser", "members": [member]}]);
    let policy = json!({"policy": {"version": 3, "bindings": bindings}});
    let path = format!("{GSAS}/{EMAIL}:setIamPolicy");
    let write = owner("POST", &path, &policy, &Value::Null);
    with(write, &json!({"compare": "status", "effect": effect}))
}

/// A report with this conversation: an account is created, and bound to a KSA; then a quota is used up.
fn report() -> Value {
    let account = json!({"email": EMAIL, "etag": "MDE=", "name": format!("projects/acme-identities/serviceAccounts/{EMAIL}"),
        "oauth2ClientId": "100000000000000000007", "projectId": "acme-identities", "uniqueId": "100000000000000000007"});
    let retry = json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "60s"});
    let refusal = error(
        429,
        "RESOURCE_EXHAUSTED",
        QUOTA,
        "usageLimits",
        "rateLimitExceeded",
        &retry,
    );
    // By the unique id that Google gave it.
    let get = format!("{GSAS}/100000000000000000007");
    let subject = json!({"namespace": "research", "name": "alice", "uid": "u1", "audience": POOL});
    let saved =
        json!({"caller": "none", "compare": "status", "saves": "ksa:alice", "subject": subject});
    let exchanges = json!([
        owner("POST", GSAS, &json!({"accountId": "test-one"}), &account),
        owner("GET", &get, &Value::Null, &account),
        with(
            owner("POST", "/v1/token", &exchange("<subject>"), &Value::Null),
            &saved
        ),
        binding(),
        with(
            owner("POST", GSAS, &json!({"accountId": "test-two"}), &refusal),
            &json!({"status": 429})
        ),
    ]);
    json!({
        "about": {"format": 1},
        "world": {"project": "acme-identities", "projectNumber": "222222222222", "clusterProject": "acme",
            "clusterProjectNumber": "111111111111", "pool": POOL, "issuer": CLUSTER, "owner": "owner@example.com"},
        "rows": [{"id": "r", "claims": ["a claim"], "facts": [{"name": "f", "value": 1}]}],
        "exchanges": exchanges,
    })
}

/// What differs, one line each.
async fn differences(report: &Value) -> Vec<String> {
    let found = replay(&report.to_string()).await.unwrap();
    found.into_iter().flat_map(|it| it.differences).collect()
}

#[tokio::test]
async fn answers_that_are_the_emulators_own_do_not_differ() {
    assert_eq!(differences(&report()).await, [""; 0]);
}

#[tokio::test]
async fn each_other_answer_differs_at_its_place() {
    for (place, value, wanted) in [
        (
            "/exchanges/0/answer/projectId",
            json!("x"),
            "answer.projectId",
        ),
        (
            "/exchanges/1/status",
            json!(403),
            "status: Google: 403, emulator: 200",
        ),
        (
            "/exchanges/3/effect/before/0/status",
            json!(404),
            "before it is applied: status",
        ),
        (
            "/exchanges/3/effect/answer/accessToken",
            json!("<token ya29.d. 4>"),
            "answer.accessToken",
        ),
        (
            "/exchanges/4/answer/error/details/0/retryDelay",
            json!("7s"),
            "answer.error.details[0].retryDelay",
        ),
    ] {
        let mut report = report();
        *report.pointer_mut(place).unwrap() = value;
        let found = differences(&report).await;
        assert!(
            found.len() == 1 && found[0].starts_with(wanted),
            "{place}: {found:?}"
        );
    }
}

#[tokio::test]
async fn a_fact_that_is_not_as_assumed_is_reported_with_its_row() {
    let mut report = report();
    report["rows"][0]["facts"][0] = json!({"name": "f", "value": 1, "assumed": 2, "agrees": false});
    let found = replay(&report.to_string()).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].row.as_str(), found[0].what.as_str()), ("r", "f"));
    assert_eq!(found[0].claims, ["a claim"]);
    assert_eq!(found[0].differences, ["Google: 1, assumed: 2"]);
}

#[tokio::test]
async fn what_is_no_report_or_of_another_format_is_refused() {
    let mut other = report();
    other["about"]["format"] = json!(2);
    for text in ["{}", "x", &other.to_string()] {
        let error = replay(text).await.unwrap_err();
        assert!(matches!(error, ReplayError::Report(_)), "{error}");
    }
}
