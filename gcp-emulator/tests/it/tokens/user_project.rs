//! `x-goog-user-project`: calls are counted for a project only with leave to use it.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::support::{Answer, World};

async fn ask(world: &World, token: &str, uri: &str, project: &str) -> Answer {
    let request = Request::get(uri)
        .header("authorization", format!("Bearer {token}"))
        .header("x-goog-user-project", project);
    world.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_project_for_the_quota_must_be_one_that_the_caller_may_use() {
    let world = World::new();
    let alice = world.state.user_token("alice@acme.com");
    let uri = "/v1/projects/acme";
    let grant = |role: &str| json!({"role": role, "members": ["user:alice@acme.com"]});
    let mut policy = world
        .must("POST", "/v1/projects/acme:getIamPolicy", Value::Null)
        .await;
    let bindings = policy["bindings"].as_array_mut().unwrap();
    bindings.push(grant("roles/browser"));
    let with_browser = json!({"policy": policy});
    world
        .must("POST", "/v1/projects/acme:setIamPolicy", with_browser)
        .await;
    let mut policy = world
        .must("POST", "/v1/projects/acme:getIamPolicy", Value::Null)
        .await;
    assert_eq!(world.ask(&alice, "GET", uri, Value::Null).await.status, 200);
    for project in ["acme", "acme-identities", "nowhere"] {
        let refused = ask(&world, &alice, uri, project).await;
        assert_eq!(refused.status, 403, "{project}");
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
        let refused = ask(&world, &alice, &uri, "acme").await;
        let words = "does not have serviceusage.services.use access to the Google Cloud project";
        assert!(refused.message().contains(words), "{}", refused.body);
    }
    let bindings = policy["bindings"].as_array_mut().unwrap();
    bindings.push(grant("roles/serviceusage.serviceUsageConsumer"));
    let with_use = json!({"policy": policy});
    world
        .must("POST", "/v1/projects/acme:setIamPolicy", with_use)
        .await;
    assert_eq!(ask(&world, &alice, uri, "acme").await.status, 200);
    assert_eq!(
        ask(&world, &alice, uri, "acme-identities").await.status,
        403
    );
}
