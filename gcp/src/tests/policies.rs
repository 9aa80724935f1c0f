use super::*;
use crate::{Error, Policy, Resource};

const ROLE: &str = "roles/iam.workloadIdentityUser";
const KSA: &str = "serviceAccount:acme.svc.id.goog[research/mf-a]";
const ACCOUNT: &str = "/v1/projects/acme/serviceAccounts/mf-a@acme.iam.gserviceaccount.com";

fn account() -> Resource {
    Resource::ServiceAccount {
        email: "mf-a@acme.iam.gserviceaccount.com".to_owned(),
    }
}

fn folder() -> Resource {
    Resource::ManagedFolder {
        bucket: "acme-mf".to_owned(),
        folder: "users/a/".to_owned(),
    }
}

fn bind(policy: &mut Policy) {
    policy.add(ROLE, KSA, None);
}

fn bound(etag: &str) -> Value {
    json!({"version": 1, "etag": etag, "bindings": [{"role": ROLE, "members": [KSA]}]})
}

fn stale() -> Answer {
    error(409, "ABORTED", "There were concurrent policy changes.")
}

#[tokio::test]
async fn a_policy_is_read_with_version_3_and_written_with_its_etag() {
    let (gcp, google) = google([ok(json!({"etag": "ACAB"})), ok(bound("BwXo"))]).await;
    let policy = gcp.modify_policy(&account(), bind).await.unwrap();
    assert!(policy.has(ROLE, KSA, None));
    let get = format!("POST {ACCOUNT}:getIamPolicy?options.requestedPolicyVersion=3");
    assert_eq!(
        google.lines(),
        [get, format!("POST {ACCOUNT}:setIamPolicy")]
    );
    let wanted =
        json!({"version": 3, "etag": "ACAB", "bindings": [{"role": ROLE, "members": [KSA]}]});
    assert_eq!(google.seen(1).body, json!({"policy": wanted}));
}

#[tokio::test]
async fn nothing_is_written_when_nothing_changes() {
    let (gcp, google) = google([ok(bound("BwXo"))]).await;
    gcp.modify_policy(&account(), bind).await.unwrap();
    assert_eq!(google.lines().len(), 1);
}

#[tokio::test]
async fn a_stale_etag_never_overwrites() {
    let other =
        json!({"etag": "BwXp", "bindings": [{"role": ROLE, "members": ["user:x@acme.com"]}]});
    let (gcp, google) = google([
        ok(json!({"etag": "ACAB"})),
        stale(),
        ok(other),
        ok(bound("BwXq")),
    ])
    .await;
    gcp.modify_policy(&account(), bind).await.unwrap();
    assert_eq!(google.seen(3).body["policy"]["etag"], "BwXp");
    let members = &google.seen(3).body["policy"]["bindings"][0]["members"];
    assert_eq!(*members, json!(["user:x@acme.com", KSA]));
}

#[tokio::test]
async fn after_a_lost_answer_a_write_is_checked_by_a_read() {
    let (gcp, google) = google([ok(json!({"etag": "ACAB"})), Answer::Cut, ok(bound("BwXo"))]).await;
    gcp.modify_policy(&account(), bind).await.unwrap();
    assert_eq!(google.lines().len(), 3);
}

#[tokio::test]
async fn a_policy_without_an_etag_is_not_overwritten() {
    let (gcp, google) = google([ok(json!({}))]).await;
    let error = gcp.modify_policy(&account(), bind).await.unwrap_err();
    assert!(error.to_string().contains("has no etag"), "{error}");
    assert_eq!(google.lines().len(), 1);
}

#[tokio::test]
async fn a_read_is_retried_while_google_is_unavailable() {
    let (gcp, google) = google([error(503, "UNAVAILABLE", "x"), ok(bound("BwXo"))]).await;
    gcp.policy(&account()).await.unwrap();
    assert_eq!(google.lines().len(), 2);
}

#[tokio::test]
async fn the_policy_of_a_project_keeps_conditions_and_fields_that_are_not_ours() {
    let foreign = json!({"etag": "BwX", "version": 3, "auditConfigs": [{"service": "allServices"}], "novelty": 1,
        "bindings": [{"role": "roles/x", "members": ["user:B@acme.com"], "extra": true,
            "condition": {"title": "t", "expression": "true", "description": "d"}}]});
    let (gcp, google) = google([ok(foreign.clone()), ok(foreign.clone())]).await;
    let project = Resource::Project {
        id: "acme".to_owned(),
    };
    gcp.modify_policy(&project, bind).await.unwrap();
    let path = "POST /v3/projects/acme";
    assert_eq!(
        google.lines(),
        [
            format!("{path}:getIamPolicy"),
            format!("{path}:setIamPolicy")
        ]
    );
    let options = json!({"options": {"requestedPolicyVersion": 3}});
    assert_eq!(google.seen(0).body, options);
    let mut wanted = foreign;
    let ours = json!({"role": ROLE, "members": [KSA]});
    wanted["bindings"].as_array_mut().unwrap().push(ours);
    assert_eq!(google.seen(1).body, json!({"policy": wanted}));
}

#[tokio::test]
async fn a_conditional_binding_of_an_account_survives_the_official_crate() {
    let foreign = json!({"etag": "BwXo", "version": 3, "novelty": 1, "bindings": [{"role": ROLE, "members": ["user:B@acme.com"],
        "bindingId": "7", "condition": {"title": "t", "expression": "true", "description": "d"}}]});
    let (gcp, google) = google([ok(foreign.clone()), ok(bound("BwXp"))]).await;
    gcp.modify_policy(&account(), bind).await.unwrap();
    let sent = google.seen(1).body["policy"].clone();
    assert_eq!(sent["bindings"][0], foreign["bindings"][0]);
    assert_eq!(sent["novelty"], 1);
}

#[tokio::test]
async fn a_managed_folder_is_created_before_its_first_policy() {
    let gone = || Answer::Json(404, json!({"error": {"code": 404, "message": "not there"}}));
    let empty =
        || ok(json!({"kind": "storage#policy", "resourceId": "projects/_/x", "etag": "CAE="}));
    let (gcp, google) = google([gone(), ok(json!({"name": "users/a/"})), empty(), empty()]).await;
    gcp.modify_policy(&folder(), bind).await.unwrap();
    let path = "/storage/v1/b/acme-mf/managedFolders";
    let iam = format!("{path}/users%2Fa%2F/iam");
    assert_eq!(
        google.lines(),
        [
            format!("GET {iam}?optionsRequestedPolicyVersion=3"),
            format!("POST {path}"),
            format!("GET {iam}?optionsRequestedPolicyVersion=3"),
            format!("PUT {iam}"),
        ]
    );
    assert_eq!(google.seen(1).body, json!({"name": "users/a/"}));
    let put = google.seen(3).body;
    assert_eq!(
        (&put["etag"], &put["kind"]),
        (&json!("CAE="), &json!("storage#policy"))
    );
    assert_eq!(google.seen(3).bearer.as_deref(), Some("Bearer ours"));
}

#[tokio::test]
async fn a_412_of_storage_means_a_stale_etag() {
    let unmet = Answer::Json(
        412,
        json!({"error": {"code": 412, "message": "conditionNotMet"}}),
    );
    let policy = || ok(json!({"etag": "CAE="}));
    let (gcp, google) = google([policy(), unmet, policy(), policy()]).await;
    let bucket = Resource::Bucket {
        name: "acme-mf".to_owned(),
    };
    gcp.modify_policy(&bucket, bind).await.unwrap();
    assert_eq!(google.lines().len(), 4);
}

#[tokio::test]
async fn an_unknown_member_or_pool_is_reported_at_once() {
    let unseen = "Service account mf-a@acme.iam.gserviceaccount.com does not exist.";
    let pool = "Identity Pool does not exist (acme.svc.id.goog). Please check.";
    for (message, reason) in [(unseen, "NotYetVisible"), (pool, "PoolMissing")] {
        let refused = error(400, "INVALID_ARGUMENT", message);
        let (gcp, google) = google([ok(json!({"etag": "ACAB"})), refused]).await;
        let error = gcp.modify_policy(&account(), bind).await.unwrap_err();
        assert_eq!(error.kind(), reason);
        assert_eq!(google.lines().len(), 2);
    }
}

#[tokio::test]
async fn endless_conflicts_end_at_the_time_limit() {
    let script = (0..100).flat_map(|_| [ok(json!({"etag": "ACAB"})), stale()]);
    let (gcp, _) = google(script).await;
    let error = gcp
        .within(Duration::from_secs(1))
        .modify_policy(&account(), bind)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Conflict(_)), "{error}");
}

#[tokio::test]
async fn uniform_access_of_a_bucket_is_read() {
    let on = ok(json!({"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": true}}}));
    let (gcp, _) = google([on, ok(json!({}))]).await;
    assert_eq!(gcp.bucket_has_uniform_access("b").await, Ok(true));
    assert_eq!(gcp.bucket_has_uniform_access("b").await, Ok(false));
}

#[tokio::test]
async fn the_number_of_a_project_is_read() {
    let found = ok(json!({"name": "projects/123", "projectId": "acme", "state": "ACTIVE"}));
    let (gcp, google) = google([found, ok(json!({"name": "projects/acme"}))]).await;
    assert_eq!(gcp.project_number("acme").await.as_deref(), Ok("123"));
    assert!(gcp.project_number("acme").await.is_err());
    assert_eq!(google.lines()[0], "GET /v3/projects/acme");
}
