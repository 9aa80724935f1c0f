//! What exists at Google before the installation, and who may do what there: the broker what Terraform grants it, and no more.

use anyhow::Result;
use namesake_gcp_emulator::{Seed, replay::OWNER_ROLES};
use namesake_sandbox::{
    WORKLOAD_POOL,
    google::{PROJECT_NUMBER, broker_role},
};
use serde_json::{Value, json};

use super::{BUCKET, IDENTITIES_PROJECT};
use crate::cluster::Cluster;

/// The project of the workload pool and the bucket.
pub(super) const CLUSTER_PROJECT: &str = "acme";
/// That of the metadata servers of pods.
const CLUSTER_NUMBER: u64 = PROJECT_NUMBER;
const IDENTITIES_NUMBER: u64 = 210_987_654_321;
/// The person in place of the broker's account: the emulator issues tokens for people.
pub(super) const BROKER_TOKEN_OF: &str = "namesake-broker@acme.com";
/// The owner of the projects and the bucket.
pub(super) const OWNER: &str = "owner@acme.com";
/// The broker's custom roles, each with the kind of resource that it has the permissions for.
const BROKER_ROLES: [(&str, &str); 4] = [
    (
        "projects/acme/roles/brokersClusterProject",
        "cluster_project",
    ),
    (
        "projects/acme-identities/roles/brokersIdentities",
        "identities",
    ),
    ("projects/acme/roles/brokersFolders", "folders"),
    ("projects/acme/roles/brokersBuckets", "buckets"),
];

/// The resources that an admin sets up before the installation.
pub(super) async fn seed(cluster: &Cluster) -> Result<Seed> {
    let mut seed: Seed = serde_json::from_value(for_broker(&format!("user:{BROKER_TOKEN_OF}")))?;
    for (name, kind) in BROKER_ROLES {
        seed.roles.push(broker_role(name, kind)?);
    }
    seed.pools
        .push(serde_json::from_value(pool(cluster).await?)?);
    let broker = json!({"project": IDENTITIES_PROJECT, "accountId": "namesake-broker"});
    seed.service_accounts.push(serde_json::from_value(broker)?);
    // All tests of a run share one project and one bucket.
    seed.settings = json!({"limits": {"serviceAccounts": 100_000, "writesPerMinute": 100_000,
        "readsPerMinute": 100_000, "bucketUpdatesPerSecond": null}});
    Ok(seed)
}

/// The projects and the bucket, with the broker's roles for this member: what Terraform grants, and nothing else.
pub(super) fn for_broker(member: &str) -> Value {
    let bindings = |kinds: &[&str]| {
        let roles = BROKER_ROLES.iter().filter(|(_, kind)| kinds.contains(kind));
        roles
            .map(|(role, _)| json!({"role": role, "members": [member]}))
            .collect::<Value>()
    };
    let of_projects = [bindings(&["cluster_project"]), bindings(&["identities"])];
    resources(of_projects, &bindings(&["folders", "buckets"]))
}

/// The same, with an owner, who may do everything.
pub(super) fn for_owner() -> Value {
    let owner = |role: &str| json!([{"role": role, "members": [format!("user:{OWNER}")]}]);
    let of_projects = [owner("roles/owner"), owner("roles/owner")];
    resources(of_projects, &owner("roles/storage.admin"))
}

/// Both projects, owned by a person with the roles that docs/acceptance.md requires.
pub(super) fn for_acceptance(person: &str) -> Value {
    let member = format!("user:{person}");
    let binding = |role: &str| json!({"role": role, "members": [member]});
    let bindings: Vec<Value> = OWNER_ROLES.into_iter().map(binding).collect();
    json!({"projects": [
        {"id": CLUSTER_PROJECT, "number": CLUSTER_NUMBER, "bindings": bindings},
        {"id": IDENTITIES_PROJECT, "number": IDENTITIES_NUMBER, "bindings": bindings},
    ]})
}

/// The projects (the cluster's, the identities') and the bucket, with these bindings in their policies.
fn resources([cluster, identities]: [Value; 2], bucket: &Value) -> Value {
    json!({
        "projects": [
            {"id": CLUSTER_PROJECT, "number": CLUSTER_NUMBER, "bindings": cluster},
            {"id": IDENTITIES_PROJECT, "number": IDENTITIES_NUMBER, "bindings": identities},
        ],
        "buckets": [{"name": BUCKET, "project": CLUSTER_PROJECT, "bindings": bucket}],
    })
}

/// A cluster as an issuer in the workload pool, which all clusters of the project share.
pub(super) async fn pool(cluster: &Cluster) -> Result<Value> {
    let keys: Value = serde_json::from_str(&cluster.control_plane.jwks().await?)?;
    Ok(json!({"pool": WORKLOAD_POOL, "issuer": cluster.issuer(), "jwks": keys}))
}
