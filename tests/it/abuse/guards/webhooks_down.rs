//! All our webhooks are down: existing objects can be deleted as always, and nothing new gets an identity.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{core::v1::Pod, rbac::v1::ClusterRoleBinding};
use kube::ResourceExt;
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, PostParams},
};
use namesake_api::names::STAMP_ANNOTATION;
use namesake_sandbox::kubernetes::users::BOB;
use namesake_tests::{
    cluster::refusal::refused,
    controllers::replayed_argo::{FLOW, create, kind, template, trigger},
    drafts::metaflow_pod,
    eventually::eventually,
    namespace::{TestNamespace, with_own_stack},
    stack::Options,
};
use serde_json::{Value, json};

use super::person_with_cluster_rights;
use crate::abuse::raw::{one_of_each_kind, place, send_json};

/// Creates one object of each kind as alice, with a finalizer where a controller may set one, and returns their URLs.
async fn one_of_each(ns: &TestNamespace) -> Result<Vec<String>> {
    let alice = ns.alice().await?;
    let mut places = Vec::new();
    for (of, mut object) in one_of_each_kind() {
        let (api_version, _) = of.rsplit_once('/').unwrap_or_default();
        object["apiVersion"] = json!(api_version);
        object["metadata"]["name"] = json!("there");
        let place = place(of, &ns.name);
        send_json(&alice, "POST", &place, &object)
            .await?
            .expect_stored()?;
        places.push(place);
    }
    let pod = alice.create::<Pod>(metaflow_pod()).await?;
    ns.wait_until_ungated(&pod).await?;
    places.push(place("v1/pods", &ns.name));
    Ok(places)
}

#[test]
fn whole_collections_of_every_kind_and_their_namespace_can_be_deleted() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let places = one_of_each(&ns).await?;
        let other = ns.neighbour().await?;
        other.opt_in().await?;
        one_of_each(&other).await?;
        let somebody = person_with_cluster_rights(&ns).await?;
        ns.stack.kill_webhook().await;
        for place in &places {
            send_json(&somebody, "DELETE", place, &json!({}))
                .await?
                .expect_stored()
                .context(place.clone())?;
            eventually("the collection is empty", async || {
                let request = http::Request::get(place).body(Vec::new())?;
                let left = somebody.client().request::<Value>(request).await?;
                let names = left["items"].as_array().map_or(0, Vec::len);
                ensure!(names == 0, "{place}: {names}");
                Ok(())
            })
            .await?;
        }
        other.delete().await?;
        other.wait_until_gone().await?;
        ns.stack.start_webhook().await?;
        // Later tests on this cluster check who has such rights.
        let rights: Api<ClusterRoleBinding> = Api::all(ns.admin().await?.client().clone());
        rights
            .delete("everything", &DeleteParams::default())
            .await?;
        Ok(())
    })
}

#[test]
fn a_cluster_workflow_template_created_while_the_webhook_was_down_has_no_proven_deployer()
-> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let (admin, bob) = (ns.admin().await?, ns.bob().await?);
        let all: Api<DynamicObject> =
            Api::all_with(admin.client().clone(), &kind("ClusterWorkflowTemplate"));
        let name = format!("{FLOW}-{}", ns.name);
        let mut wide = template();
        wide["kind"] = json!("ClusterWorkflowTemplate");
        wide["metadata"]["name"] = json!(name);
        // With bob's stamp, from his template.
        let own = create(&bob, &template()).await?;
        wide["metadata"]["annotations"][STAMP_ANNOTATION] =
            json!(own.annotations().get(STAMP_ANNOTATION));
        ns.stack.kill_webhook().await;
        // The webhook accepts templates without a stamp, because a template runs nothing by itself.
        all.create(&PostParams::default(), &serde_json::from_value(wide)?)
            .await?;
        ns.stack.start_webhook().await?;
        let mut run = trigger();
        run["spec"]["workflowTemplateRef"] = json!({"name": name, "clusterScope": true});
        let started = eventually("the webhook answers again", async || {
            let told = refused(create(&bob, &run).await)?;
            ensure!(told.code == 403, "{told:?}");
            Ok(told)
        })
        .await;
        all.delete(&name, &DeleteParams::default()).await?;
        started?
            .with_message("nothing proves who deployed")?
            .with_message(BOB)?;
        Ok(())
    })
}
