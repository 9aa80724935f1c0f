//! What the emulator adds to the object store: preconditions, answers in Google's form, folders in lists.

use axum::Router;
use axum::extract::Request as Incoming;
use axum::response::{IntoResponse, Json, Response};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, World};

const OBJECTS: &str = "/storage/v1/b/acme-mf/o";

/// An object store with one object, `there`, of generation 7 and metageneration 2, which answers as fake-gcs-server does.
async fn store(request: Incoming) -> Response {
    let object = Json(json!({"name": "there", "generation": "7", "metageneration": "2"}));
    let path = request.uri().path();
    let object_name = path.split("/o/").nth(1).unwrap_or_default();
    let exists = object_name.starts_with("there");
    match (request.method(), path.contains("/o/")) {
        (&Method::POST, false) => Json(json!({})).into_response(),
        (&Method::DELETE, _) if exists => Json(Value::Null).into_response(),
        (_, true) if exists => object.into_response(),
        (_, true) => {
            let error = json!({"error": {"code": 404, "message": "Not Found"}});
            (StatusCode::NOT_FOUND, Json(error)).into_response()
        }
        _ => Json(json!({"kind": "storage#objects", "prefixes": ["z/"]})).into_response(),
    }
}

async fn world() -> World {
    World::with_store(Router::new().fallback(store)).await
}

async fn ask(world: &World, method: &str, path: &str) -> Answer {
    world
        .admin
        .request(method, &format!("{OBJECTS}{path}"), Value::Null)
        .await
}

#[tokio::test]
async fn deleting_an_object_answers_without_a_body() {
    let world = world().await;
    for uri in [format!("{OBJECTS}/there"), "/acme-mf/there".to_owned()] {
        let answer = world.admin.delete(&uri).await;
        assert_eq!((answer.status, &answer.body), (204, &json!("")), "{uri}");
    }
}

#[tokio::test]
async fn preconditions_are_checked_for_every_method() {
    let world = world().await;
    for method in ["GET", "PATCH", "DELETE"] {
        for (query, status) in [
            ("ifGenerationMatch=7", 200),
            ("ifGenerationMatch=12345", 412),
            ("ifGenerationMatch=0", 412),
            ("ifMetagenerationMatch=2", 200),
            ("ifMetagenerationMatch=1", 412),
            ("ifGenerationNotMatch=6", 200),
            ("ifGenerationNotMatch=7", 304),
            ("ifMetagenerationNotMatch=2", 304),
            ("ifGenerationMatch=x", 400),
        ] {
            let status = match (method, status) {
                ("DELETE", 200) => 204,
                ("PATCH" | "DELETE", 304) => 412,
                _ => status,
            };
            let answer = ask(&world, method, &format!("/there?{query}")).await;
            assert_eq!(answer.status, status, "{method} {query}: {}", answer.body);
            if status == 412 {
                assert_eq!(
                    answer.body["error"]["errors"][0]["reason"],
                    "conditionNotMet"
                );
            }
        }
    }
}

#[tokio::test]
async fn preconditions_of_a_copy_apply_to_source_and_target() {
    let world = world().await;
    for (query, status) in [
        (
            "there/rewriteTo/b/acme-mf/o/there?ifSourceGenerationMatch=7&ifGenerationMatch=7",
            200,
        ),
        (
            "there/rewriteTo/b/acme-mf/o/there?ifSourceGenerationMatch=8",
            412,
        ),
        ("there/rewriteTo/b/acme-mf/o/there?ifGenerationMatch=0", 412),
        ("there/copyTo/b/acme-mf/o/there?ifGenerationMatch=8", 412),
        ("there/rewriteTo/b/acme-mf/o/new?ifGenerationMatch=7", 412),
    ] {
        let answer = ask(&world, "POST", &format!("/{query}")).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.body);
    }
}

#[tokio::test]
async fn the_error_for_a_missing_object_names_it() {
    let world = world().await;
    for (method, path, object) in [
        ("GET", "/users%2Falice%2Fx", "users/alice/x"),
        ("GET", "/x?ifGenerationMatch=7", "x"),
        ("DELETE", "/x", "x"),
        ("PATCH", "/x", "x"),
        ("POST", "/x/rewriteTo/b/acme-mf/o/there", "x"),
    ] {
        let answer = ask(&world, method, path).await.refused(404);
        assert_eq!(
            answer.message(),
            format!("No such object: acme-mf/{object}")
        );
    }
    let download = ask(&world, "GET", "/x?alt=media").await;
    assert_eq!(download.body, json!("No such object: acme-mf/x"));
}

#[tokio::test]
async fn a_listing_includes_empty_managed_folders_if_requested() {
    let world = world().await;
    for folder in ["users/alice/", "users/bob/deep/"] {
        let uri = "/storage/v1/b/acme-mf/managedFolders";
        world.post(uri, json!({"name": folder})).await;
    }
    for (query, prefixes) in [
        (
            "delimiter=/&includeFoldersAsPrefixes=true",
            json!(["users/", "z/"]),
        ),
        (
            "delimiter=/&includeFoldersAsPrefixes=true&prefix=users/",
            json!(["users/alice/", "users/bob/", "z/"]),
        ),
        ("delimiter=/", json!(["z/"])),
        ("includeFoldersAsPrefixes=true", json!(["z/"])),
    ] {
        let listing = ask(&world, "GET", &format!("?{query}")).await;
        assert_eq!(listing.body["prefixes"], prefixes, "{query}");
    }
}

#[tokio::test]
async fn managed_folders_are_at_most_15_deep() {
    let world = world().await;
    let uri = "/storage/v1/b/acme-mf/managedFolders";
    for (depth, status) in [(15, 200), (16, 400), (17, 400)] {
        let name = json!({"name": "d/".repeat(depth)});
        let answer = world.admin.post(uri, name).await;
        assert_eq!(answer.status, status, "{depth}: {}", answer.body);
    }
}
