//! Nodes: the API server's node authorizer requires both the group and the user name of a node.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::ResourceExt;
use namesake_api::names::{RESOLUTION_ANNOTATION, STAMP_ANNOTATION};
use namesake_sandbox::kubernetes::users::{BOB, NODE_USER, SCHEDULER};
use namesake_tests::{
    cluster::{person::Person, refusal::refused},
    drafts::{metaflow_job, metaflow_pod, pod},
    namespace::{TestNamespace, account_of, with_namespace},
};
use serde_json::json;

use crate::abuse::guards::owner::with_every_right;

/// A person in the group of nodes, with `edit` here.
async fn in_the_group_of_nodes(ns: &TestNamespace) -> Result<Person> {
    let groups = ["system:nodes", "everybody@acme.com"];
    ns.stack
        .cluster()
        .person("eve@acme.com", &groups, &ns.name)
        .await
}

#[test]
fn membership_in_the_group_of_nodes_alone_makes_nobody_a_node() -> Result<()> {
    with_namespace(|ns| async move {
        let eve = in_the_group_of_nodes(&ns).await?;
        let job = eve.create::<Job>(metaflow_job()).await?;
        let stamp = job.annotations().get(STAMP_ANNOTATION);
        ensure!(stamp.is_some(), "the Job of {} has no stamp", eve.name);
        let made = eve.create::<Pod>(metaflow_pod()).await?;
        ns.runs_as(&made, &eve.name).await?;
        let bobs = ns.bob().await?.create::<Pod>(pod()).await?;
        let account = account_of(&bobs).to_owned();
        let resolution = bobs.annotations().get(RESOLUTION_ANNOTATION);
        let planted = pod()
            .running_as(&account)
            .annotated(RESOLUTION_ANNOTATION, resolution.context("no resolution")?);
        let made = eve.create::<Pod>(planted).await?;
        ns.runs_as(&made, &eve.name).await?;
        Ok(())
    })
}

#[test]
fn a_status_written_by_a_mere_member_of_the_group_of_nodes_is_checked() -> Result<()> {
    with_namespace(|ns| async move {
        // The same rights as `with_every_right`, for somebody who is also in the group of nodes.
        let owner = with_every_right(&ns).await?;
        let groups = ["system:nodes", "everybody@acme.com"];
        let cluster = ns.stack.cluster();
        let owner = cluster.person(&owner.name, &groups, &ns.name).await?;
        let made = ns.bob().await?.create::<Pod>(pod()).await?;
        let pods = owner.all::<Pod>();
        for edit in [
            json!({"status": {"phase": "Succeeded"}}),
            json!({"metadata": {"annotations": {"namesake.dev/user": "x"}}}),
            json!({"metadata": {"labels": {"job-name": "bobs"}}}),
        ] {
            let patch = kube::api::Patch::Merge(edit);
            let tried = pods
                .patch_status(&made.name_any(), &Default::default(), &patch)
                .await;
            refused(tried)?.with_code(403)?.with_message(&owner.name)?;
        }
        Ok(())
    })
}

#[test]
fn a_node_writes_the_status_of_bobs_pod() -> Result<()> {
    with_namespace(|ns| async move {
        let made = ns.bob().await?.create::<Pod>(pod()).await?;
        ns.runs_as(&made, BOB).await?;
        ns.wait_until_ungated(&made).await?;
        let scheduler = ns.stack.cluster().user(SCHEDULER, &ns.name).await?;
        let (url, name) = (
            scheduler.all::<Pod>().resource_url().to_owned(),
            made.name_any(),
        );
        let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name},
            "target": {"apiVersion": "v1", "kind": "Node", "name": "loopback"}});
        let request = http::Request::post(format!("{url}/{name}/binding"))
            .header("content-type", "application/json")
            .body(binding.to_string().into_bytes())?;
        scheduler
            .client()
            .request::<serde_json::Value>(request)
            .await?;
        let node = ns.stack.cluster().user(NODE_USER, &ns.name).await?;
        let running = kube::api::Patch::Merge(json!({"status": {"phase": "Running"}}));
        let pods = node.all::<Pod>();
        let says = pods
            .patch_status(&name, &Default::default(), &running)
            .await?;
        ensure!(says.status.and_then(|status| status.phase).as_deref() == Some("Running"));
        Ok(())
    })
}
