//! Custom roles: creating, changing and deleting them, and the effect on their members.

use serde_json::{Value, json};

use crate::support::World;

const ROLES: &str = "/v1/projects/acme/roles";

fn reader() -> Value {
    json!({"roleId": "reader", "role": {"title": "Reader", "description": "reads", "stage": "GA",
        "includedPermissions": ["resourcemanager.projects.get"]}})
}

#[tokio::test]
async fn a_role_is_created_listed_changed_deleted_and_undeleted() {
    let world = World::new();
    let created = world.post(ROLES, reader()).await;
    assert_eq!(created["name"], "projects/acme/roles/reader");
    assert_eq!(
        created["includedPermissions"],
        json!(["resourcemanager.projects.get"])
    );
    let listed = world.get(ROLES).await;
    assert_eq!(listed["roles"][0]["title"], "Reader");
    assert!(listed["roles"][0].get("includedPermissions").is_none());
    let full = world.get(&format!("{ROLES}?view=FULL")).await;
    assert_eq!(
        full["roles"][0]["includedPermissions"],
        created["includedPermissions"]
    );
    let uri = format!("{ROLES}/reader");
    let change = json!({"title": "R", "description": "not asked for"});
    let changed = world
        .patch(&format!("{uri}?updateMask=title"), change)
        .await;
    assert_eq!(
        (&changed["title"], &changed["description"]),
        (&json!("R"), &json!("reads"))
    );
    assert_ne!(changed["etag"], created["etag"]);
    let stale = json!({"title": "S", "etag": created["etag"]});
    world
        .admin
        .patch(&uri, stale)
        .await
        .refused_as(409, "ABORTED");
    let deleted = world.delete(&uri).await;
    assert_eq!(deleted["deleted"], true);
    assert_eq!(world.get(ROLES).await, json!({}));
    let all = world.get(&format!("{ROLES}?showDeleted=true")).await;
    assert_eq!(all["roles"][0]["deleted"], true);
    world
        .admin
        .post(ROLES, reader())
        .await
        .refused_as(400, "FAILED_PRECONDITION");
    let back = world.post(&format!("{uri}:undelete"), json!({})).await;
    assert!(back.get("deleted").is_none());
    let taken = world
        .admin
        .post(ROLES, reader())
        .await
        .refused_as(409, "ALREADY_EXISTS");
    assert_eq!(
        taken.message(),
        "A role named reader in projects/acme already exists."
    );
}

#[tokio::test]
async fn a_deleted_role_has_no_effect_and_cannot_be_undeleted_after_a_week() {
    let world = World::new();
    world.post(ROLES, reader()).await;
    let binding = json!({"role": "projects/acme/roles/reader", "members": ["user:alice@acme.com"]});
    world.add_to_project(binding).await;
    let alice = world.user("alice@acme.com");
    let status = async || alice.get("/v1/projects/acme").await.status;
    assert_eq!(status().await, 200);
    let uri = format!("{ROLES}/reader");
    world.delete(&uri).await;
    assert_eq!(status().await, 403);
    world.post(&format!("{uri}:undelete"), json!({})).await;
    assert_eq!(status().await, 200);
    let disabled = json!({"stage": "DISABLED"});
    world
        .patch(&format!("{uri}?updateMask=stage"), disabled)
        .await;
    assert_eq!(status().await, 403);
    world.delete(&uri).await;
    world.pass(8 * 86_400);
    world
        .admin
        .post(&format!("{uri}:undelete"), json!({}))
        .await
        .refused(404);
    world.admin.post(ROLES, reader()).await.refused(400);
    world.pass(30 * 86_400);
    world.post(ROLES, reader()).await;
}

#[tokio::test]
async fn invalid_roles_are_refused_and_creating_one_needs_permission() {
    let world = World::new();
    for (id, role) in [
        ("ab", json!({})),
        ("a-dash", json!({})),
        (
            "wild",
            json!({"includedPermissions": ["storage.objects.*"]}),
        ),
        ("short", json!({"includedPermissions": ["storage.get"]})),
        ("stage", json!({"stage": "SOON"})),
        ("title", json!({"title": "x".repeat(101)})),
    ] {
        let body = json!({"roleId": id, "role": role});
        world.admin.post(ROLES, body).await.refused(400);
    }
    let alice = world.user("alice@acme.com");
    let refused = alice.post(ROLES, reader()).await;
    assert!(
        refused.message().contains("iam.roles.create"),
        "{}",
        refused.body
    );
}

#[tokio::test]
async fn testable_permissions_are_listed_in_pages() {
    let world = World::new();
    let uri = "/v1/permissions:queryTestablePermissions";
    let resource = "//cloudresourcemanager.googleapis.com/projects/acme";
    let mut names = Vec::new();
    let mut token = String::new();
    loop {
        let asked = json!({"fullResourceName": resource, "pageSize": 20, "pageToken": token});
        let page = world.post(uri, asked).await;
        let permissions = page["permissions"].as_array().unwrap();
        assert!(permissions.len() <= 20);
        names.extend(
            permissions
                .iter()
                .map(|each| each["name"].as_str().unwrap().to_owned()),
        );
        match page["nextPageToken"].as_str() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    assert!(names.is_sorted() && names.len() > 40, "{names:?}");
    assert!(names.contains(&"storage.managedFolders.create".to_owned()));
    world.admin.post(uri, json!({})).await.refused(400);
}

#[tokio::test]
async fn predefined_roles_are_listed_in_pages() {
    let world = World::new();
    let mut names = Vec::new();
    let mut token = String::new();
    loop {
        let uri = format!("/v1/roles?pageSize=10&pageToken={token}");
        let page = world.get(&uri).await;
        let roles = page["roles"].as_array().unwrap();
        assert!(roles.len() <= 10);
        names.extend(
            roles
                .iter()
                .map(|role| role["name"].as_str().unwrap().to_owned()),
        );
        match page["nextPageToken"].as_str() {
            Some(next) => token = next.replace('/', "%2F"),
            None => break,
        }
    }
    assert!(
        names.len() > 20 && names.contains(&"roles/owner".to_owned()),
        "{names:?}"
    );
    let role = world.get("/v1/roles/iam.roleAdmin").await;
    assert!(
        role["includedPermissions"]
            .to_string()
            .contains("iam.roles.create")
    );
}
