use std::time::Duration;

use super::*;

fn error(http: u16, body: &str) -> Error {
    Answer::parse(http, body.as_bytes(), None).error("try it")
}

fn envelope(http: u16, status: &str, message: &str) -> Error {
    let body = serde_json::json!({"error": {"code": http, "status": status, "message": message}});
    error(http, &body.to_string())
}

#[test]
fn recorded_answers_map_to_errors() {
    let stale = "There were concurrent policy changes. Please retry the whole read-modify-write.";
    let exists = "Service account ID already exists within project projects/P.";
    let pool = "Identity Pool does not exist (P.svc.id.goog). Please check that you specified a valid resource name.";
    let unseen = "Service account a@p.iam.gserviceaccount.com does not exist.";
    let role = "Role (projects/p/roles/x) does not exist in the resource's hierarchy.";
    let denied =
        "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).";
    for (found, reason) in [
        (
            envelope(404, "NOT_FOUND", "Unknown service account"),
            "NotFound",
        ),
        (envelope(409, "ALREADY_EXISTS", exists), "AlreadyExists"),
        (envelope(409, "ABORTED", stale), "Conflict"),
        (envelope(412, "", "conditionNotMet"), "Conflict"),
        (envelope(400, "INVALID_ARGUMENT", pool), "PoolMissing"),
        (envelope(400, "INVALID_ARGUMENT", unseen), "NotYetVisible"),
        (envelope(400, "INVALID_ARGUMENT", role), "Invalid"),
        (
            envelope(403, "PERMISSION_DENIED", denied),
            "PermissionDenied",
        ),
        (
            envelope(401, "UNAUTHENTICATED", "Request had invalid credentials."),
            "Unauthenticated",
        ),
        (envelope(503, "UNAVAILABLE", "x"), "Unavailable"),
        (error(502, "<html>bad gateway</html>"), "Unavailable"),
        (error(500, ""), "Unavailable"),
        (error(418, ""), "Invalid"),
    ] {
        assert_eq!(found.kind(), reason, "{found}");
    }
}

#[test]
fn a_creation_rate_limit_says_how_long_to_wait() {
    let body = r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"A quota has been reached.","details":[
        {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"60s"}]}}"#;
    let found = error(429, body);
    assert_eq!(found.retry_after(), Some(Duration::from_secs(60)));
    assert_eq!(found.kind(), "Throttled");
}

#[test]
fn a_used_up_count_is_not_a_rate_limit() {
    let body = r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED",
        "message":"Maximum number of service accounts on project reached.",
        "details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"86401s"}]}}"#;
    let found = error(429, body);
    assert_eq!(found.kind(), "QuotaExhausted");
    assert!(!found.is_retryable());
}

#[test]
fn older_apis_report_a_rate_limit_with_403() {
    let body =
        r#"{"error":{"code":403,"message":"slow","errors":[{"reason":"rateLimitExceeded"}]}}"#;
    assert_eq!(error(403, body).kind(), "Throttled");
}

#[test]
fn the_token_exchange_answers_in_oauth_form() {
    let oauth = |code: &str, text: &str| {
        let body = serde_json::json!({"error": code, "error_description": text});
        error(400, &body.to_string())
    };
    let gone = oauth(
        "invalid_target",
        "The target service indicated by the \"audience\" parameters is invalid.",
    );
    assert_eq!(gone.kind(), "PoolMissing");
    let stale = oauth(
        "invalid_grant",
        "ID Token issued at 1713260741 is stale to sign-in.",
    );
    assert_eq!(stale.kind(), "Invalid");
    let busy = r#"{"error":"quota_exceeded","error_description":"The request was throttled."}"#;
    assert_eq!(error(429, busy).kind(), "Throttled");
}

#[test]
fn a_message_names_the_call_googles_answer_and_the_remedy() {
    let text = envelope(404, "NOT_FOUND", "Unknown service account.").to_string();
    assert_eq!(
        text,
        "try it: Unknown service account: check its name and its project"
    );
    let long = envelope(400, "", &"x".repeat(10_000)).to_string();
    assert!(long.len() < 800);
}
