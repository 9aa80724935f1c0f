//! Pods with an identity: nobody else changes what they run.

use anyhow::{Result, ensure};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use namesake_api::names::{
    GATE, IDENTITY_LABEL, RESOLUTION_ANNOTATION, USER_ANNOTATION, WAITING_ANNOTATION,
};
use namesake_sandbox::kubernetes::users::BOB;
use namesake_tests::{
    cluster::{manifests, person::Person, refusal::refused},
    drafts::{metaflow_job, pod},
    eventually::eventually,
    namespace::{TestNamespace, with_namespace},
};
use serde_json::{Value, json};

use super::{
    enter::{BILLING, billing_pod_of_bob},
    person_with_cluster_rights,
};

mod adoption;
mod nodes;
mod owner_references;
mod placement;
mod status;

/// A pod of bob that waits at its gate, because Google is slow.
async fn gated(ns: &TestNamespace) -> Result<Pod> {
    let job = ns.bob().await?.create::<Job>(metaflow_job()).await?;
    let pod = ns.pod_of(&job).await?;
    ns.runs_as(&pod, BOB).await?;
    Ok(pod)
}

async fn strategic(person: &Person, pod: &str, patch: Value) -> kube::Result<Pod> {
    let pods: Api<Pod> = person.all();
    pods.patch(pod, &PatchParams::default(), &Patch::Strategic(patch))
        .await
}

fn image(container: &str) -> Value {
    json!({"spec": {"containers": [{"name": container, "image": "mallorys"}]}})
}

fn first_container(pod: &Pod) -> String {
    let spec = pod.spec.as_ref();
    spec.and_then(|spec| spec.containers.first())
        .map(|container| container.name.clone())
        .unwrap_or_default()
}

#[test]
fn nobody_changes_the_image_of_bobs_pod_not_even_bob() -> Result<()> {
    with_namespace(|ns| async move {
        let pod = gated(&ns).await?;
        let edit = image(&first_container(&pod));
        for person in [
            ns.mallory().await?,
            person_with_cluster_rights(&ns).await?,
            ns.bob().await?,
        ] {
            refused(strategic(&person, &pod.name_any(), edit.clone()).await)?
                .with_code(403)?
                .with_message("images")?
                .with_message(&person.name)?;
        }
        let admin = ns.admin().await?;
        strategic(&admin, &pod.name_any(), edit).await?;
        Ok(())
    })
}

#[test]
fn a_pod_with_a_guarded_account_keeps_its_images_too() -> Result<()> {
    with_namespace(|ns| async move {
        let pod = billing_pod_of_bob(&ns).await?;
        let edit = image(&first_container(&pod));
        let mallory = ns.mallory().await?;
        let admin = ns.admin().await?;
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": format!("guarded-{}", ns.name)},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "namesake-guarded"},
            "subjects": [{"kind": "ServiceAccount", "name": BILLING, "namespace": ns.name}],
        });
        manifests::apply(admin.client(), &binding, "", false).await?;
        eventually("mallory is refused", async || {
            refused(strategic(&mallory, &pod.name_any(), edit.clone()).await)?
                .with_code(403)?
                .with_message("images")?;
            Ok(())
        })
        .await?;
        strategic(&admin, &pod.name_any(), edit).await?;
        Ok(())
    })
}

#[test]
fn nobody_changes_namesakes_keys_on_bobs_pod_and_anybody_changes_other_keys() -> Result<()> {
    with_namespace(|ns| async move {
        let pod = gated(&ns).await?;
        let mallory = person_with_cluster_rights(&ns).await?;
        for (of, key) in [
            ("labels", IDENTITY_LABEL),
            ("annotations", USER_ANNOTATION),
            ("annotations", RESOLUTION_ANNOTATION),
            ("annotations", WAITING_ANNOTATION),
            ("annotations", "namesake.dev/anything"),
        ] {
            let edit = json!({"metadata": {of: {key: "mallorys"}}});
            refused(mallory.patch::<Pod>(&pod.name_any(), edit.clone()).await)?
                .with_code(403)?
                .with_message("namesake.dev/")?;
            let pods: Api<Pod> = mallory.all();
            let through_status = pods
                .patch_status(
                    &pod.name_any(),
                    &PatchParams::default(),
                    &Patch::Merge(edit),
                )
                .await;
            refused(through_status)?.with_code(403)?;
        }
        for key in [IDENTITY_LABEL] {
            let edit = json!({"metadata": {"labels": {key: null}}});
            refused(mallory.patch::<Pod>(&pod.name_any(), edit).await)?.with_code(403)?;
        }
        let harmless =
            json!({"metadata": {"labels": {"team": "ml"}, "annotations": {"note": "hello"}}});
        mallory.patch::<Pod>(&pod.name_any(), harmless).await?;
        Ok(())
    })
}

#[test]
fn only_the_broker_removes_the_gate_of_bobs_pod() -> Result<()> {
    with_namespace(|ns| async move {
        let pod = gated(&ns).await?;
        let waits = pod
            .spec
            .as_ref()
            .and_then(|spec| spec.scheduling_gates.as_ref())
            .is_some_and(|gates| gates.iter().any(|gate| gate.name == GATE));
        ensure!(waits, "the pod of a new user does not wait");
        let open = json!({"spec": {"schedulingGates": null}});
        for person in [ns.mallory().await?, person_with_cluster_rights(&ns).await?] {
            let tried = person.patch::<Pod>(&pod.name_any(), open.clone()).await;
            // The broker may have been faster: then the gate is gone, and there is nothing to refuse.
            match tried {
                Ok(pod) => {
                    ns.wait_until_ungated(&pod).await?;
                    return Ok(());
                }
                refusal => {
                    refused(refusal)?
                        .with_code(403)?
                        .with_message("gate")?
                        .with_message(&person.name)?;
                }
            }
        }
        ns.wait_until_ungated(&pod).await
    })
}

#[test]
fn only_an_admin_adds_ephemeral_containers_to_bobs_pod() -> Result<()> {
    with_namespace(|ns| async move {
        let pod = gated(&ns).await?;
        let debug =
            json!({"spec": {"ephemeralContainers": [{"name": "debug", "image": "busybox"}]}});
        let patch = Patch::Strategic(debug);
        let add = async |person: Person| {
            let pods: Api<Pod> = person.all();
            let name = pod.name_any();
            pods.patch_ephemeral_containers(&name, &PatchParams::default(), &patch)
                .await
        };
        refused(add(person_with_cluster_rights(&ns).await?).await)?
            .with_code(403)?
            .with_message("ephemeral containers")?;
        add(ns.admin().await?).await?;
        Ok(())
    })
}

#[test]
fn a_pod_without_an_identity_stays_as_editable_as_before() -> Result<()> {
    with_namespace(|ns| async move {
        let neighbour = ns.neighbour().await?;
        let mallory = neighbour.mallory().await?;
        let own = mallory.create::<Pod>(pod()).await?;
        strategic(&mallory, &own.name_any(), image("main")).await?;
        let ours = json!({"metadata": {"annotations": {"namesake.dev/user": BOB}}});
        mallory.patch::<Pod>(&own.name_any(), ours).await?;
        neighbour.delete().await
    })
}

#[test]
fn cluster_wide_rights_are_enough_to_write_the_status_of_bobs_pod() -> Result<()> {
    with_namespace(|ns| async move {
        let pod = gated(&ns).await?;
        let status = json!({"status": {"phase": "Running", "containerStatuses": []}});
        let pods: Api<Pod> = person_with_cluster_rights(&ns).await?.all();
        let patched = pods
            .patch_status(
                &pod.name_any(),
                &PatchParams::default(),
                &Patch::Merge(status),
            )
            .await?;
        ensure!(patched.status.and_then(|s| s.phase).as_deref() == Some("Running"));
        Ok(())
    })
}

#[test]
fn the_broker_itself_removes_gates_and_changes_nothing_else_in_pods() -> Result<()> {
    with_namespace(|ns| async move {
        let pod = gated(&ns).await?;
        let broker = ns.broker().await?;
        for edit in [
            image(&first_container(&pod)),
            json!({"metadata": {"annotations": {USER_ANNOTATION: "mallory@acme.com"}}}),
            json!({"metadata": {"labels": {"team": "ml"}}}),
            json!({"metadata": {"ownerReferences": null, "finalizers": ["acme.com/x"]}}),
        ] {
            refused(strategic(&broker, &pod.name_any(), edit).await)?
                .with_code(403)?
                .with_message("broker")?;
        }
        let says = json!({"metadata": {"annotations": {WAITING_ANNOTATION: "Test: it waits"}}});
        broker.patch::<Pod>(&pod.name_any(), says).await?;
        let neighbour = ns.neighbour().await?;
        let others = neighbour
            .mallory()
            .await?
            .create::<Pod>(super::pod())
            .await?;
        let there = broker.in_namespace(&neighbour.name);
        let says = json!({"metadata": {"annotations": {WAITING_ANNOTATION: "x"}}});
        refused(there.patch::<Pod>(&others.name_any(), says).await)?.with_code(403)?;
        neighbour.delete().await
    })
}
