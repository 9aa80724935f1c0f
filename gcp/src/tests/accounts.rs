use super::*;
use crate::ServiceAccount;

const EMAIL: &str = "mf-a@acme.iam.gserviceaccount.com";
const MARK: &str = "namesake stack=prod cluster=c ksa=n/mf-a";
const CREATE: &str = "POST /v1/projects/acme/serviceAccounts";
const GET: &str = "GET /v1/projects/acme/serviceAccounts/mf-a@acme.iam.gserviceaccount.com";

fn account(description: &str) -> Value {
    json!({"name": format!("projects/acme/serviceAccounts/{EMAIL}"), "email": EMAIL, "projectId": "acme",
        "uniqueId": "111111111111111111111", "displayName": "alice", "description": description, "etag": "abcdef0123A="})
}

fn unknown() -> Answer {
    error(404, "NOT_FOUND", "Unknown service account")
}

async fn create(gcp: &Gcp) -> Result<ServiceAccount, crate::Error> {
    gcp.create_service_account("acme", "mf-a", "alice", MARK)
        .await
}

#[tokio::test]
async fn an_account_is_created_with_its_mark() {
    let (gcp, google) = google([ok(account(MARK))]).await;
    let created = create(&gcp).await.unwrap();
    assert_eq!(
        (created.email.as_str(), created.unique_id.as_str()),
        (EMAIL, "111111111111111111111")
    );
    assert!(!created.disabled);
    assert_eq!(google.lines(), [CREATE]);
    let seen = google.seen(0);
    let wanted = json!({"accountId": "mf-a", "serviceAccount": {"displayName": "alice", "description": MARK}});
    assert_eq!(seen.body, wanted);
    assert_eq!(seen.bearer.as_deref(), Some("Bearer ours"));
}

#[tokio::test]
async fn an_account_that_existed_before_is_not_taken_for_ours() {
    let (gcp, google) = google([error(
        409,
        "ALREADY_EXISTS",
        "Service account ID already exists.",
    )])
    .await;
    assert_eq!(create(&gcp).await.unwrap_err().kind(), "AlreadyExists");
    assert_eq!(google.lines(), [CREATE]);
}

#[tokio::test]
async fn after_a_lost_answer_the_new_account_is_found_by_its_mark() {
    for lost in [Answer::Cut, error(503, "UNAVAILABLE", "x")] {
        let (gcp, google) = google([lost, ok(account(MARK))]).await;
        assert_eq!(create(&gcp).await.unwrap().description, MARK);
        assert_eq!(google.lines(), [CREATE, GET]);
    }
}

#[tokio::test]
async fn after_a_lost_answer_an_account_with_another_mark_is_a_conflict() {
    let (gcp, _) = google([Answer::Cut, ok(account("somebody else's"))]).await;
    assert_eq!(create(&gcp).await.unwrap_err().kind(), "AlreadyExists");
}

#[tokio::test]
async fn a_creation_that_was_not_applied_is_sent_again() {
    let (gcp, google) =
        google([error(503, "UNAVAILABLE", "x"), unknown(), ok(account(MARK))]).await;
    create(&gcp).await.unwrap();
    assert_eq!(google.lines(), [CREATE, GET, CREATE]);
}

#[tokio::test]
async fn after_a_lost_answer_an_account_that_google_does_not_show_yet_is_waited_for() {
    let exists = error(409, "ALREADY_EXISTS", "Service account ID already exists.");
    let denied = error(
        403,
        "PERMISSION_DENIED",
        "Permission denied (or it may not exist).",
    );
    let again = error(409, "ALREADY_EXISTS", "Service account ID already exists.");
    let (gcp, google) = google([
        Answer::Cut,
        unknown(),
        exists,
        denied,
        again,
        ok(account(MARK)),
    ])
    .await;
    create(&gcp).await.unwrap();
    assert_eq!(google.lines(), [CREATE, GET, CREATE, GET, CREATE, GET]);
}

#[tokio::test]
async fn a_wait_for_the_creation_rate_is_kept_within_the_time_limit_and_reported_beyond_it() {
    let (gcp, google) = google([busy("0.100s"), ok(account(MARK)), busy("60s")]).await;
    create(&gcp).await.unwrap();
    assert_eq!(google.lines(), [CREATE, CREATE]);
    let new = gcp.with_rate_limits(crate::RateLimits::default());
    let error = create(&new).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
    assert_eq!(google.lines().len(), 3);
}

#[tokio::test]
async fn an_unknown_account_is_none_and_a_forbidden_one_an_error() {
    let denied = error(
        403,
        "PERMISSION_DENIED",
        "Permission denied on resource (or it may not exist).",
    );
    let (gcp, _) = google([unknown(), denied]).await;
    assert_eq!(gcp.get_service_account("acme", EMAIL).await, Ok(None));
    let error = gcp.get_service_account("acme", EMAIL).await.unwrap_err();
    assert_eq!(error.kind(), "PermissionDenied");
}

#[tokio::test]
async fn deleting_a_missing_account_succeeds() {
    let (gcp, google) = google([error(503, "UNAVAILABLE", "x"), unknown()]).await;
    gcp.delete_service_account("acme", EMAIL).await.unwrap();
    let line = format!("DELETE /v1/projects/acme/serviceAccounts/{EMAIL}");
    assert_eq!(google.lines(), [line.clone(), line]);
}

#[tokio::test]
async fn all_pages_are_listed() {
    let page = |token: &str| ok(json!({"accounts": [account(MARK)], "nextPageToken": token}));
    let (gcp, google) = google([page("2"), page("")]).await;
    assert_eq!(gcp.list_service_accounts("acme").await.unwrap().len(), 2);
    let lines = google.lines();
    assert!(
        lines[0].contains("pageSize=100") && lines[1].contains("pageToken=2"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn an_account_is_disabled_enabled_and_undeleted_by_its_unique_id() {
    let restored = ok(json!({"restoredAccount": account(MARK)}));
    let (gcp, google) = google([ok(json!({})), ok(json!({})), restored]).await;
    gcp.disable_service_account("acme", EMAIL).await.unwrap();
    gcp.enable_service_account("acme", EMAIL).await.unwrap();
    assert_eq!(
        gcp.undelete_service_account("acme", "111")
            .await
            .unwrap()
            .email,
        EMAIL
    );
    let path = "POST /v1/projects/acme/serviceAccounts";
    assert_eq!(
        google.lines(),
        [
            format!("{path}/{EMAIL}:disable"),
            format!("{path}/{EMAIL}:enable"),
            format!("{path}/111:undelete")
        ]
    );
}

#[tokio::test]
async fn names_that_would_change_the_url_are_never_sent() {
    let (gcp, google) = google([]).await;
    assert!(gcp.get_service_account("acme", "../x").await.is_err());
    assert!(
        gcp.create_service_account("a/b", "x", "", "")
            .await
            .is_err()
    );
    assert_eq!(google.lines(), [""; 0]);
}

fn busy(delay: &str) -> Answer {
    let details =
        json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}]);
    Answer::Json(
        429,
        json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "A quota.", "details": details}}),
    )
}

#[tokio::test]
async fn a_throttled_creation_makes_other_creations_wait_but_not_reads() {
    let (gcp, google) = google([busy("60s"), ok(account(MARK))]).await;
    assert_eq!(create(&gcp).await.unwrap_err().kind(), "Throttled");
    let other = gcp
        .create_service_account("acme", "mf-b", "bob", MARK)
        .await;
    let error = other.unwrap_err();
    assert!(
        error.retry_after() > Some(Duration::from_secs(59)),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("creations of service accounts for acme"),
        "{error}"
    );
    gcp.get_service_account("acme", EMAIL).await.unwrap();
    assert_eq!(google.lines(), [CREATE, GET]);
}

#[tokio::test]
async fn a_request_beyond_our_own_rate_limit_is_not_sent() {
    let (gcp, google) = google([ok(account(MARK)), ok(account(MARK))]).await;
    let slow = gcp.with_rate_limits(crate::RateLimits {
        reads: 1,
        ..crate::RateLimits::default()
    });
    slow.get_service_account("acme", EMAIL).await.unwrap();
    let error = slow.get_service_account("acme", EMAIL).await.unwrap_err();
    assert_eq!(error.kind(), "Queued");
    assert_eq!(google.lines(), [GET]);
    slow.get_service_account("other", EMAIL).await.unwrap();
}

#[tokio::test]
async fn behind_a_fence_nothing_is_changed_and_everything_can_be_read() {
    let (gcp, google) = google([ok(account(MARK))]).await;
    let gcp = gcp.fenced(Arc::new(|| false));
    assert_eq!(create(&gcp).await.unwrap_err().kind(), "Fenced");
    for done in [
        gcp.disable_service_account("acme", EMAIL).await,
        gcp.enable_service_account("acme", EMAIL).await,
        gcp.delete_service_account("acme", EMAIL).await,
    ] {
        assert_eq!(done.unwrap_err().kind(), "Fenced");
    }
    gcp.get_service_account("acme", EMAIL).await.unwrap();
    assert_eq!(google.lines(), [GET]);
}

#[tokio::test]
async fn a_fence_stops_the_write_of_a_policy_after_its_read() {
    let policy = json!({"etag": "ACAB"});
    let (gcp, google) = google([ok(policy)]).await;
    let gcp = gcp.fenced(Arc::new(|| false));
    let resource = crate::Resource::ServiceAccount {
        email: EMAIL.to_owned(),
    };
    let done = gcp
        .modify_policy(&resource, |p| p.add("roles/x", "user:a@acme.com", None))
        .await;
    assert_eq!(done.unwrap_err().kind(), "Fenced");
    assert_eq!(google.lines().len(), 1);
}

#[tokio::test]
async fn after_a_500_it_is_checked_whether_the_request_was_applied() {
    // A creation that was not applied, one that was, and a deletion that was.
    let broken = || error(500, "INTERNAL", "Internal error encountered.");
    let (gcp, google) = google([broken(), unknown(), ok(account(MARK))]).await;
    create(&gcp).await.unwrap();
    assert_eq!(google.lines(), [CREATE, GET, CREATE]);
    let (gcp, google) = self::google([broken(), ok(account(MARK))]).await;
    create(&gcp).await.unwrap();
    assert_eq!(google.lines(), [CREATE, GET]);
    let (gcp, _) = self::google([broken(), unknown()]).await;
    gcp.delete_service_account("acme", EMAIL).await.unwrap();
}

#[tokio::test]
async fn a_permanent_refusal_is_not_retried() {
    for (code, status, reason) in [
        (400, "INVALID_ARGUMENT", "Invalid"),
        (401, "UNAUTHENTICATED", "Unauthenticated"),
        (403, "PERMISSION_DENIED", "PermissionDenied"),
    ] {
        let (gcp, google) = google([error(code, status, "no")]).await;
        assert_eq!(create(&gcp).await.unwrap_err().kind(), reason);
        assert_eq!(google.lines(), [CREATE]);
        let (gcp, google) = self::google([error(code, status, "no")]).await;
        let done = gcp.disable_service_account("acme", EMAIL).await;
        assert_eq!(done.unwrap_err().kind(), reason);
        assert_eq!(google.lines().len(), 1);
    }
}

#[tokio::test]
async fn after_a_lost_answer_an_undelete_is_checked_by_a_read() {
    let not_deleted = error(400, "FAILED_PRECONDITION", "not deleted");
    let (gcp, google) = google([Answer::Cut, not_deleted, ok(account(MARK))]).await;
    let back = gcp.undelete_service_account("acme", "111").await.unwrap();
    assert_eq!(back.email, EMAIL);
    assert_eq!(google.lines().len(), 3);
}

#[tokio::test]
async fn an_error_of_our_own_credentials_is_retried_only_if_it_is_temporary() {
    use google_cloud_auth::credentials::testing;
    let (gcp, google) = google([]).await;
    for (transient, reason) in [(true, "Unavailable"), (false, "Unauthenticated")] {
        let credentials = testing::error_credentials(transient);
        let without = Gcp::connect(gcp.endpoints.clone(), credentials)
            .await
            .unwrap();
        let without = without.within(Duration::from_millis(800));
        let error = create(&without).await.unwrap_err();
        assert_eq!(error.kind(), reason, "{error}");
        assert!(error.to_string().contains("our own credentials"), "{error}");
    }
    assert_eq!(google.lines(), [""; 0]);
}
