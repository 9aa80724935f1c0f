//! The rules of the bench, and the identities that exist by them.

use namesake_api::names;
use serde_json::{Value, json};

/// The namespace of all identities.
const NAMESPACE: &str = "research";

/// The ConfigMap of rules.
pub(crate) fn config_map() -> Value {
    let rules = "apiVersion: namesake.dev/v1alpha1
kind: MappingRules
stack: prod
cluster: projects/acme-data/locations/us-west2/clusters/prod
users:
- requester: \"*@acme.com\"
endpoints:
  read: {users: [\"*@acme.com\"]}
  write: {users: [\"*@acme.com\"]}
";
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": names::RULES_CONFIG_MAP, "namespace": names::SYSTEM_NAMESPACE, "uid": "rules", "resourceVersion": "1"},
        "data": {names::RULES_KEY: rules},
    })
}

/// The Identity of the user with this number, as the API server lists it.
pub(crate) fn identity(number: usize) -> Value {
    let name = format!("mf-user-{number:08}-abcdefghijklmn");
    let account = format!("{name}@acme-identities.iam.gserviceaccount.com");
    let condition = |kind: &str| {
        json!({"type": kind, "status": "True", "reason": "Verified", "message": "a pod's path to Google was verified",
            "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z"})
    };
    let conditions = ["ServiceAccountReady", "BindingReady", "Ready"].map(condition);
    json!({
        "apiVersion": "namesake.dev/v1alpha1",
        "kind": "Identity",
        "metadata": {"name": name, "namespace": NAMESPACE, "uid": format!("identity-{number}"), "resourceVersion": "1",
            "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"stack": "prod", "cluster": "projects/acme-data/locations/us-west2/clusters/prod", "class": "research",
            "user": format!("user-{number}@acme.com"), "values": {"user": format!("user-{number}@acme.com")},
            "mode": "impersonate", "project": "acme-identities", "googleServiceAccount": account, "key": &name[3..]},
        "status": {"phase": "InUse", "serviceAccountUid": format!("account-{number}"), "conditions": conditions},
    })
}
