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
    let busy = |delay: &str| {
        let details =
            json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}]);
        Answer::Json(
            429,
            json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "A quota.", "details": details}}),
        )
    };
    let (gcp, google) = google([busy("0.100s"), ok(account(MARK)), busy("60s")]).await;
    create(&gcp).await.unwrap();
    assert_eq!(google.lines(), [CREATE, CREATE]);
    let error = create(&gcp).await.unwrap_err();
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
