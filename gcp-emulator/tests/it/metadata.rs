//! The metadata server, with the requests of google-auth.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use jiff::Timestamp;
use namesake_gcp_emulator::Emulator;
use namesake_gcp_emulator::metadata::{
    self, Identity, InstanceInfo, Pod, PodAccount, SourceError, TokenSource, Workstation,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{ALICE, CLUSTER, GSAS, Issuer, POOL, World};

const GSA: &str = "iam.gke.io/gcp-service-account";
const ACCOUNT: &str = "/computeMetadata/v1/instance/service-accounts/default";

#[derive(Clone, Default)]
struct Cluster {
    annotations: Arc<Mutex<BTreeMap<String, String>>>,
    tokens: Arc<AtomicUsize>,
}

impl TokenSource for Cluster {
    async fn account(&self) -> Result<PodAccount, SourceError> {
        Ok(PodAccount {
            namespace: ALICE.namespace.to_owned(),
            name: ALICE.name.to_owned(),
            annotations: self.annotations.lock().unwrap().clone(),
        })
    }

    async fn token(&self, audience: &str) -> Result<SecretString, SourceError> {
        assert_eq!(audience, POOL);
        self.tokens.fetch_add(1, Ordering::Relaxed);
        Ok(Issuer::new().token(&ALICE, Timestamp::now()).into())
    }
}

fn info() -> InstanceInfo {
    InstanceInfo {
        project_id: "acme".to_owned(),
        project_number: 123_456_789_012,
        cluster_name: "ml".to_owned(),
        cluster_location: "us-central1".to_owned(),
        zone: "us-central1-a".to_owned(),
        hostname: "t-1".to_owned(),
    }
}

/// A world and the metadata server of one pod in it.
struct Running {
    world: World,
    cluster: Cluster,
    router: Router,
    emulator: Emulator,
}

async fn running() -> Running {
    let (world, emulator) = World::listening().await;
    let cluster = Cluster::default();
    let pod = Pod::new(
        &emulator.base_url,
        POOL,
        123_456_789_012,
        CLUSTER,
        cluster.clone(),
    );
    Running {
        world,
        router: metadata::router(info(), Arc::new(pod) as Arc<dyn Identity>),
        cluster,
        emulator,
    }
}

impl Running {
    /// Sets an annotation of the pod's KSA.
    fn annotate(&self, key: &str, value: &str) {
        let annotation = (key.to_owned(), value.to_owned());
        let mut annotations = self.cluster.annotations.lock().unwrap();
        annotations.extend([annotation]);
    }

    async fn get(&self, uri: &str) -> (u16, String) {
        get(&self.router, uri).await
    }
}

async fn get(router: &Router, uri: &str) -> (u16, String) {
    let request = Request::get(uri)
        .header("Metadata-Flavor", "Google")
        .body(Body::empty())
        .unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["metadata-flavor"], "Google", "{uri}");
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn an_annotated_ksa_has_the_identity_of_its_gsa() {
    let running = running().await;
    let email = running.world.account("mf-alice-1").await;
    running
        .world
        .bind(&email, "roles/iam.workloadIdentityUser", &ALICE.member())
        .await;
    running.annotate(GSA, &email);
    assert_eq!(
        running.get(&format!("{ACCOUNT}/email")).await,
        (200, email.clone())
    );
    let (_, about) = running.get(&format!("{ACCOUNT}/?recursive=true")).await;
    let about: Value = serde_json::from_str(&about).unwrap();
    assert_eq!(
        (&about["email"], &about["aliases"]),
        (&json!(email), &json!(["default"]))
    );
    let by_email = ACCOUNT.replace("default", &email);
    let scopes = "scopes=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fdevstorage.read_only";
    for uri in [
        format!("{ACCOUNT}/token?{scopes}"),
        format!("{by_email}/token?{scopes}"),
    ] {
        let (status, token) = running.get(&uri).await;
        assert_eq!(status, 200, "{token}");
        let token: Value = serde_json::from_str(&token).unwrap();
        let secret = token["access_token"].as_str().unwrap();
        let info = running.world.token_info(secret).await;
        assert_eq!(info["email"], email);
        assert_eq!(
            info["scope"],
            "https://www.googleapis.com/auth/devstorage.read_only"
        );
        assert!(token["expires_in"].as_u64().unwrap() > 3_500);
    }
    assert_eq!(
        running.cluster.tokens.load(Ordering::Relaxed),
        1,
        "the second token is the cached one"
    );
}

#[tokio::test]
async fn an_error_of_iam_is_passed_on_and_not_cached() {
    let running = running().await;
    let email = running.world.account("mf-alice-1").await;
    running.annotate(GSA, "gone@acme-identities.iam.gserviceaccount.com");
    let (status, text) = running.get(&format!("{ACCOUNT}/token")).await;
    assert_eq!(status, 404);
    assert_eq!(
        text.trim(),
        "Unable to generate access token; IAM returned 404 Not Found: Not found; Gaia id not found for email \
         gone@acme-identities.iam.gserviceaccount.com"
    );
    running.annotate(GSA, &email);
    let (status, text) = running.get(&format!("{ACCOUNT}/token")).await;
    assert_eq!(status, 403);
    assert!(text.contains(
        "IAM returned 403 Forbidden: Permission 'iam.serviceAccounts.getAccessToken' denied"
    ));
    running
        .world
        .bind(&email, "roles/iam.workloadIdentityUser", &ALICE.member())
        .await;
    assert_eq!(running.get(&format!("{ACCOUNT}/token")).await.0, 200);
    running
        .world
        .delete(&format!("/emulator/v1/pools/{POOL}"))
        .await;
    let (status, text) = running.get(&format!("{ACCOUNT}/token?scopes=other")).await;
    assert_eq!(status, 500);
    assert!(
        text.contains("STS returned 400 Bad Request: invalid_target"),
        "{text}"
    );
    running.world.delete(&format!("{GSAS}/{email}")).await;
}

#[tokio::test]
async fn an_unlinked_ksa_has_the_identity_of_its_principal() {
    let running = running().await;
    assert_eq!(running.get(&format!("{ACCOUNT}/email")).await.1, POOL);
    let principal = format!(
        "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/{POOL}/subject/ns/\
         research/sa/mf-alice"
    );
    running.annotate("iam.gke.io/return-principal-id-as-email", "true");
    assert_eq!(running.get(&format!("{ACCOUNT}/email")).await.1, principal);
    let (_, token) = running.get(&format!("{ACCOUNT}/token")).await;
    let token: Value = serde_json::from_str(&token).unwrap();
    assert!(
        token["access_token"]
            .as_str()
            .unwrap()
            .starts_with("ya29.d.")
    );
}

#[tokio::test]
async fn project_and_cluster_are_at_the_paths_that_libraries_use() {
    let running = running().await;
    for (path, text) in [
        ("/", "computeMetadata/\n"),
        ("/computeMetadata/v1/project/project-id", "acme"),
        (
            "/computeMetadata/v1/project/numeric-project-id",
            "123456789012",
        ),
        (
            "/computeMetadata/v1/universe/universe-domain",
            "googleapis.com",
        ),
        (
            "/computeMetadata/v1/instance/zone",
            "projects/123456789012/zones/us-central1-a",
        ),
        ("/computeMetadata/v1/instance/attributes/cluster-name", "ml"),
        (
            "/computeMetadata/v1/instance/attributes/cluster-location",
            "us-central1",
        ),
    ] {
        assert_eq!(running.get(path).await, (200, text.to_owned()), "{path}");
    }
    for path in [
        format!("{ACCOUNT}/identity?audience=x"),
        ACCOUNT.replace("default", "other@x.iam.gserviceaccount.com"),
        "/computeMetadata/v1/nothing".to_owned(),
    ] {
        assert_eq!(running.get(&path).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn requests_without_the_header_are_refused() {
    let running = running().await;
    for request in [
        Request::get(format!("{ACCOUNT}/token")),
        Request::get(format!("{ACCOUNT}/token"))
            .header("Metadata-Flavor", "Google")
            .header("X-Forwarded-For", "1.2.3.4"),
    ] {
        let request = request.body(Body::empty()).unwrap();
        let response = running.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), 403);
        assert_eq!(response.headers()["metadata-flavor"], "Google");
    }
    assert_eq!(running.cluster.tokens.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_workstation_has_the_identity_of_its_person() {
    let running = running().await;
    let identity: Arc<dyn Identity> = Arc::new(Workstation::new(
        &running.emulator.base_url,
        "alice@acme.com",
    ));
    let router = metadata::router(info(), identity);
    assert_eq!(
        get(&router, &format!("{ACCOUNT}/email")).await.1,
        "alice@acme.com"
    );
    let (_, token) = get(&router, &format!("{ACCOUNT}/token")).await;
    let token: Value = serde_json::from_str(&token).unwrap();
    let secret = token["access_token"].as_str().unwrap();
    let info = running.world.token_info(secret).await;
    assert_eq!(info["email"], "alice@acme.com");
}

#[tokio::test]
async fn the_root_of_the_instance_redirects_as_googles_library_for_node_expects() {
    let running = running().await;
    let request = Request::get("/computeMetadata/v1/instance")
        .header("Metadata-Flavor", "Google")
        .body(Body::empty())
        .unwrap();
    let moved = running.router.clone().oneshot(request).await.unwrap();
    assert_eq!(moved.status(), 301);
    assert_eq!(moved.headers()["metadata-flavor"], "Google");
    let place = moved.headers()["location"].to_str().unwrap();
    let (status, listing) = running.get(place).await;
    assert_eq!(status, 200);
    assert!(listing.contains("service-accounts/"), "{listing}");
}

#[tokio::test]
async fn id_tokens_are_those_of_the_linked_account() {
    let running = running().await;
    let uri = format!("{ACCOUNT}/identity?audience=https://acme.com&format=full");
    assert_eq!(running.get(&uri).await.0, 404);
    let email = running.world.account("mf-alice-1").await;
    running
        .world
        .bind(&email, "roles/iam.workloadIdentityUser", &ALICE.member())
        .await;
    running.annotate(GSA, &email);
    let (status, token) = running.get(&uri).await;
    assert_eq!(status, 200, "{token}");
    let claims = crate::tokens::signing::claims_of(&running.world, &token).await;
    assert_eq!(
        (&claims["aud"], &claims["email"]),
        (&"https://acme.com".into(), &email.into())
    );
    let without = format!("{ACCOUNT}/identity");
    assert_eq!(running.get(&without).await.0, 400);
}
