//! Several stacks in one cluster: whose namespaces, names and rights belong to which, whatever RBAC allows.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use namesake_api::{
    Identity,
    names::{
        MARK_ANNOTATION, OPT_IN_LABEL, SYSTEM_NAMESPACE, SYSTEM_NAMESPACE_PATTERN,
        WAS_OPTED_IN_LABEL, WAS_OPTED_IN_VALUE,
    },
};
use namesake_tests::{
    cluster::{manifests, person::Person, refusal::refused},
    drafts::pod,
    eventually::eventually,
    namespace::{TestNamespace, account_of, with_namespace},
};
use serde_json::{Value, json};

use super::person_with_cluster_rights;

/// A managed name that nobody has.
const NAME: &str = "mf-nobody-aaaaaaaaaaaaaa";
const LEVEL: &str = "pod-security.kubernetes.io/enforce";

fn namespace(name: &str, labels: &Value) -> Result<Namespace> {
    Ok(serde_json::from_value(
        json!({"metadata": {"name": name, "labels": labels}}),
    )?)
}

fn dry_run() -> PostParams {
    PostParams {
        dry_run: true,
        ..PostParams::default()
    }
}

/// A KSA with a managed name and the mark of this stack.
fn managed(stack: &str) -> Result<ServiceAccount> {
    let mark = format!("namesake stack={stack} cluster=c ksa=n/{NAME}");
    let metadata = json!({"name": NAME, "annotations": {MARK_ANNOTATION: mark}});
    Ok(serde_json::from_value(json!({"metadata": metadata}))?)
}

/// Gives the broker of a stack every ordinary right in the namespace of a test, beyond those of a broker.
async fn allow_everything(ns: &TestNamespace, stack: &str) -> Result<()> {
    person_with_cluster_rights(ns).await?;
    let group = "rbac.authorization.k8s.io";
    let home = format!("{SYSTEM_NAMESPACE}-{stack}");
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": {"name": format!("{home}-everything")},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "everything"},
        "subjects": [{"kind": "ServiceAccount", "name": "namesake-broker", "namespace": home}],
    });
    let admin = ns.admin().await?;
    manifests::apply(admin.client(), &binding, &ns.name, false).await
}

#[test]
fn only_admins_create_or_label_a_namespace_that_could_be_that_of_a_stack() -> Result<()> {
    with_namespace(|ns| async move {
        let somebody = person_with_cluster_rights(&ns).await?;
        let all: Api<Namespace> = Api::all(somebody.client().clone());
        for name in ["namesake-system-evil", "namesake-system-1"] {
            let made = all.create(&dry_run(), &namespace(name, &json!({}))?).await;
            refused(made)?
                .with_code(403)?
                .with_message(name)?
                .with_message(&somebody.name)?;
        }
        for name in ["namesake-systems", "my-namesake-system"] {
            all.create(&dry_run(), &namespace(name, &json!({}))?)
                .await?;
        }
        let label = Patch::Merge(json!({"metadata": {"labels": {"mine": "x"}}}));
        let labelled = all
            .patch(SYSTEM_NAMESPACE, &PatchParams::default(), &label)
            .await;
        refused(labelled)?.with_code(403)?;
        let admin: Api<Namespace> = Api::all(ns.admin().await?.client().clone());
        let home = namespace("namesake-system-green", &json!({}))?;
        admin.create(&dry_run(), &home).await?;
        Ok(())
    })
}

#[test]
fn the_name_of_a_broker_is_not_enough_to_be_one() -> Result<()> {
    with_namespace(|ns| async move {
        // As in a namespace that somebody created before Namesake was installed.
        allow_everything(&ns, "old").await?;
        let broker = ns.broker_of("old", false).await?;
        let made = broker.dry_run::<ServiceAccount>(managed("prod")?).await;
        refused(made)?.with_code(403)?.with_message(NAME)?;
        let bare: ServiceAccount = serde_json::from_value(json!({"metadata": {"name": NAME}}))?;
        refused(broker.dry_run::<ServiceAccount>(bare).await)?.with_code(403)?;
        Ok(())
    })
}

#[test]
fn the_broker_of_one_stack_changes_nothing_of_another_whatever_rbac_allows() -> Result<()> {
    with_namespace(|ns| async move {
        let made = ns.bob().await?.create::<Pod>(pod()).await?;
        let name = account_of(&made).to_owned();
        allow_everything(&ns, "green").await?;
        let broker = ns.broker_of("green", true).await?;
        broker.dry_run::<ServiceAccount>(managed("green")?).await?;
        for stack in ["prod", "", "green2"] {
            let made = broker.dry_run::<ServiceAccount>(managed(stack)?).await;
            refused(made)?.with_code(403)?.with_message(NAME)?;
        }
        // Nor by writing its own mark over that of bob's account.
        let mark = format!("namesake stack=green cluster=c ksa={}/{name}", ns.name);
        let taken = json!({"metadata": {"annotations": {MARK_ANNOTATION: mark}}});
        refused(broker.patch::<ServiceAccount>(&name, taken).await)?.with_code(403)?;
        refused(broker.delete::<ServiceAccount>(&name).await)?.with_code(403)?;
        let note = || json!({"metadata": {"annotations": {"namesake.dev/retry": "1"}}});
        refused(broker.patch::<Identity>(&name, note()).await)?
            .with_code(403)?
            .with_message("identity")?;
        let stack = json!({"spec": {"stack": "green"}});
        refused(broker.patch::<Identity>(&name, stack).await)?;
        let identities: Api<Identity> = broker.all();
        let status = Patch::Merge(json!({"status": {"phase": "Gone"}}));
        let written = identities
            .patch_status(&name, &PatchParams::default(), &status)
            .await;
        refused(written)?.with_code(403)?;
        let ungated = json!({"metadata": {"annotations": {"namesake.dev/waiting": "no"}}});
        refused(broker.patch::<Pod>(&made.name_any(), ungated).await)?.with_code(403)?;
        let pods: Api<Pod> = broker.all();
        let failed = Patch::Merge(json!({"status": {"phase": "Failed"}}));
        let failed = pods
            .patch_status(&made.name_any(), &PatchParams::default(), &failed)
            .await;
        refused(failed)?.with_code(403)?;
        let request = serde_json::from_value(
            json!({"spec": {"audiences": ["acme.svc.id.goog"], "expirationSeconds": 600}}),
        )?;
        let token = broker
            .all::<ServiceAccount>()
            .create_token_request(&name, &PostParams::default(), &request)
            .await;
        refused(token)?.with_code(403)?.with_message(&name)?;
        Ok(())
    })
}

async fn relabelled(person: &Person, name: &str, labels: Value) -> kube::Result<Namespace> {
    let all: Api<Namespace> = Api::all(person.client().clone());
    let patch = Patch::Merge(json!({"metadata": {"labels": labels}}));
    all.patch(name, &PatchParams::default(), &patch).await
}

#[test]
fn a_namespace_does_not_move_from_one_stack_to_another_while_it_is_opted_in() -> Result<()> {
    with_namespace(|ns| async move {
        let admin = ns.admin().await?;
        refused(relabelled(&admin, &ns.name, json!({OPT_IN_LABEL: "green"})).await)?
            .with_code(403)?
            .with_message("belongs to stack prod")?;
        relabelled(&admin, &ns.name, json!({OPT_IN_LABEL: null})).await?;
        // A label that no stack serves protects nothing, and can be corrected.
        relabelled(&admin, &ns.name, json!({OPT_IN_LABEL: "gren"})).await?;
        relabelled(&admin, &ns.name, json!({OPT_IN_LABEL: "prod"})).await?;
        Ok(())
    })
}

#[test]
fn a_namespace_opts_out_only_with_the_label_that_protects_its_identities() -> Result<()> {
    with_namespace(|ns| async move {
        let admin = ns.admin().await?;
        // As if somebody replaced the namespace by a file without labels.
        let replaced = json!({OPT_IN_LABEL: null, WAS_OPTED_IN_LABEL: null});
        refused(relabelled(&admin, &ns.name, replaced).await)?
            .with_code(403)?
            .with_message("set namesake.dev/was-opted-in=true in the same request")?;
        // As a namespace that was opted in by an older version.
        relabelled(&admin, &ns.name, json!({WAS_OPTED_IN_LABEL: null})).await?;
        refused(relabelled(&admin, &ns.name, json!({OPT_IN_LABEL: null})).await)?.with_code(403)?;
        let labels = json!({OPT_IN_LABEL: null, WAS_OPTED_IN_LABEL: WAS_OPTED_IN_VALUE});
        relabelled(&admin, &ns.name, labels).await?;
        Ok(())
    })
}

#[test]
fn the_namespace_of_a_stack_is_not_opted_in_not_even_by_an_admin() -> Result<()> {
    with_namespace(|ns| async move {
        let admin = ns.admin().await?;
        let labels = json!({OPT_IN_LABEL: "prod", LEVEL: "restricted"});
        refused(relabelled(&admin, SYSTEM_NAMESPACE, labels.clone()).await)?
            .with_code(403)?
            .with_message("namespace of Namesake itself")?;
        let all: Api<Namespace> = Api::all(admin.client().clone());
        let home = namespace("namesake-system-x", &labels)?;
        refused(all.create(&dry_run(), &home).await)?.with_code(403)?;
        Ok(())
    })
}

#[test]
fn no_pod_runs_as_a_managed_account_where_the_label_names_a_stack_that_nobody_serves() -> Result<()>
{
    with_namespace(|ns| async move {
        let made = ns.bob().await?.create::<Pod>(pod()).await?;
        let name = account_of(&made).to_owned();
        let admin = ns.admin().await?;
        relabelled(&admin, &ns.name, json!({OPT_IN_LABEL: null})).await?;
        for label in ["gren", "A_b"] {
            relabelled(&admin, &ns.name, json!({OPT_IN_LABEL: label})).await?;
            eventually("the API server sees the label", async || {
                let mallory = ns.mallory().await?;
                let ran = mallory.dry_run::<Pod>(pod().running_as(&name)).await;
                refused(ran)?.with_code(403)?.with_message(&name)
            })
            .await?;
        }
        Ok(())
    })
}

#[test]
fn the_policies_mean_the_same_namespaces_as_the_programs() -> Result<()> {
    let text = [
        "accounts/identities.yaml",
        "accounts/role-bindings.yaml",
        "accounts/service-accounts.yaml",
        "accounts/tokens.yaml",
        "installation/broker.yaml",
        "installation/system.yaml",
        "namespaces/opt-in.yaml",
        "workloads/keys.yaml",
        "workloads/pods.yaml",
        "workloads/status.yaml",
    ]
    .map(|file| manifests::file(&format!("cluster/policies/{file}")));
    let text = text.into_iter().collect::<Result<Vec<_>>>()?.join("\n");
    let inner = SYSTEM_NAMESPACE_PATTERN
        .trim_start_matches('^')
        .trim_end_matches('$');
    let patterns = text.matches("namesake-system(").count();
    ensure!(patterns > 10, "{patterns}");
    ensure!(text.matches(inner).count() == patterns, "another pattern");
    let literal = text.matches(":namesake-system:").next();
    literal
        .is_none()
        .then_some(())
        .context("a policy names one stack's accounts")
}
