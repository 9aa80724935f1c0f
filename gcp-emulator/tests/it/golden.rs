//! Conversations in `testdata`. The form of `wire.txt` was recorded from Google, reported, documented or assumed, as it says;
//! `terraform.txt` has what Google's provider for Terraform sent when it made, kept, changed and removed what the modules of
//! `terraform/` make.

use axum::Router;
use serde_json::{Value, json};

use crate::support::{World, replay};

const WIRE: &str = include_str!("../../testdata/wire.txt");
const PROVIDER: &str = include_str!("../../testdata/terraform.txt");

#[tokio::test]
async fn every_answer_matches_the_golden_file() {
    let compared = replay(&World::new(), WIRE).await;
    assert!(compared > 20, "{compared}");
}

/// A world whose object store has no object.
async fn world() -> World {
    let empty = || async { axum::Json(json!({"kind": "storage#objects"})) };
    World::with_store(Router::new().fallback(empty)).await
}

/// The policies and buckets of the world, without etags.
async fn state(world: &World) -> Value {
    let state = world.get("/emulator/v1/state").await;
    let mut policies = state["policies"].clone();
    for policy in policies.as_object_mut().unwrap().values_mut() {
        policy.as_object_mut().unwrap().remove("etag");
    }
    json!({"policies": policies, "buckets": state["buckets"]})
}

#[tokio::test]
async fn googles_provider_for_terraform_makes_keeps_changes_and_removes_what_the_modules_make() {
    let world = world().await;
    let mut before = state(&world).await;
    let compared = replay(&world, PROVIDER).await;
    assert!(compared > 40, "{compared}");
    let mut after = state(&world).await;
    for state in [&mut before, &mut after] {
        let policies = state["policies"].as_object_mut().unwrap();
        policies.retain(|name, _| {
            !name.contains("acme-research") && !name.contains("/serviceAccounts/")
        });
        for policy in policies.values_mut() {
            let Some(bindings) = policy["bindings"].as_array_mut() else {
                continue;
            };
            bindings.sort_by_key(|binding| binding["role"].to_string());
        }
    }
    assert_eq!(after, before);
}
