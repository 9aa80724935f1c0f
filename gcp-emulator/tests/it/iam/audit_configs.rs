//! Audit configurations in the policy of a project.

use serde_json::{Value, json};

use crate::support::{GSAS, World};

const PROJECT: &str = "/v1/projects/acme";

fn storage() -> Value {
    json!({"service": "storage.googleapis.com", "auditLogConfigs": [
        {"logType": "DATA_READ"},
        {"logType": "DATA_WRITE", "exemptedMembers": ["user:bob@acme.com"]},
    ]})
}

async fn read(world: &World) -> Value {
    let options = json!({"options": {"requestedPolicyVersion": 3}});
    world
        .post(&format!("{PROJECT}:getIamPolicy"), options)
        .await
}

/// Writes `configs` into the policy of the project as Google's provider for Terraform does.
async fn write(world: &World, configs: Value) -> crate::support::Answer {
    let mut policy = read(world).await;
    policy["auditConfigs"] = configs;
    let body = json!({"policy": policy, "updateMask": "bindings,etag,auditConfigs"});
    let uri = format!("{PROJECT}:setIamPolicy");
    world.admin.post(&uri, body).await
}

#[tokio::test]
async fn a_projects_policy_keeps_its_audit_configs() {
    let world = World::new();
    let before = read(&world).await;
    assert_eq!(before.get("auditConfigs"), None);
    let written = write(&world, json!([storage()])).await.ok();
    assert_eq!(written["auditConfigs"], json!([storage()]));
    assert_eq!(read(&world).await, written);
    assert_eq!(written["bindings"], before["bindings"]);
    assert_ne!(written["etag"], before["etag"]);
    write(&world, json!([])).await.ok();
    assert_eq!(read(&world).await.get("auditConfigs"), None);
}

#[tokio::test]
async fn only_a_mask_with_the_audit_configs_writes_them() {
    let world = World::new();
    let before = write(&world, json!([storage()])).await.ok();
    let uri = format!("{PROJECT}:setIamPolicy");
    for change in [
        json!({"policy": {"bindings": before["bindings"]}}),
        json!({"policy": {"bindings": before["bindings"], "auditConfigs": []}}),
        json!({"policy": {"bindings": before["bindings"]}, "updateMask": "bindings,etag"}),
        json!({"policy": {"auditConfigs": [storage()]}, "updateMask": "audit_configs"}),
    ] {
        let after = world.post(&uri, change.clone()).await;
        assert_eq!(after["auditConfigs"], before["auditConfigs"], "{change}");
        assert_eq!(after["bindings"], before["bindings"], "{change}");
    }
    let everything = json!({"policy": {"bindings": before["bindings"]}, "updateMask": "bindings,etag,auditConfigs"});
    let after = world.post(&uri, everything).await;
    assert_eq!(after.get("auditConfigs"), None);
}

#[tokio::test]
async fn an_audit_config_that_breaks_a_rule_is_refused() {
    let world = World::new();
    let log = |log: Value| json!([{"service": "allServices", "auditLogConfigs": [log]}]);
    for (configs, expected) in [
        (json!({}), "not a list"),
        (
            json!([{"service": "storage", "auditLogConfigs": []}]),
            "Invalid service name (storage)",
        ),
        (
            json!([{"service": "allServices"}]),
            "at least one audit log config",
        ),
        (log(json!({"logType": "ALL"})), "\"ALL\""),
        (
            log(json!({"logType": "DATA_READ", "exemptedMembers": ["bob"]})),
            "unknown type",
        ),
    ] {
        let refused = write(&world, configs)
            .await
            .refused_as(400, "INVALID_ARGUMENT");
        assert!(
            refused.message().contains(expected),
            "{}",
            refused.message()
        );
    }
}

#[tokio::test]
async fn the_policy_of_an_account_has_no_audit_configs() {
    let world = World::new();
    let uri = format!("{GSAS}/{}:setIamPolicy", world.account("mf-alice-1").await);
    let body = json!({"policy": {"auditConfigs": [storage()]}, "updateMask": "auditConfigs"});
    let policy = world.post(&uri, body).await;
    assert_eq!(policy.get("auditConfigs"), None);
}
