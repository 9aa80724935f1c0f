//! Projects: creating and deleting them, their services, their billing account, and who the caller is.

use serde_json::{Value, json};

use crate::support::World;

/// What the operation that an answer names has returned.
async fn finished(world: &World, operation: &Value) -> Value {
    assert_eq!(operation.get("done"), None, "{operation}");
    let name = operation["name"].as_str().unwrap();
    let done = world.get(&format!("/v1/{name}")).await;
    assert_eq!(done["done"], true);
    done["response"].clone()
}

#[tokio::test]
async fn a_person_creates_a_project_and_owns_it() {
    let world = World::new();
    let wanted = json!({"projectId": "acme-new", "name": "Acme new", "labels": {"stack": "blue"},
        "parent": {"type": "folder", "id": "123"}});
    let operation = world.post("/v1/projects", wanted).await;
    let created = finished(&world, &operation).await;
    let read = world.get("/v1/projects/acme-new").await;
    for key in [
        "projectId",
        "name",
        "labels",
        "parent",
        "projectNumber",
        "lifecycleState",
    ] {
        assert_eq!(created[key], read[key], "{key}");
    }
    assert_eq!(
        (&read["lifecycleState"], &read["name"]),
        (&json!("ACTIVE"), &json!("Acme new"))
    );
    assert_eq!(
        world.get("/v3/projects/acme-new").await["parent"],
        "folders/123"
    );
    world
        .post(
            "/v1/projects/acme-new/serviceAccounts",
            json!({"accountId": "mf-alice-1"}),
        )
        .await;
    let bob = world.user("bob@acme.com");
    bob.get("/v1/projects/acme-new")
        .await
        .refused_as(403, "PERMISSION_DENIED");
    let again = json!({"projectId": "acme-new"});
    world
        .admin
        .post("/v1/projects", again)
        .await
        .refused_as(409, "ALREADY_EXISTS");
    world
        .anonymous
        .post("/v1/projects", json!({"projectId": "acme-two"}))
        .await
        .refused(401);
}

#[tokio::test]
async fn a_project_id_or_name_that_breaks_a_rule_is_refused() {
    let world = World::new();
    for wanted in [
        json!({"projectId": "short"}),
        json!({"projectId": "Upper-case"}),
        json!({"projectId": "ends-with-"}),
        json!({"projectId": "acme-new", "name": "abc"}),
        json!({"projectId": "acme-new", "name": "a name that has more than 30 letters"}),
        json!({"projectId": "acme-new", "display": "x"}),
    ] {
        world
            .admin
            .post("/v1/projects", wanted)
            .await
            .refused_as(400, "INVALID_ARGUMENT");
    }
    world.admin.get("/v1/projects/acme-new").await.refused(403);
}

#[tokio::test]
async fn a_project_is_renamed_and_then_deleted() {
    let world = World::new();
    let uri = "/v1/projects/acme";
    let mut project = world.get(uri).await;
    project["name"] = json!("Acme main");
    project["labels"] = json!({"a": "b"});
    let renamed = world.put(uri, project.clone()).await;
    assert_eq!(renamed, project);
    assert_eq!(world.get(uri).await, project);
    assert_eq!(world.delete(uri).await, json!({}));
    assert_eq!(world.get(uri).await["lifecycleState"], "DELETE_REQUESTED");
    world.admin.put(uri, project).await.refused(403);
    world
        .admin
        .get(&format!("{uri}/serviceAccounts"))
        .await
        .refused(403);
}

#[tokio::test]
async fn services_are_enabled_listed_and_disabled() {
    let world = World::new();
    let uri = "/v1/projects/acme/services";
    let wanted = json!({"serviceIds": ["container.googleapis.com", "sqladmin.googleapis.com"]});
    let operation = world.post(&format!("{uri}:batchEnable"), wanted).await;
    let services = finished(&world, &operation).await["services"].clone();
    assert_eq!(
        services[1]["name"],
        "projects/123456789012/services/sqladmin.googleapis.com"
    );
    let one = format!("{uri}/cloudkms.googleapis.com");
    assert_eq!(world.get(&one).await["state"], "DISABLED");
    let operation = world.post(&format!("{one}:enable"), json!({})).await;
    assert_eq!(
        finished(&world, &operation).await["service"]["state"],
        "ENABLED"
    );

    let mut names = Vec::new();
    let mut token = String::new();
    loop {
        let page = world
            .get(&format!(
                "{uri}?filter=state%3AENABLED&pageSize=4&pageToken={token}"
            ))
            .await;
        names.extend(
            page["services"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["config"]["name"].clone()),
        );
        match page["nextPageToken"].as_str() {
            Some(next) => next.clone_into(&mut token),
            None => break,
        }
    }
    for name in ["iam", "container", "sqladmin", "cloudkms"] {
        assert!(
            names.contains(&json!(format!("{name}.googleapis.com"))),
            "{name}: {names:?}"
        );
    }
    let body = json!({"disableDependentServices": true});
    let operation = world.post(&format!("{one}:disable"), body).await;
    assert_eq!(
        finished(&world, &operation).await["service"]["state"],
        "DISABLED"
    );
    let names = format!("{uri}:batchGet?names=projects/acme/services/cloudkms.googleapis.com");
    assert_eq!(world.get(&names).await["services"][0]["state"], "DISABLED");
}

#[tokio::test]
async fn services_need_a_permission_and_a_valid_name() {
    let world = World::new();
    let uri = "/v1/projects/acme/services";
    let bob = world.user("bob@acme.com");
    bob.get(uri).await.refused_as(403, "PERMISSION_DENIED");
    let viewer = json!({"role": "roles/viewer", "members": ["user:bob@acme.com"]});
    world.add_to_project(viewer).await;
    bob.get(uri).await.ok();
    let enable = format!("{uri}/container.googleapis.com:enable");
    bob.post(&enable, json!({}))
        .await
        .refused_as(403, "PERMISSION_DENIED");
    let many: Vec<String> = (0..21).map(|n| format!("s{n}.googleapis.com")).collect();
    for ids in [json!([]), json!(many), json!(["storage"])] {
        let body = json!({"serviceIds": ids});
        world
            .admin
            .post(&format!("{uri}:batchEnable"), body)
            .await
            .refused_as(400, "INVALID_ARGUMENT");
    }
}

#[tokio::test]
async fn a_project_has_a_billing_account() {
    let world = World::new();
    let uri = "/v1/projects/acme/billingInfo";
    assert_eq!(world.get(uri).await["billingEnabled"], false);
    let account = "billingAccounts/012345-567890-ABCDEF";
    world.put(uri, json!({"billingAccountName": account})).await;
    let info = world.get(uri).await;
    assert_eq!(
        (&info["billingAccountName"], &info["billingEnabled"]),
        (&json!(account), &json!(true))
    );
    world
        .admin
        .put(uri, json!({"billingAccountName": "x"}))
        .await
        .refused(400);
    world.user("bob@acme.com").get(uri).await.refused(403);
    let test = json!({"permissions": ["billing.resourceAssociations.create"]});
    assert_eq!(
        world
            .post(&format!("/v1/{account}:testIamPermissions"), test.clone())
            .await,
        test
    );
}

#[tokio::test]
async fn userinfo_names_the_caller() {
    let world = World::new();
    assert_eq!(world.get("/v1/userinfo").await["email"], "admin@acme.com");
    world.anonymous.get("/v1/userinfo").await.refused(401);
}
