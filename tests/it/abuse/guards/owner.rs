//! People with more rights than `edit` in one namespace, who are not Namesake's admins.

use anyhow::Result;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use namesake_tests::{
    cluster::{manifests, person::Person},
    eventually::eventually,
    namespace::TestNamespace,
};
use serde_json::json;

const RBAC: &str = "rbac.authorization.k8s.io";

/// Somebody with a Role for `*` in the test's namespace.
pub(crate) async fn with_every_right(ns: &TestNamespace) -> Result<Person> {
    let role = json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "Role", "metadata": {"name": "everything"},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
    });
    manifests::apply(ns.admin().await?.client(), &role, &ns.name, false).await?;
    person_bound_to(ns, "owner@acme.com", "Role", "everything").await
}

/// Somebody with the stock ClusterRole `admin` in the test's namespace.
pub(crate) async fn with_stock_admin(ns: &TestNamespace) -> Result<Person> {
    person_bound_to(ns, "boss@acme.com", "ClusterRole", "admin").await
}

async fn person_bound_to(ns: &TestNamespace, name: &str, kind: &str, role: &str) -> Result<Person> {
    let binding = json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "RoleBinding", "metadata": {"name": format!("more-{role}")},
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": name}],
    });
    manifests::apply(ns.admin().await?.client(), &binding, &ns.name, false).await?;
    let person = ns.person(name).await?;
    eventually(&format!("{name} has the rights of {role}"), async || {
        let secrets = person.all::<k8s_openapi::api::rbac::v1::RoleBinding>();
        secrets.list(&ListParams::default().limit(1)).await?;
        person
            .all::<Secret>()
            .list(&ListParams::default().limit(1))
            .await?;
        Ok(())
    })
    .await?;
    Ok(person)
}
