//! Rights of managed service accounts in the cluster: they come only from their class.

use anyhow::Result;
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleBinding};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use namesake_sandbox::kubernetes::users::BOB;
use namesake_tests::{
    cluster::refusal::refused,
    eventually::eventually,
    namespace::{TestNamespace, with_namespace},
};
use serde_json::{Value, json};

use super::{
    owner::{with_every_right, with_stock_admin},
    person_with_cluster_rights,
};

fn binding(name: &str, subject: &Value) -> Value {
    json!({
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [subject],
    })
}

/// Both names of bob's service account in RBAC.
fn subjects_of_bob(ns: &TestNamespace) -> [Value; 2] {
    let name = ns.name_for(BOB);
    let user = format!("system:serviceaccount:{}:{name}", ns.name);
    [
        json!({"kind": "ServiceAccount", "name": name, "namespace": ns.name}),
        json!({"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}),
    ]
}

#[test]
fn only_the_broker_and_admins_bind_roles_to_bobs_account() -> Result<()> {
    with_namespace(|ns| async move {
        let somebody = person_with_cluster_rights(&ns).await?;
        for subject in subjects_of_bob(&ns) {
            let gift: RoleBinding = serde_json::from_value(binding("gift", &subject))?;
            refused(somebody.create::<RoleBinding>(gift).await)?
                .with_code(403)?
                .with_message(&ns.name_for(BOB))?
                .with_message("roleBindings")?
                .with_message(&somebody.name)?;
            let wide: ClusterRoleBinding = serde_json::from_value(binding(&ns.name, &subject))?;
            let bindings = Api::<ClusterRoleBinding>::all(somebody.client().clone());
            refused(bindings.create(&PostParams::default(), &wide).await)?.with_code(403)?;
        }
        Ok(())
    })
}

#[test]
fn a_binding_of_bobs_account_by_an_admin_stays_and_others_can_still_add_themselves() -> Result<()> {
    with_namespace(|ns| async move {
        let [account, _] = subjects_of_bob(&ns);
        let admin = ns.admin().await?;
        let given: RoleBinding = serde_json::from_value(binding("given", &account))?;
        admin.create::<RoleBinding>(given).await?;
        let somebody = person_with_cluster_rights(&ns).await?;
        let alice = json!({"kind": "User", "name": "alice@acme.com", "apiGroup": "rbac.authorization.k8s.io"});
        let both = json!({"subjects": [account, alice]});
        somebody.patch::<RoleBinding>("given", both).await?;
        let other = json!({"kind": "ServiceAccount", "name": ns.name_for("x@acme.com"), "namespace": ns.name});
        let bindings = somebody.all::<RoleBinding>();
        let more = Patch::Merge(json!({"subjects": [account, other]}));
        refused(
            bindings
                .patch("given", &PatchParams::default(), &more)
                .await,
        )?
        .with_code(403)?
        .with_message(&ns.name_for("x@acme.com"))?;
        Ok(())
    })
}

#[test]
fn the_admin_of_a_namespace_cannot_revoke_namesakes_rights_there() -> Result<()> {
    with_namespace(|ns| async move {
        let (delete, owner) = (DeleteParams::default(), with_every_right(&ns).await?);
        for name in ["namesake-webhook", "namesake-broker"] {
            for person in [
                &with_stock_admin(&ns).await?,
                &owner,
                &person_with_cluster_rights(&ns).await?,
            ] {
                let bindings = person.all::<RoleBinding>();
                let this = ListParams::default().fields(&format!("metadata.name={name}"));
                let all = bindings.delete_collection(&delete, &this).await.map(|_| ());
                for deleted in [bindings.delete(name, &delete).await.map(|_| ()), all] {
                    refused(deleted)?
                        .with_code(403)?
                        .with_message(name)?
                        .with_message("which is opted in")?
                        .with_message(&person.name)?;
                }
            }
            let note = json!({"metadata": {"labels": {"team": "ml"}}});
            owner.patch::<RoleBinding>(name, note).await?;
            let other = json!([{"kind": "ServiceAccount", "name": "x", "namespace": ns.name}]);
            for subjects in [json!([]), other] {
                let edit = json!({"subjects": subjects});
                refused(owner.patch::<RoleBinding>(name, edit).await)?
                    .with_code(403)?
                    .with_message("which is opted in")?;
            }
        }
        let dry_run = DeleteParams {
            dry_run: true,
            ..DeleteParams::default()
        };
        let admin = ns.admin().await?;
        admin
            .all::<RoleBinding>()
            .delete("namesake-webhook", &dry_run)
            .await?;
        // After the namespace is opted out, its admin may delete them.
        ns.opt_out().await?;
        eventually("the API server has seen the opt-out", async || {
            Ok(owner.delete::<RoleBinding>("namesake-broker").await?)
        })
        .await
    })
}
