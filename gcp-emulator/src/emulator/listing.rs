//! The emulated state as JSON, for tests and debugging. It has no tokens.

use serde_json::{Value, json};

use crate::world::World;
use crate::world::controls::clock::rfc3339;

pub(crate) fn state(world: &World) -> Value {
    let projects: Vec<Value> = world
        .projects
        .values()
        .map(|project| json!({"id": project.id, "number": project.number.to_string()}))
        .collect();
    let accounts: Vec<Value> = world
        .accounts
        .iter()
        .map(|(_, account)| {
            let state = account.current();
            let mut shown = account.render(&state);
            if let Some(shown) = shown.as_object_mut() {
                shown.insert("created".to_owned(), json!(rfc3339(account.created)));
                shown.insert("deleted".to_owned(), json!(state.deleted.map(rfc3339)));
            }
            shown
        })
        .collect();
    let policies: serde_json::Map<String, Value> = world
        .policies
        .resources()
        .map(|resource| {
            let policy = world.policies.current(resource).render(resource, 3, world);
            (resource.full_name(), policy)
        })
        .collect();
    let pools: Vec<Value> = world
        .pools
        .iter()
        .map(|(name, pool)| {
            json!({"pool": name, "projectNumber": pool.number.to_string(), "issuers": pool.issuers.keys().collect::<Vec<_>>()})
        })
        .collect();
    let buckets: Vec<Value> = world
        .buckets
        .values()
        .map(|bucket| {
            json!({
                "name": bucket.name, "project": bucket.project, "uniformBucketLevelAccess": bucket.uniform,
                "managedFolders": bucket.folders.keys().collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "now": rfc3339(world.clock.now()),
        "tokenNow": rfc3339(world.clock.token_now()),
        "settings": world.settings,
        "projects": projects,
        "groups": world.groups,
        "roles": world.roles.custom,
        "pools": pools,
        "serviceAccounts": accounts,
        "policies": policies,
        "buckets": buckets,
        "accessTokens": world.tokens.count(),
        "quotasLeft": world.quotas.left().into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        "faults": world.faults.list(),
    })
}
