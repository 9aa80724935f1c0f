//! `iam.googleapis.com/modifiedGrantsByRole`: an admin who is allowed to grant certain roles only, as
//! docs/install.md recommends.

use serde_json::{Value, json};

use crate::support::{Client, World};

const PROJECT: &str = "/v1/projects/acme";
const JOB_USER: &str = "roles/bigquery.jobUser";

/// A world in which bob is allowed to change the project's policy, for one role.
async fn world() -> (World, Client) {
    let world = World::new();
    let expression = format!(
        "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly(['{JOB_USER}'])"
    );
    world
        .add_to_project(json!({
            "role": "roles/resourcemanager.projectIamAdmin", "members": ["user:bob@acme.com"],
            "condition": {"title": "Job users only", "expression": expression},
        }))
        .await;
    let bob = world.user("bob@acme.com");
    (world, bob)
}

async fn policy(world: &World) -> Value {
    let version = json!({"options": {"requestedPolicyVersion": 3}});
    world
        .post(&format!("{PROJECT}:getIamPolicy"), version)
        .await
}

/// The status that bob gets when he writes the policy with this change.
async fn write(world: &World, bob: &Client, change: impl FnOnce(&mut Vec<Value>)) -> u16 {
    let mut policy = policy(world).await;
    change(policy["bindings"].as_array_mut().unwrap());
    let uri = format!("{PROJECT}:setIamPolicy");
    let answer = bob.post(&uri, json!({"policy": policy})).await;
    answer.status
}

fn grant(role: &str, member: &str) -> Value {
    json!({"role": role, "members": [member]})
}

#[tokio::test]
async fn only_the_roles_in_the_condition_can_be_granted_and_revoked() {
    let (world, bob) = world().await;
    let alice = "user:alice@acme.com";
    let allowed_role = |bindings: &mut Vec<Value>| bindings.push(grant(JOB_USER, alice));
    assert_eq!(write(&world, &bob, allowed_role).await, 200);
    let owner =
        |bindings: &mut Vec<Value>| bindings.push(grant("roles/owner", "user:bob@acme.com"));
    assert_eq!(write(&world, &bob, owner).await, 403);
    let both = |bindings: &mut Vec<Value>| {
        bindings.push(grant(JOB_USER, "user:carol@acme.com"));
        bindings.push(grant("roles/viewer", "user:carol@acme.com"));
    };
    assert_eq!(write(&world, &bob, both).await, 403);
    // The condition itself is a grant of another role.
    let without_condition = |bindings: &mut Vec<Value>| {
        for binding in bindings.iter_mut() {
            binding.as_object_mut().unwrap().remove("condition");
        }
    };
    assert_eq!(write(&world, &bob, without_condition).await, 403);
    let no_bindings = |bindings: &mut Vec<Value>| bindings.clear();
    assert_eq!(write(&world, &bob, no_bindings).await, 403);
    let revoked =
        |bindings: &mut Vec<Value>| bindings.retain(|binding| binding["role"] != JOB_USER);
    assert_eq!(write(&world, &bob, revoked).await, 200);
    let bindings = policy(&world).await["bindings"].to_string();
    assert!(
        !bindings.contains("alice") && bindings.contains("hasOnly"),
        "{bindings}"
    );
}

#[tokio::test]
async fn calls_that_write_no_policy_are_not_limited() {
    let (_, bob) = world().await;
    let asked = json!({"permissions": ["resourcemanager.projects.setIamPolicy"]});
    let uri = format!("{PROJECT}:testIamPermissions");
    let answer = bob.post(&uri, asked.clone()).await;
    assert_eq!(answer.body, asked);
    let uri = format!("{PROJECT}:getIamPolicy");
    bob.post(&uri, json!({})).await.ok();
}
