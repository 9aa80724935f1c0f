//! The policies that reserve managed service accounts and Identities for the broker, in every namespace and without webhooks.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    core::v1::{ConfigMap, Pod, ServiceAccount},
    rbac::v1::RoleBinding,
};
use kube::{
    Api, ResourceExt,
    api::{ListParams, PostParams},
};
use namesake_api::{
    Identity,
    names::{ACCEPTED_RULES_CONFIG_MAP, GSA_ANNOTATION, SYSTEM_NAMESPACE},
};
use namesake_sandbox::{WORKLOAD_POOL, kubernetes::users::BOB};
use namesake_tests::{
    cluster::{manifests, person::Person, refusal::refused},
    drafts::pod,
    eventually::eventually,
    namespace::{TestNamespace, account_of, with_namespace},
};
use serde_json::json;

mod alarm;
mod bindings;
mod enter;
mod identities;
mod lockout;
pub(super) mod owner;
mod pods;
mod port;
mod proxy;
mod stacks;
mod system;
mod tokens;
mod webhooks_down;

/// Somebody with every ordinary right in the cluster, so that only policies can refuse them; not one of Namesake's admins.
pub(super) async fn person_with_cluster_rights(ns: &TestNamespace) -> Result<Person> {
    let group = "rbac.authorization.k8s.io";
    let verbs = [
        "get",
        "list",
        "watch",
        "create",
        "update",
        "patch",
        "delete",
        "deletecollection",
    ];
    let role = json!({
        "apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": {"name": "everything"},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": verbs}],
    });
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": "everything"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "everything"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": POWERFUL}],
    });
    let admin = ns.admin().await?;
    for object in [role, binding] {
        manifests::apply(admin.client(), &object, &ns.name, false).await?;
    }
    let person = ns.person(POWERFUL).await?;
    eventually("the powerful one has rights", async || {
        let all = Api::<Pod>::all(person.client().clone());
        all.list(&ListParams::default().limit(1)).await?;
        Ok(())
    })
    .await?;
    Ok(person)
}

const POWERFUL: &str = "powerful@acme.com";

/// Has the broker create bob's service account, by a pod of his.
async fn create_account_of_bob(ns: &TestNamespace) -> Result<String> {
    let made = ns.bob().await?.create::<Pod>(pod()).await?;
    ns.runs_as(&made, BOB).await?;
    Ok(account_of(&made).to_owned())
}

fn account(name: &str) -> Result<ServiceAccount> {
    Ok(serde_json::from_value(json!({"metadata": {"name": name}}))?)
}

/// Everybody except the broker, from the fewest to the most rights.
async fn others(ns: &TestNamespace) -> Result<[Person; 3]> {
    Ok([ns.mallory().await?, ns.admin().await?, ns.webhook().await?])
}

#[test]
fn only_the_broker_creates_an_account_with_a_managed_name() -> Result<()> {
    with_namespace(|ns| async move {
        let name = ns.name_for("victim@acme.com");
        let elsewhere = ns.neighbour().await?;
        for place in [&ns, &elsewhere] {
            for person in [place.mallory().await?, place.admin().await?] {
                refused(person.create::<ServiceAccount>(account(&name)?).await)?
                    .with_message(&name)?
                    .with_message(&person.name)?
                    .with_message("choose another name")?;
            }
        }
        elsewhere.delete().await
    })
}

#[test]
fn generate_name_does_not_bypass_the_policy() -> Result<()> {
    with_namespace(|ns| async move {
        let mallory = ns.mallory().await?;
        let mut refusals = 0;
        // The API server adds five characters; most of the resulting names are managed names.
        for _ in 0..20 {
            let wish: ServiceAccount =
                serde_json::from_value(json!({"metadata": {"generateName": "mf-bob-aaaaaaaaa"}}))?;
            match mallory.create::<ServiceAccount>(wish).await {
                Ok(made) => {
                    let name = made.name_any();
                    ensure!(!namesake_core::is_managed_name(&name), "{name} was made");
                }
                refusal => {
                    refused(refusal)?.with_message("managed by Namesake")?;
                    refusals += 1;
                }
            }
        }
        ensure!(refusals > 0, "twenty names, and none of them managed");
        Ok(())
    })
}

#[test]
fn only_the_broker_changes_or_deletes_bobs_account() -> Result<()> {
    with_namespace(|ns| async move {
        let name = create_account_of_bob(&ns).await?;
        eventually("its Identity owns it", async || {
            let account: ServiceAccount = ns.admin().await?.all().get(&name).await?;
            ensure!(!account.owner_references().is_empty());
            Ok(())
        })
        .await?;
        let edits = [
            json!({"metadata": {"annotations": {GSA_ANNOTATION: "mallory@acme-identities.iam.gserviceaccount.com"}}}),
            json!({"metadata": {"labels": {"namesake.dev/identity": "mf-x"}}}),
            json!({"imagePullSecrets": [{"name": "mallorys"}]}),
            json!({"metadata": {"ownerReferences": null}}),
        ];
        for person in others(&ns).await? {
            for edit in &edits {
                refused(person.patch::<ServiceAccount>(&name, edit.clone()).await)?
                    .with_code(403)?;
            }
            refused(person.delete::<ServiceAccount>(&name).await)?.with_code(403)?;
        }
        Ok(())
    })
}

#[test]
fn nobody_runs_as_bob_in_a_namespace_that_was_opted_out() -> Result<()> {
    with_namespace(|ns| async move {
        let name = create_account_of_bob(&ns).await?;
        let mallory = ns.mallory().await?;
        ns.opt_out().await?;
        // From here on, our webhooks are not called, and bob's service account and its binding still exist.
        eventually("the API server has seen the opt-out", async || {
            let planted = pod().running_as(&name);
            refused(mallory.dry_run::<Pod>(planted).await)?.with_message("not opted in")
        })
        .await?;
        for planted in [pod().running_as(&name), pod().running_as_deprecated(&name)] {
            refused(mallory.create::<Pod>(planted).await)?
                .with_code(403)?
                .with_message(&name)?
                .with_message(&mallory.name)?
                .with_message("not opted in")?;
        }
        mallory.create::<Pod>(pod()).await?;
        Ok(())
    })
}

#[test]
fn the_role_edit_reads_identities_and_writes_none() -> Result<()> {
    with_namespace(|ns| async move {
        let name = create_account_of_bob(&ns).await?;
        let mallory = ns.mallory().await?;
        let identity: Identity = mallory.all().get(&name).await?;
        ensure!(identity.spec.user == BOB);
        let theirs = json!({"spec": {"project": "mallorys"}});
        refused(mallory.patch::<Identity>(&name, theirs).await)?.with_code(403)?;
        refused(mallory.delete::<Identity>(&name).await)?.with_code(403)?;
        let mut copy = Identity::new("mf-copy-aaaaaaaaaaaaaa", identity.spec.clone());
        copy.spec.user = "mallory@acme.com".to_owned();
        refused(mallory.create::<Identity>(copy).await)?.with_code(403)?;
        Ok(())
    })
}

#[test]
fn not_even_an_admin_writes_the_status_of_an_identity() -> Result<()> {
    with_namespace(|ns| async move {
        let name = create_account_of_bob(&ns).await?;
        let admin = ns.admin().await?;
        let identities: Api<Identity> = admin.all();
        let ready = json!({"status": {"serviceAccountUid": "forged"}});
        let patched = identities
            .patch_status(
                &name,
                &kube::api::PatchParams::default(),
                &kube::api::Patch::Merge(ready),
            )
            .await;
        refused(patched)?
            .with_code(403)?
            .with_message("only Namesake's broker")?;
        Ok(())
    })
}

#[test]
fn the_key_fields_of_an_identity_are_immutable_even_for_an_admin() -> Result<()> {
    with_namespace(|ns| async move {
        let name = create_account_of_bob(&ns).await?;
        let admin = ns.admin().await?;
        for edit in [
            json!({"spec": {"user": "mallory@acme.com"}}),
            json!({"spec": {"class": "other"}}),
            json!({"spec": {"stack": "other"}}),
        ] {
            refused(admin.patch::<Identity>(&name, edit).await)?.with_code(422)?;
        }
        Ok(())
    })
}

#[test]
fn the_broker_itself_writes_managed_accounts_only() -> Result<()> {
    with_namespace(|ns| async move {
        let broker = ns.broker().await?;
        refused(broker.create::<ServiceAccount>(account("helper")?).await)?
            .with_code(403)?
            .with_message("managed service accounts (mf-…) only")?;
        let edit =
            json!({"metadata": {"annotations": {GSA_ANNOTATION: "x@y.iam.gserviceaccount.com"}}});
        refused(broker.patch::<ServiceAccount>("default", edit).await)?.with_code(403)?;
        refused(broker.delete::<ServiceAccount>("metaflow").await)?.with_code(403)?;
        Ok(())
    })
}

#[test]
fn the_broker_itself_gets_tokens_only_of_managed_accounts_and_for_google() -> Result<()> {
    with_namespace(|ns| async move {
        let name = create_account_of_bob(&ns).await?;
        let accounts: Api<ServiceAccount> = ns.broker().await?.all();
        let ask = |name: String, audiences: Vec<String>| {
            let accounts = accounts.clone();
            async move {
                let request = serde_json::from_value(json!({"spec": {"audiences": audiences}}))?;
                let asked = accounts
                    .create_token_request(&name, &PostParams::default(), &request)
                    .await;
                anyhow::Ok(asked.map(|_| ()))
            }
        };
        let pool = vec![WORKLOAD_POOL.to_owned()];
        ask(name.clone(), pool.clone())
            .await?
            .context("what the broker is for")?;
        refused(ask("default".to_owned(), pool).await?)?.with_code(403)?;
        refused(ask(name.clone(), vec![]).await?)?.with_code(403)?;
        refused(
            ask(
                name,
                vec![
                    WORKLOAD_POOL.to_owned(),
                    "https://kubernetes.default.svc".to_owned(),
                ],
            )
            .await?,
        )?
        .with_code(403)?;
        Ok(())
    })
}

#[test]
fn the_broker_itself_has_no_rights_without_opt_in_and_binds_roles_to_nobody_else() -> Result<()> {
    with_namespace(|ns| async move {
        let broker = ns.broker().await?;
        let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "namesake-argo-task"});
        let mallory = json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "mallory@acme.com"}]);
        let binding: RoleBinding = serde_json::from_value(
            json!({"metadata": {"name": "gift"}, "roleRef": role, "subjects": mallory}),
        )?;
        refused(broker.create::<RoleBinding>(binding.clone()).await)?.with_code(403)?;
        let admin_role: RoleBinding = serde_json::from_value(json!({
            "metadata": {"name": "gift"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": ns.name_for(BOB), "namespace": ns.name}],
        }))?;
        refused(broker.create::<RoleBinding>(admin_role).await)?.with_code(403)?;
        let elsewhere = ns.neighbour().await?;
        let there = broker.in_namespace(&elsewhere.name);
        refused(
            there
                .create::<ServiceAccount>(account(&ns.name_for(BOB))?)
                .await,
        )?
        .with_code(403)?;
        refused(
            there
                .all::<Pod>()
                .list(&Default::default())
                .await
                .map(|_| ()),
        )?
        .with_code(403)?;
        elsewhere.delete().await
    })
}

#[test]
fn the_webhook_creates_nothing_and_reads_no_secret_but_its_own() -> Result<()> {
    with_namespace(|ns| async move {
        let webhook = ns.webhook().await?;
        refused(webhook.create::<Pod>(pod()).await)?.with_code(403)?;
        refused(
            webhook
                .all::<k8s_openapi::api::core::v1::Secret>()
                .list(&Default::default())
                .await
                .map(|_| ()),
        )?
        .with_code(403)?;
        let home = webhook.in_namespace(SYSTEM_NAMESPACE);
        let edit = json!({"data": {"rules.yaml": "mine"}});
        refused(
            home.patch::<ConfigMap>(ACCEPTED_RULES_CONFIG_MAP, edit)
                .await,
        )?
        .with_code(403)?;
        Ok(())
    })
}
