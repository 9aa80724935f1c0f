//! `iam.googleapis.com/modifiedGrantsByRole`: who may grant some roles only, as docs/install-gke.md recommends.

use serde_json::{Value, json};

use crate::support::World;

const PROJECT: &str = "/v1/projects/acme";
const JOB_USER: &str = "roles/bigquery.jobUser";

/// A world in which bob administers the project's policy, for one role.
async fn world() -> (World, String) {
    let world = World::new();
    let expression = format!(
        "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly(['{JOB_USER}'])"
    );
    let mut policy = policy(&world).await;
    policy["version"] = json!(3);
    policy["bindings"].as_array_mut().unwrap().push(json!({
        "role": "roles/resourcemanager.projectIamAdmin", "members": ["user:bob@acme.com"],
        "condition": {"title": "Job users only", "expression": expression},
    }));
    let uri = format!("{PROJECT}:setIamPolicy");
    world.must("POST", &uri, json!({"policy": policy})).await;
    let bob = world.state.user_token("bob@acme.com");
    (world, bob)
}

async fn policy(world: &World) -> Value {
    let version = json!({"options": {"requestedPolicyVersion": 3}});
    world
        .must("POST", &format!("{PROJECT}:getIamPolicy"), version)
        .await
}

/// What bob is answered who writes the policy as `change` makes it.
async fn written(world: &World, bob: &str, change: impl FnOnce(&mut Vec<Value>)) -> u16 {
    let mut policy = policy(world).await;
    change(policy["bindings"].as_array_mut().unwrap());
    let uri = format!("{PROJECT}:setIamPolicy");
    let answer = world
        .ask(bob, "POST", &uri, json!({"policy": policy}))
        .await;
    answer.status
}

fn grant(role: &str, member: &str) -> Value {
    json!({"role": role, "members": [member]})
}

#[tokio::test]
async fn only_the_roles_of_the_condition_can_be_granted_and_taken() {
    let (world, bob) = world().await;
    let alice = "user:alice@acme.com";
    let own = |bindings: &mut Vec<Value>| bindings.push(grant(JOB_USER, alice));
    assert_eq!(written(&world, &bob, own).await, 200);
    let owner =
        |bindings: &mut Vec<Value>| bindings.push(grant("roles/owner", "user:bob@acme.com"));
    assert_eq!(written(&world, &bob, owner).await, 403);
    let both = |bindings: &mut Vec<Value>| {
        bindings.push(grant(JOB_USER, "user:carol@acme.com"));
        bindings.push(grant("roles/viewer", "user:carol@acme.com"));
    };
    assert_eq!(written(&world, &bob, both).await, 403);
    // The condition itself is a grant of another role.
    let free = |bindings: &mut Vec<Value>| {
        for binding in bindings.iter_mut() {
            binding.as_object_mut().unwrap().remove("condition");
        }
    };
    assert_eq!(written(&world, &bob, free).await, 403);
    let nothing_left = |bindings: &mut Vec<Value>| bindings.clear();
    assert_eq!(written(&world, &bob, nothing_left).await, 403);
    let taken = |bindings: &mut Vec<Value>| bindings.retain(|binding| binding["role"] != JOB_USER);
    assert_eq!(written(&world, &bob, taken).await, 200);
    let bindings = policy(&world).await["bindings"].to_string();
    assert!(
        !bindings.contains("alice") && bindings.contains("hasOnly"),
        "{bindings}"
    );
}

#[tokio::test]
async fn what_writes_no_policy_is_not_limited() {
    let (world, bob) = world().await;
    let asked = json!({"permissions": ["resourcemanager.projects.setIamPolicy"]});
    let uri = format!("{PROJECT}:testIamPermissions");
    let answer = world.ask(&bob, "POST", &uri, asked.clone()).await;
    assert_eq!(answer.body, asked);
    let uri = format!("{PROJECT}:getIamPolicy");
    assert_eq!(world.ask(&bob, "POST", &uri, json!({})).await.status, 200);
}
