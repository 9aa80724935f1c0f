//! `x-goog-user-project`: a call is counted for a project only if its caller is allowed to use that project.

use axum::body::Body;
use http::Request;
use serde_json::json;

use crate::support::{Answer, Client, World};

async fn get(client: &Client, uri: &str, project: &str) -> Answer {
    let request = Request::get(uri).header("x-goog-user-project", project);
    client.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_caller_must_be_allowed_to_use_the_project_that_a_call_is_counted_for() {
    let world = World::new();
    let alice = world.user("alice@acme.com");
    let uri = "/v1/projects/acme";
    let grant = |role: &str| json!({"role": role, "members": ["user:alice@acme.com"]});
    world.add_to_project(grant("roles/browser")).await;
    alice.get(uri).await.ok();
    for project in ["acme", "acme-identities", "nowhere"] {
        let refused = get(&alice, uri, project).await.refused(403);
        assert!(
            refused
                .message()
                .contains("serviceusage.serviceUsageConsumer")
        );
        let details = refused.body["error"]["details"].as_array().unwrap().clone();
        let info = details
            .iter()
            .find(|detail| detail["reason"] == "USER_PROJECT_DENIED");
        assert_eq!(
            info.unwrap()["metadata"]["consumer"],
            format!("projects/{project}")
        );
    }
    let object = "/storage/v1/b/acme-mf/o/x";
    for uri in [object.to_owned(), format!("{object}?userProject=acme")] {
        let refused = get(&alice, &uri, "acme").await;
        let words = "does not have serviceusage.services.use access to the Google Cloud project";
        assert!(refused.message().contains(words), "{}", refused.body);
    }
    let consumer = grant("roles/serviceusage.serviceUsageConsumer");
    world.add_to_project(consumer).await;
    get(&alice, uri, "acme").await.ok();
    get(&alice, uri, "acme-identities").await.refused(403);
}
