//! Our namespace, our objects outside it, and the opt-in label: only admins change them.

use anyhow::{Result, ensure};
use k8s_openapi::{
    api::{
        admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration},
        apps::v1::Deployment,
        core::v1::{ConfigMap, Namespace, Pod, Secret, ServiceAccount},
        rbac::v1::{ClusterRole, ClusterRoleBinding},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use namesake_api::names::{
    OPT_IN_LABEL, RULES_CONFIG_MAP, STAMP_KEY_SECRET, SYSTEM_NAMESPACE, WEBHOOK_CONFIGURATION,
    WEBHOOK_SERVICE_ACCOUNT,
};
use namesake_tests::{
    cluster::{person::Person, refusal::refused},
    drafts::pod,
    namespace::with_namespace,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::person_with_cluster_rights;

#[test]
fn only_admins_write_in_namesakes_own_namespace() -> Result<()> {
    with_namespace(|ns| async move {
        let somebody = person_with_cluster_rights(&ns)
            .await?
            .in_namespace(SYSTEM_NAMESPACE);
        let rules = json!({"data": {"rules.yaml": "mine"}});
        refused(somebody.patch::<ConfigMap>(RULES_CONFIG_MAP, rules).await)?
            .with_code(403)?
            .with_message("namesake-system")?
            .with_message(&somebody.name)?;
        let key = json!({"data": {"mine": "AAAA"}});
        refused(somebody.patch::<Secret>(STAMP_KEY_SECRET, key).await)?.with_code(403)?;
        refused(somebody.delete::<Secret>(STAMP_KEY_SECRET).await)?.with_code(403)?;
        refused(
            somebody
                .create::<Pod>(pod().running_as(WEBHOOK_SERVICE_ACCOUNT))
                .await,
        )?
        .with_code(403)?;
        refused(
            somebody
                .delete::<ServiceAccount>(WEBHOOK_SERVICE_ACCOUNT)
                .await,
        )?
        .with_code(403)?;
        let request = serde_json::from_value(json!({"spec": {"audiences": []}}))?;
        let token = somebody
            .all::<ServiceAccount>()
            .create_token_request(WEBHOOK_SERVICE_ACCOUNT, &PostParams::default(), &request)
            .await;
        refused(token)?
            .with_code(403)?
            .with_message("namesake-system")?;
        let deployment: Deployment = serde_json::from_value(json!({
            "metadata": {"name": "mine"}, "spec": {"selector": {"matchLabels": {"a": "b"}},
                "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "x", "image": "y"}]}}},
        }))?;
        refused(somebody.create::<Deployment>(deployment).await)?.with_code(403)?;
        for what in ["exec?command=id", "attach", "portforward"] {
            let path = format!("/api/v1/namespaces/{SYSTEM_NAMESPACE}/pods/any/{what}");
            let request = http::Request::post(path).body(Vec::new())?;
            let entered = somebody.client().request::<Value>(request).await;
            refused(entered)?.with_code(403)?.with_message("CONNECT")?;
        }
        let collection = somebody
            .all::<ConfigMap>()
            .delete_collection(&DeleteParams::default(), &Default::default())
            .await
            .map(|_| ());
        refused(collection)?.with_code(403)?;
        let admin = ns.admin().await?.in_namespace(SYSTEM_NAMESPACE);
        let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": ns.name}}))?;
        admin.create::<ConfigMap>(map).await?;
        admin.delete::<ConfigMap>(&ns.name).await?;
        Ok(())
    })
}

async fn refuses_everybody_else<K>(person: &Person, name: &str, patch: Value) -> Result<()>
where
    K: kube::Resource<Scope = kube::core::ClusterResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
{
    let all: Api<K> = Api::all(person.client().clone());
    let edited = all
        .patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await;
    refused(edited)?
        .with_code(403)?
        .with_message(name)?
        .with_message(&person.name)?;
    let deleted = all.delete(name, &DeleteParams::default()).await.map(|_| ());
    refused(deleted)?.with_code(403)?;
    Ok(())
}

#[test]
fn only_admins_change_namesakes_cluster_scoped_objects() -> Result<()> {
    with_namespace(|ns| async move {
        let somebody = person_with_cluster_rights(&ns).await?;
        let note = || json!({"metadata": {"annotations": {"note": "mine"}}});
        refuses_everybody_else::<MutatingWebhookConfiguration>(
            &somebody,
            WEBHOOK_CONFIGURATION,
            note(),
        )
        .await?;
        refuses_everybody_else::<ValidatingWebhookConfiguration>(
            &somebody,
            WEBHOOK_CONFIGURATION,
            note(),
        )
        .await?;
        refuses_everybody_else::<CustomResourceDefinition>(
            &somebody,
            "identities.namesake.dev",
            note(),
        )
        .await?;
        refuses_everybody_else::<ClusterRole>(&somebody, "namesake-webhook", note()).await?;
        refuses_everybody_else::<ClusterRoleBinding>(&somebody, "namesake-webhook", note()).await?;
        refuses_everybody_else::<Namespace>(&somebody, SYSTEM_NAMESPACE, note()).await?;
        Ok(())
    })
}

#[test]
fn the_webhook_itself_writes_its_ca_bundle_and_nothing_else_of_the_configuration() -> Result<()> {
    with_namespace(|ns| async move {
        let webhook = ns.webhook().await?;
        let all: Api<MutatingWebhookConfiguration> = Api::all(webhook.client().clone());
        let there = all.get(WEBHOOK_CONFIGURATION).await?;
        let selector = json!([{"op": "remove", "path": "/webhooks/0/namespaceSelector"}]);
        let ignore =
            json!([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]);
        let none = json!([{"op": "remove", "path": "/webhooks/0"}]);
        for patch in [selector, ignore, none] {
            let patch = Patch::<()>::Json(serde_json::from_value(patch)?);
            let tried = all
                .patch(WEBHOOK_CONFIGURATION, &PatchParams::default(), &patch)
                .await;
            refused(tried)?
                .with_code(403)?
                .with_message(&webhook.name)?;
        }
        let bundle = there.webhooks.iter().flatten().next();
        ensure!(
            bundle.is_some_and(|w| w.client_config.ca_bundle.is_some()),
            "it wrote none"
        );
        Ok(())
    })
}

async fn labelled(person: &Person, name: &str, labels: Value) -> kube::Result<Namespace> {
    let all: Api<Namespace> = Api::all(person.client().clone());
    let patch = Patch::Merge(json!({"metadata": {"labels": labels}}));
    all.patch(name, &PatchParams::default(), &patch).await
}

#[test]
fn only_admins_opt_a_namespace_in_or_out() -> Result<()> {
    with_namespace(|ns| async move {
        let somebody = person_with_cluster_rights(&ns).await?;
        for value in [json!(null), json!("other")] {
            refused(labelled(&somebody, &ns.name, json!({OPT_IN_LABEL: value})).await)?
                .with_code(403)?
                .with_message(OPT_IN_LABEL)?
                .with_message(&somebody.name)?;
        }
        let all: Api<Namespace> = Api::all(somebody.client().clone());
        let out = Patch::Merge(json!({"metadata": {"labels": {OPT_IN_LABEL: null}}}));
        let through_status = all
            .patch_status(&ns.name, &PatchParams::default(), &out)
            .await;
        refused(through_status)?.with_code(403)?;
        let elsewhere = ns.neighbour().await?;
        let opts_in =
            json!({OPT_IN_LABEL: "prod", "pod-security.kubernetes.io/enforce": "baseline"});
        refused(labelled(&somebody, &elsewhere.name, opts_in.clone()).await)?.with_code(403)?;
        let born: Namespace = serde_json::from_value(
            json!({"metadata": {"name": format!("{}-born", ns.name), "labels": opts_in}}),
        )?;
        refused(all.create(&PostParams::default(), &born).await)?.with_code(403)?;
        labelled(&somebody, &ns.name, json!({"team": "ml"})).await?;
        elsewhere.delete().await
    })
}

#[test]
fn opting_in_without_pod_security_is_refused_even_to_an_admin() -> Result<()> {
    with_namespace(|ns| async move {
        let admin = ns.admin().await?;
        let elsewhere = ns.neighbour().await?;
        for level in [json!(null), json!("privileged")] {
            let labels = json!({OPT_IN_LABEL: "prod", "pod-security.kubernetes.io/enforce": level});
            refused(labelled(&admin, &elsewhere.name, labels).await)?
                .with_code(403)?
                .with_message("pod-security.kubernetes.io/enforce")?;
            let weaker = json!({"pod-security.kubernetes.io/enforce": level});
            refused(labelled(&admin, &ns.name, weaker).await)?.with_code(403)?;
        }
        let stricter = json!({"pod-security.kubernetes.io/enforce": "restricted"});
        labelled(&admin, &ns.name, stricter).await?;
        elsewhere.delete().await
    })
}

#[test]
fn opting_in_warns_about_what_is_still_open() -> Result<()> {
    with_namespace(|ns| async move {
        let (admin, elsewhere) = (ns.admin().await?, ns.neighbour().await?);
        let labels =
            json!({OPT_IN_LABEL: "prod", "pod-security.kubernetes.io/enforce": "baseline"});
        let warned = async |labels: Value| {
            let patch = serde_json::to_vec(&json!({"metadata": {"labels": labels}}))?;
            let request = http::Request::patch(format!("/api/v1/namespaces/{}", elsewhere.name))
                .header("content-type", "application/merge-patch+json")
                .body(patch)?;
            admin.warnings_of(request).await
        };
        let text = warned(labels).await?;
        for part in [
            elsewhere.name.as_str(),
            "whoever is allowed to impersonate accounts there",
            "to write what its tasks read",
            "Jobs created before have no identity",
            "`kubectl namesake check`",
        ] {
            ensure!(text.contains(part), "{part:?} is not in {text:?}");
        }
        // Once is enough.
        let text = warned(json!({"team": "ml"})).await?;
        ensure!(text.is_empty(), "{text:?}");
        elsewhere.delete().await
    })
}

#[test]
fn deleting_an_opted_in_namespace_is_up_to_rbac() -> Result<()> {
    with_namespace(|ns| async move {
        let other = ns.neighbour().await?;
        other.opt_in().await?;
        other.alice().await?.create::<Pod>(pod()).await?;
        let all: Api<Namespace> = Api::all(person_with_cluster_rights(&ns).await?.client().clone());
        all.delete(&other.name, &DeleteParams::background()).await?;
        other.wait_until_gone().await
    })
}
