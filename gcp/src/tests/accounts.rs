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
    let made = create(&gcp).await.unwrap();
    assert_eq!(
        (made.email.as_str(), made.unique_id.as_str()),
        (EMAIL, "111111111111111111111")
    );
    assert!(!made.disabled);
    assert_eq!(google.lines(), [CREATE]);
    let seen = google.seen(0);
    let wanted = json!({"accountId": "mf-a", "serviceAccount": {"displayName": "alice", "description": MARK}});
    assert_eq!(seen.body, wanted);
    assert_eq!(seen.bearer.as_deref(), Some("Bearer ours"));
}

#[tokio::test]
async fn an_account_that_was_there_is_never_taken_for_ours() {
    let (gcp, google) = google([error(
        409,
        "ALREADY_EXISTS",
        "Service account ID already exists.",
    )])
    .await;
    assert_eq!(create(&gcp).await.unwrap_err().reason(), "AlreadyExists");
    assert_eq!(google.lines(), [CREATE]);
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_found_by_its_mark() {
    for lost in [Answer::Cut, error(503, "UNAVAILABLE", "x")] {
        let (gcp, google) = google([lost, ok(account(MARK))]).await;
        assert_eq!(create(&gcp).await.unwrap().description, MARK);
        assert_eq!(google.lines(), [CREATE, GET]);
    }
}

#[tokio::test]
async fn a_create_that_met_another_mark_is_a_conflict_even_when_the_answer_was_lost() {
    let (gcp, _) = google([Answer::Cut, ok(account("somebody else's"))]).await;
    assert_eq!(create(&gcp).await.unwrap_err().reason(), "AlreadyExists");
}

#[tokio::test]
async fn a_create_that_was_not_applied_is_sent_again() {
    let (gcp, google) =
        google([error(503, "UNAVAILABLE", "x"), unknown(), ok(account(MARK))]).await;
    create(&gcp).await.unwrap();
    assert_eq!(google.lines(), [CREATE, GET, CREATE]);
}

#[tokio::test]
async fn a_lost_create_that_google_does_not_show_yet_is_waited_for() {
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
async fn a_creation_rate_is_waited_for_within_the_limit_and_reported_beyond_it() {
    let (gcp, google) = google([busy("0.100s"), ok(account(MARK)), busy("60s")]).await;
    create(&gcp).await.unwrap();
    assert_eq!(google.lines(), [CREATE, CREATE]);
    let forgetful = gcp.at(crate::PerMinute::default());
    let error = create(&forgetful).await.unwrap_err();
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
    assert_eq!(error.reason(), "PermissionDenied");
}

#[tokio::test]
async fn a_delete_that_finds_nothing_is_done() {
    let (gcp, google) = google([error(503, "UNAVAILABLE", "x"), unknown()]).await;
    gcp.delete_service_account("acme", EMAIL).await.unwrap();
    let line = format!("DELETE /v1/projects/acme/serviceAccounts/{EMAIL}");
    assert_eq!(google.lines(), [line.clone(), line]);
}

#[tokio::test]
async fn every_page_is_listed() {
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
async fn an_account_goes_off_on_and_comes_back_by_its_unique_id() {
    let back = ok(json!({"restoredAccount": account(MARK)}));
    let (gcp, google) = google([ok(json!({})), ok(json!({})), back]).await;
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
async fn a_creation_that_must_wait_makes_the_other_creations_wait_and_no_read() {
    let (gcp, google) = google([busy("60s"), ok(account(MARK))]).await;
    assert_eq!(create(&gcp).await.unwrap_err().reason(), "Throttled");
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
async fn what_is_over_our_own_rate_is_not_sent() {
    let (gcp, google) = google([ok(account(MARK)), ok(account(MARK))]).await;
    let slow = gcp.at(crate::PerMinute {
        reads: 1,
        ..crate::PerMinute::default()
    });
    slow.get_service_account("acme", EMAIL).await.unwrap();
    let error = slow.get_service_account("acme", EMAIL).await.unwrap_err();
    assert_eq!(error.reason(), "Queued");
    assert_eq!(google.lines(), [GET]);
    slow.get_service_account("other", EMAIL).await.unwrap();
}

#[tokio::test]
async fn behind_a_fence_nothing_is_changed_and_all_can_be_read() {
    let (gcp, google) = google([ok(account(MARK))]).await;
    let gcp = gcp.fenced(Arc::new(|| false));
    assert_eq!(create(&gcp).await.unwrap_err().reason(), "Fenced");
    for done in [
        gcp.disable_service_account("acme", EMAIL).await,
        gcp.enable_service_account("acme", EMAIL).await,
        gcp.delete_service_account("acme", EMAIL).await,
    ] {
        assert_eq!(done.unwrap_err().reason(), "Fenced");
    }
    gcp.get_service_account("acme", EMAIL).await.unwrap();
    assert_eq!(google.lines(), [GET]);
}

#[tokio::test]
async fn a_fence_that_falls_between_read_and_write_stops_the_write() {
    let policy = json!({"etag": "ACAB"});
    let (gcp, google) = google([ok(policy)]).await;
    let gcp = gcp.fenced(Arc::new(|| false));
    let resource = crate::Resource::ServiceAccount {
        email: EMAIL.to_owned(),
    };
    let done = gcp
        .modify_policy(&resource, |p| p.add("roles/x", "user:a@acme.com", None))
        .await;
    assert_eq!(done.unwrap_err().reason(), "Fenced");
    assert_eq!(google.lines().len(), 1);
}

#[tokio::test]
async fn a_500_says_nothing_about_whether_it_was_done() {
    // Not applied, applied, and a delete that was.
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
async fn a_refusal_that_lasts_is_not_tried_again() {
    for (code, status, reason) in [
        (400, "INVALID_ARGUMENT", "Invalid"),
        (401, "UNAUTHENTICATED", "Unauthenticated"),
        (403, "PERMISSION_DENIED", "PermissionDenied"),
    ] {
        let (gcp, google) = google([error(code, status, "no")]).await;
        assert_eq!(create(&gcp).await.unwrap_err().reason(), reason);
        assert_eq!(google.lines(), [CREATE]);
        let (gcp, google) = self::google([error(code, status, "no")]).await;
        let done = gcp.disable_service_account("acme", EMAIL).await;
        assert_eq!(done.unwrap_err().reason(), reason);
        assert_eq!(google.lines().len(), 1);
    }
}

#[tokio::test]
async fn a_lost_undelete_is_settled_by_reading() {
    let not_deleted = error(400, "FAILED_PRECONDITION", "not deleted");
    let (gcp, google) = google([Answer::Cut, not_deleted, ok(account(MARK))]).await;
    let back = gcp.undelete_service_account("acme", "111").await.unwrap();
    assert_eq!(back.email, EMAIL);
    assert_eq!(google.lines().len(), 3);
}

#[tokio::test]
async fn our_own_credentials_away_for_a_moment_are_waited_for_and_for_good_are_named() {
    use google_cloud_auth::credentials::testing;
    let (gcp, google) = google([]).await;
    for (transient, reason) in [(true, "Unavailable"), (false, "Unauthenticated")] {
        let credentials = testing::error_credentials(transient);
        let without = Gcp::connect(gcp.endpoints.clone(), credentials)
            .await
            .unwrap();
        let without = without.within(Duration::from_millis(800));
        let error = create(&without).await.unwrap_err();
        assert_eq!(error.reason(), reason, "{error}");
        assert!(error.to_string().contains("our own credentials"), "{error}");
    }
    assert_eq!(google.lines(), [""; 0]);
}
