//! Placement of pods with an identity: only admins and schedulers change it.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{authorization::v1::SelfSubjectAccessReview, core::v1::Pod};
use kube::{Api, ResourceExt, api::PostParams};
use namesake_sandbox::kubernetes::users::{BOB, SCHEDULER};
use namesake_tests::{
    cluster::{manifests, person::Person, refusal::refused},
    drafts::{Draft, metaflow_job, pod},
    eventually::eventually,
    namespace::{TestNamespace, with_namespace},
};
use serde_json::{Value, json};

use crate::abuse::guards::{owner::with_every_right, person_with_cluster_rights};

/// A pod with an additional gate, so that it waits whatever the broker does.
fn held() -> Draft {
    pod().pod_field("schedulingGates", json!([{"name": "acme.com/hold"}]))
}

async fn held_pod_of_bob(ns: &TestNamespace) -> Result<String> {
    let made = ns.bob().await?.create::<Pod>(held()).await?;
    ns.runs_as(&made, BOB).await?;
    Ok(made.name_any())
}

/// Every change to the placement of a gated pod that the API server accepts.
fn placements(pod: &Pod) -> Result<Vec<Value>> {
    let there = pod.spec.as_ref().context("no spec")?.tolerations.clone();
    let mut tolerations = serde_json::to_value(there.unwrap_or_default())?;
    let all = tolerations.as_array_mut().context("not a list")?;
    all.push(json!({"key": "pool", "operator": "Equal", "value": "no-metadata-server", "effect": "NoSchedule"}));
    let expression = json!({"key": "pool", "operator": "In", "values": ["no-metadata-server"]});
    let term = json!({"matchExpressions": [expression]});
    Ok(vec![
        json!({"spec": {"nodeSelector": {"pool": "no-metadata-server"}}}),
        json!({"spec": {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [term]}}}}}),
        json!({"spec": {"tolerations": tolerations}}),
    ])
}

async fn change_placement(person: &Person, name: &str) -> Result<()> {
    let there: Pod = person.all().get(name).await?;
    for edit in placements(&there)? {
        let edited = person.patch::<Pod>(name, edit.clone()).await;
        edited.with_context(|| format!("{} and {edit}", person.name))?;
    }
    Ok(())
}

#[test]
fn nobody_changes_where_bobs_gated_pod_runs_not_even_bob() -> Result<()> {
    with_namespace(|ns| async move {
        let name = held_pod_of_bob(&ns).await?;
        let others = [
            ns.mallory().await?,
            ns.bob().await?,
            person_with_cluster_rights(&ns).await?,
            with_every_right(&ns).await?,
        ];
        let there: Pod = ns.admin().await?.all().get(&name).await?;
        for person in others {
            for edit in placements(&there)? {
                refused(person.patch::<Pod>(&name, edit).await)?
                    .with_code(403)?
                    .with_message("node selector")?
                    .with_message(&person.name)?;
            }
            let harmless = json!({"metadata": {"labels": {"team": "ml"}}});
            person.patch::<Pod>(&name, harmless).await?;
        }
        change_placement(&ns.admin().await?, &name).await
    })
}

#[test]
fn a_scheduler_authorized_by_an_admin_places_bobs_gated_pod() -> Result<()> {
    with_namespace(|ns| async move {
        let name = held_pod_of_bob(&ns).await?;
        let kueue = ns.person("kueue@acme.com").await?;
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": format!("placement-{}", ns.name)},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "namesake-placement"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": kueue.name}],
        });
        let admin = ns.admin().await?;
        manifests::while_applied(admin.client(), &[binding], "", async || {
            has_right(&kueue, "place").await?;
            change_placement(&kueue, &name).await
        })
        .await
    })
}

async fn has_right(person: &Person, verb: &str) -> Result<()> {
    let reviews = Api::<SelfSubjectAccessReview>::all(person.client().clone());
    let review = serde_json::from_value(json!({"spec": {"resourceAttributes": {
        "group": "namesake.dev", "resource": "identities", "verb": verb}}}))?;
    eventually(&format!("{} may {verb}", person.name), async || {
        let answer = reviews.create(&PostParams::default(), &review).await?;
        ensure!(answer.status.is_some_and(|status| status.allowed));
        Ok(())
    })
    .await
}

#[test]
fn where_a_pod_without_an_identity_runs_is_up_to_rbac() -> Result<()> {
    with_namespace(|ns| async move {
        let neighbour = ns.neighbour().await?;
        let mallory = neighbour.mallory().await?;
        let own = mallory.create::<Pod>(held()).await?.name_any();
        change_placement(&mallory, &own).await?;
        neighbour.delete().await
    })
}

/// Binds a pod to a node, with this metadata of the Binding.
async fn bind(person: &Person, pod: &str, metadata: Value) -> kube::Result<Value> {
    let url = person.all::<Pod>().resource_url().to_owned();
    let mut metadata = metadata;
    metadata["name"] = json!(pod);
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": metadata,
        "target": {"apiVersion": "v1", "kind": "Node", "name": "no-metadata-server"}});
    let request = http::Request::post(format!("{url}/{pod}/binding"))
        .header("content-type", "application/json")
        .body(binding.to_string().into_bytes())
        .map_err(kube::Error::HttpError)?;
    person.client().request(request).await
}

#[test]
fn only_schedulers_of_the_whole_cluster_choose_a_node() -> Result<()> {
    with_namespace(|ns| async move {
        let made = ns.bob().await?.create::<Pod>(pod()).await?;
        ns.wait_until_ungated(&made).await?;
        let name = made.name_any();
        let owner = with_every_right(&ns).await?;
        refused(bind(&owner, &name, json!({})).await)?
            .with_code(403)?
            .with_message("only schedulers")?
            .with_message(&owner.name)?;
        let scheduler = ns.stack.cluster().user(SCHEDULER, &ns.name).await?;
        bind(
            &scheduler,
            &name,
            json!({"labels": {"topology.kubernetes.io/zone": "a"}}),
        )
        .await?;
        let bound: Pod = ns.admin().await?.all().get(&name).await?;
        let node = bound.spec.and_then(|spec| spec.node_name);
        ensure!(node.as_deref() == Some("no-metadata-server"), "{node:?}");
        Ok(())
    })
}

#[test]
fn a_binding_cannot_write_keys_that_say_who_a_pod_belongs_to() -> Result<()> {
    with_namespace(|ns| async move {
        let job = ns.bob().await?.create(metaflow_job()).await?;
        let bobs: Pod = ns.pod_of(&job).await?;
        let somebody = person_with_cluster_rights(&ns).await?;
        let own = somebody.create::<Pod>(pod()).await?.name_any();
        let controller = bobs.labels()["controller-uid"].clone();
        for (of, key, value) in [
            ("labels", "controller-uid", controller.as_str()),
            (
                "labels",
                "batch.kubernetes.io/controller-uid",
                controller.as_str(),
            ),
            ("labels", "jobset.sigs.k8s.io/jobset-name", "bobs"),
            ("labels", "workflows.argoproj.io/workflow", "bobs-flow"),
            (
                "annotations",
                "workflows.argoproj.io/node-id",
                "bobs-flow-1",
            ),
            ("annotations", "namesake.dev/user", BOB),
        ] {
            refused(bind(&somebody, &own, json!({of: {key: value}})).await)?
                .with_code(403)?
                .with_message(key)?
                .with_message(&somebody.name)?;
        }
        Ok(())
    })
}
