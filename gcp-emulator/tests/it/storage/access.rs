//! Permission checks for objects and uploads. The object store of these tests returns the request that it got.

use axum::Router;
use axum::body::Body;
use axum::extract::Request as Incoming;
use axum::response::{IntoResponse, Json, Response};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::support::{Answer, Client, World};

/// Returns the request; an object whose name begins with `absent` does not exist.
async fn echo(request: Incoming) -> Response {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    if parts.uri.path().contains("/o/absent") && parts.method == http::Method::GET {
        return StatusCode::NOT_FOUND.into_response();
    }
    Json(json!({
        "uri": parts.uri.to_string(),
        "host": parts.headers.get("host").map(|host| host.to_str().unwrap()),
        "authorized": parts.headers.contains_key("authorization"),
        "body": String::from_utf8_lossy(&body),
        "items": [],
    }))
    .into_response()
}

struct Store {
    world: World,
    alice: Client,
}

impl Store {
    /// A world in which alice has access to `users/alice/` by the policy of its managed folder, and can read `shared/` by a
    /// condition on the bucket.
    async fn new() -> Self {
        let world = World::with_store(Router::new().fallback(echo)).await;
        let folder = "/storage/v1/b/acme-mf/managedFolders";
        world.post(folder, json!({"name": "users/alice/"})).await;
        let policy = json!({"bindings": [{"role": "roles/storage.objectUser", "members": ["user:alice@acme.com"]}]});
        world
            .put(&format!("{folder}/users%2Falice%2F/iam"), policy)
            .await;
        let expression = "resource.name.startsWith('projects/_/buckets/acme-mf/objects/shared/') || \
                          api.getAttribute('storage.googleapis.com/objectListPrefix', '').startsWith('shared/')";
        let mut policy = world.get("/storage/v1/b/acme-mf/iam").await;
        policy["version"] = json!(3);
        policy["bindings"].as_array_mut().unwrap().push(json!({
            "role": "roles/storage.objectViewer", "members": ["user:alice@acme.com"],
            "condition": {"title": "shared", "expression": expression},
        }));
        world.put("/storage/v1/b/acme-mf/iam", policy).await;
        let alice = world.user("alice@acme.com");
        Self { world, alice }
    }

    async fn alice(&self, method: &str, uri: &str) -> Answer {
        self.alice.request(method, uri, Value::Null).await
    }

    async fn upload(&self, uri: &str, kind: &str, body: &str) -> Answer {
        let request = Request::post(uri)
            .header("content-type", kind)
            .header("host", "127.0.0.1:1234");
        self.alice
            .send(request.body(Body::from(body.to_owned())).unwrap())
            .await
    }
}

#[tokio::test]
async fn a_grant_on_a_folder_applies_to_that_folder_only() {
    let store = Store::new().await;
    let b = "/storage/v1/b/acme-mf/o";
    for (method, uri, status) in [
        ("GET", format!("{b}/users%2Falice%2Fx?alt=media"), 200),
        ("GET", format!("{b}/users%2Fbob%2Fx?alt=media"), 403),
        ("GET", format!("{b}/users%2Falice"), 403),
        ("GET", format!("{b}/users%2Falice2%2Fx"), 403),
        ("GET", format!("{b}/shared%2Fx"), 200),
        ("DELETE", format!("{b}/shared%2Fx"), 403),
        ("DELETE", format!("{b}/users%2Falice%2Fx"), 204),
        ("PATCH", format!("{b}/users%2Falice%2Fx"), 200),
        ("GET", format!("{b}?prefix=users/alice/"), 200),
        ("GET", format!("{b}?prefix=users/"), 403),
        ("GET", b.to_owned(), 403),
        ("GET", format!("{b}?prefix=shared/deep/"), 200),
        (
            "GET",
            "/download/storage/v1/b/acme-mf/o/users%2Fbob%2Fx?alt=media".to_owned(),
            403,
        ),
        ("GET", "/acme-mf/users/bob/x".to_owned(), 403),
        ("GET", "/acme-mf/users/alice/x".to_owned(), 200),
        ("GET", format!("{b}/users/alice/x"), 501),
        ("GET", "/storage/v1/b/none/o/x".to_owned(), 404),
        (
            "POST",
            format!("{b}/users%2Falice%2Fx/rewriteTo/b/acme-mf/o/users%2Falice%2Fy"),
            200,
        ),
        (
            "POST",
            format!("{b}/users%2Fbob%2Fx/rewriteTo/b/acme-mf/o/users%2Falice%2Fy"),
            403,
        ),
        (
            "POST",
            format!("{b}/users%2Falice%2Fx/copyTo/b/acme-mf/o/users%2Fbob%2Fy"),
            403,
        ),
        ("POST", "/batch/storage/v1".to_owned(), 501),
    ] {
        let answer = store.alice(method, &uri).await;
        assert_eq!(answer.status, status, "{method} {uri}: {}", answer.body);
    }
}

#[tokio::test]
async fn errors_have_the_form_of_storage() {
    let store = Store::new().await;
    let refused = store
        .alice("GET", "/storage/v1/b/acme-mf/o/users%2Fbob%2Fx")
        .await;
    let words = "alice@acme.com does not have storage.objects.get access to the Google Cloud Storage object. Permission \
                 'storage.objects.get' denied on resource (or it may not exist).";
    assert_eq!(refused.message(), words);
    assert_eq!(refused.body["error"]["errors"][0]["reason"], "forbidden");
    assert!(refused.body["error"].get("status").is_none());
    let download = store
        .alice("GET", "/storage/v1/b/acme-mf/o/users%2Fbob%2Fx?alt=media")
        .await;
    assert_eq!(download.body, json!(words));
    let nobody = store
        .world
        .anonymous
        .get("/storage/v1/b/acme-mf/o/x")
        .await
        .refused(401);
    assert!(
        nobody
            .message()
            .starts_with("Anonymous caller does not have storage.objects.get access")
    );
}

#[tokio::test]
async fn the_object_store_gets_the_host_header_but_not_the_token() {
    let store = Store::new().await;
    let uri = "/storage/v1/b/acme-mf/o/users%2Falice%2Fx?alt=media";
    let request = Request::get(uri).header("host", "127.0.0.1:1234");
    let answer = store.alice.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.body["uri"], uri);
    assert_eq!(answer.body["host"], "127.0.0.1:1234");
    assert_eq!(answer.body["authorized"], false);
    let elsewhere = Request::get("/acme-mf/users/alice/x").header("host", "victim.127.0.0.1:1234");
    store
        .alice
        .send(elsewhere.body(Body::empty()).unwrap())
        .await
        .refused(400);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
async fn an_upload_is_checked_wherever_its_name_is() {
    let store = Store::new().await;
    let base = "/upload/storage/v1/b/acme-mf/o";
    let part = |name: &str| {
        format!(
            "--x\r\ncontent-type: application/json\r\n\r\n{{\"name\": \"{name}\"}}\r\n--x\r\n\r\ndata\r\n--x--"
        )
    };
    let multipart = "multipart/related; boundary=\"x\"";
    let json = "application/json";
    for (query, kind, body, status) in [
        (
            "uploadType=media&name=users/alice/x",
            "text/plain",
            "data".to_owned(),
            200,
        ),
        (
            "uploadType=media&name=users/bob/x",
            "text/plain",
            "data".to_owned(),
            403,
        ),
        ("uploadType=media", "text/plain", "data".to_owned(), 400),
        (
            "uploadType=media&name=users/alice/x&name=users/bob/x",
            "text/plain",
            String::new(),
            400,
        ),
        (
            "uploadType=multipart",
            multipart,
            part("users/alice/x"),
            200,
        ),
        ("uploadType=multipart", multipart, part("users/bob/x"), 403),
        (
            "uploadType=multipart&name=users/alice/x",
            multipart,
            part("users/bob/x"),
            400,
        ),
        (
            "uploadType=multipart",
            multipart,
            "--x\r\nnothing".to_owned(),
            400,
        ),
        (
            "uploadType=resumable",
            json,
            "{\"name\": \"users/alice/x\"}".to_owned(),
            200,
        ),
        (
            "uploadType=resumable",
            json,
            "{\"name\": \"users/bob/x\"}".to_owned(),
            403,
        ),
        (
            "uploadType=resumable",
            json,
            "{\"Name\": \"users/bob/x\", \"name\": \"users/alice/x\"}".to_owned(),
            400,
        ),
        (
            "uploadType=resumable&name=users/alice/x",
            json,
            "{\"bucket\": \"other\"}".to_owned(),
            400,
        ),
        (
            "uploadType=resumable&upload_id=1",
            json,
            "{\"name\": \"users/bob/x\"}".to_owned(),
            501,
        ),
        (
            "uploadType=other&name=users/alice/x",
            "text/plain",
            String::new(),
            400,
        ),
    ] {
        let answer = store.upload(&format!("{base}?{query}"), kind, &body).await;
        assert_eq!(answer.status, status, "{query} {body}: {}", answer.body);
        if status == 200 {
            let sent = answer.body["uri"].as_str().unwrap();
            assert!(sent.contains("name=users%2Falice%2Fx"), "{sent}");
        }
    }
    let whole = part("users/alice/x");
    let answer = store
        .upload(&format!("{base}?uploadType=multipart"), multipart, &whole)
        .await;
    assert_eq!(
        answer.body["body"], whole,
        "the body arrives as it was sent"
    );
}

#[tokio::test]
async fn compose_needs_permission_to_read_its_sources() {
    let store = Store::new().await;
    let uri = "/storage/v1/b/acme-mf/o/users%2Falice%2Fall/compose";
    let body =
        |source: &str| json!({"sourceObjects": [{"name": "users/alice/x"}, {"name": source}]});
    store.alice.post(uri, body("shared/y")).await.ok();
    store
        .alice
        .post(uri, body("users/bob/y"))
        .await
        .refused(403);
    let hidden = json!({"SourceObjects": [{"name": "users/bob/y"}]});
    store.alice.post(uri, hidden).await.refused(400);
}

#[tokio::test]
async fn replacing_an_object_needs_permission_to_delete_it() {
    let store = Store::new().await;
    let policy = json!({"bindings": [{"role": "roles/storage.objectCreator", "members": ["user:alice@acme.com"]}]});
    store.world.put("/storage/v1/b/acme-mf/iam", policy).await;
    let new = store
        .upload(
            "/upload/storage/v1/b/acme-mf/o?uploadType=media&name=absent",
            "text/plain",
            "x",
        )
        .await;
    assert_eq!(new.status, 200, "{}", new.body);
    let old = store
        .upload(
            "/upload/storage/v1/b/acme-mf/o?uploadType=media&name=present",
            "text/plain",
            "x",
        )
        .await;
    assert!(
        old.message().contains("storage.objects.delete"),
        "{}",
        old.message()
    );
}

#[tokio::test]
async fn the_scopes_of_a_token_are_checked() {
    let store = Store::new().await;
    let read_only = json!({"email": "alice@acme.com", "scopes": ["https://www.googleapis.com/auth/devstorage.read_only"]});
    let answer = store
        .world
        .anonymous
        .post("/emulator/v1/userTokens", read_only)
        .await;
    let token = answer.body["accessToken"].as_str().unwrap();
    let object = "/storage/v1/b/acme-mf/o/users%2Falice%2Fx";
    store.world.bearer(token).get(object).await.ok();
    let refused = store.world.bearer(token).delete(object).await;
    assert_eq!(
        refused.message(),
        "Request had insufficient authentication scopes."
    );
}
