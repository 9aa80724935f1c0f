//! The replay of a report of docs/acceptance.md.

use namesake_gcp_emulator::replay::{ReplayError, replay};
use serde_json::{Value, json};

use crate::support::{CLUSTER, GSAS, POOL, SCOPE};

const EMAIL: &str = "test-one@acme-identities.iam.gserviceaccount.com";
const DENIED: &str =
    "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).";

/// A report with this conversation: an account is created, and bound to a KSA, which gets a token of it after a while; then a quota
/// is used up.
fn report() -> Value {
    let owner = |method: &str, path: &str, body: Value| {
        json!({"row": "r", "service": "iam", "caller": "owner", "method": method, "path": path, "body": body,
            "compare": "all", "status": 200})
    };
    let with = |mut exchange: Value, more: Value| {
        for (key, value) in more.as_object().unwrap() {
            exchange[key] = value.clone();
        }
        exchange
    };
    let account = json!({"email": EMAIL, "etag": "MDE=", "name": format!("projects/acme-identities/serviceAccounts/{EMAIL}"),
        "oauth2ClientId": "100000000000000000007", "projectId": "acme-identities", "uniqueId": "100000000000000000007"});
    let exchange = json!({
        "grantType": "urn:ietf:params:oauth:grant-type:token-exchange", "subjectToken": "<subject>", "scope": SCOPE,
        "audience": format!("identitynamespace:{POOL}:{CLUSTER}"),
        "requestedTokenType": "urn:ietf:params:oauth:token-type:access_token",
        "subjectTokenType": "urn:ietf:params:oauth:token-type:jwt",
    });
    let member = format!("serviceAccount:{POOL}[research/alice]");
    let bindings = json!([{"role": "roles/iam.workloadIdentityUser", "members": [member]}]);
    let policy = json!({"policy": {"version": 3, "bindings": bindings}});
    let denied = json!({"error": {"code": 403, "message": DENIED, "status": "PERMISSION_DENIED",
        "errors": [{"domain": "global", "message": DENIED, "reason": "forbidden"}],
        "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "IAM_PERMISSION_DENIED",
            "domain": "iam.googleapis.com", "metadata": {"permission": "iam.serviceAccounts.getAccessToken"}}]}});
    let generate = format!("/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken");
    let effect = with(
        owner("POST", &generate, json!({"scope": [SCOPE]})),
        json!({"caller": "ksa:alice", "before": [{"status": 403, "answer": denied}],
            "answer": {"accessToken": "<token ya29.c. 4>", "expireTime": "2026-11-22T12:00:00Z"}}),
    );
    let quota = "A quota has been reached for project number 222222222222: Service accounts created per minute per project.";
    let exchanges = json!([
        with(
            owner("POST", GSAS, json!({"accountId": "test-one"})),
            json!({"answer": account})
        ),
        // By the unique id that Google gave it.
        with(
            owner("GET", &format!("{GSAS}/100000000000000000007"), Value::Null),
            json!({"answer": account})
        ),
        with(
            owner("POST", "/v1/token", exchange),
            json!({"caller": "none", "compare": "status", "saves": "ksa:alice",
            "subject": {"namespace": "research", "name": "alice", "uid": "u1", "audience": POOL}})
        ),
        with(
            owner("POST", &format!("{GSAS}/{EMAIL}:setIamPolicy"), policy),
            json!({"compare": "status", "effect": effect})
        ),
        with(
            owner("POST", GSAS, json!({"accountId": "test-two"})),
            json!({"status": 429, "answer": {"error": {
            "code": 429, "message": quota, "status": "RESOURCE_EXHAUSTED",
            "errors": [{"domain": "usageLimits", "message": quota, "reason": "rateLimitExceeded"}],
            "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "60s"}]}}})
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
