//! Access to running pods (exec, attach, port-forward), and results of Argo steps.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::ResourceExt;
use namesake_sandbox::kubernetes::users::BOB;
use namesake_tests::{
    cluster::{
        person::Person,
        refusal::{Refused, refused},
    },
    drafts::{metaflow_job, pod},
    namespace::{TestNamespace, account_of, with_namespace, with_own_stack},
    stack::Options,
};
use serde_json::{Value, json};

use super::person_with_cluster_rights;

/// The service account that a rule in the shared rules assigns to bob's billing flows.
pub(super) const BILLING: &str = "metaflow-billing";
const WAYS: [&str; 4] = [
    "exec?command=id&stdout=true",
    "attach?stdout=true",
    "portforward",
    "proxy",
];

/// Tries to enter a pod. There is no kubelet, so permitted requests fail too, with another message.
async fn enter(person: &Person, pod: &str, way: &str) -> Result<Refused> {
    let namespace = person
        .all::<Pod>()
        .resource_url()
        .trim_end_matches("/pods")
        .to_owned();
    let (way, query) = way.split_once('?').unwrap_or((way, ""));
    let request =
        http::Request::post(format!("{namespace}/pods/{pod}/{way}?{query}")).body(Vec::new())?;
    refused(person.client().request::<Value>(request).await)
}

async fn check_may_enter(person: &Person, pod: &str) -> Result<()> {
    for way in WAYS {
        let answer = enter(person, pod, way).await?;
        ensure!(
            !answer.message.contains("namesake"),
            "{} may not {way}: {}",
            person.name,
            answer.message
        );
    }
    Ok(())
}

/// A pod of bob that runs as the service account that a rule in the shared rules assigns.
pub(super) async fn billing_pod_of_bob(ns: &TestNamespace) -> Result<Pod> {
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": BILLING}});
    namesake_tests::cluster::manifests::apply(
        ns.admin().await?.client(),
        &account,
        &ns.name,
        false,
    )
    .await?;
    let job = metaflow_job().flow("BillingReport");
    let job = ns.bob().await?.create::<Job>(job).await?;
    let pod = ns.pod_of(&job).await?;
    ensure!(account_of(&pod) == BILLING, "{}", account_of(&pod));
    Ok(pod)
}

async fn pod_of_bob(ns: &TestNamespace) -> Result<Pod> {
    let job = ns.bob().await?.create::<Job>(metaflow_job()).await?;
    let pod = ns.pod_of(&job).await?;
    ns.runs_as(&pod, BOB).await?;
    Ok(pod)
}

#[test]
fn only_bob_and_admins_enter_bobs_pod() -> Result<()> {
    with_namespace(|ns| async move {
        let pod = pod_of_bob(&ns).await?.name_any();
        for person in [
            ns.mallory().await?,
            ns.alice().await?,
            ns.person("carol@acme.com").await?,
        ] {
            for way in WAYS {
                enter(&person, &pod, way)
                    .await?
                    .with_code(403)?
                    .with_message("guard.namesake.dev")?
                    .with_message(BOB)?
                    .with_message(&person.name)?;
            }
        }
        check_may_enter(&ns.bob().await?, &pod).await?;
        check_may_enter(&ns.admin().await?, &pod).await
    })
}

#[test]
fn the_metadata_of_a_pod_lets_nobody_enter_it() -> Result<()> {
    with_namespace(|ns| async move {
        // Mallory's pod names her in every key; bob's does not mention her.
        let mallory = ns.mallory().await?;
        let own = mallory.create::<Pod>(pod()).await?.name_any();
        check_may_enter(&mallory, &own).await?;
        let bob = ns.bob().await?;
        enter(&bob, &own, WAYS[0])
            .await?
            .with_code(403)?
            .with_message(&mallory.name)?;
        Ok(())
    })
}

#[test]
fn a_pod_with_an_account_that_a_rule_gives_to_bob_is_not_entered_by_others() -> Result<()> {
    with_namespace(|ns| async move {
        let pod = billing_pod_of_bob(&ns).await?.name_any();
        for person in [ns.mallory().await?, ns.alice().await?] {
            for way in WAYS {
                enter(&person, &pod, way)
                    .await?
                    .with_code(403)?
                    .with_message("metaflow-billing")?
                    .with_message(&person.name)?;
            }
        }
        check_may_enter(&ns.bob().await?, &pod).await?;
        check_may_enter(&ns.admin().await?, &pod).await
    })
}

#[test]
fn nobody_enters_a_pod_that_does_not_exist() -> Result<()> {
    with_namespace(|ns| async move {
        enter(
            &person_with_cluster_rights(&ns).await?,
            "no-such-pod",
            WAYS[0],
        )
        .await?
        .with_code(403)?
        .with_message("there is no pod no-such-pod")?;
        Ok(())
    })
}

#[test]
fn while_the_webhook_is_down_nobody_enters_and_running_pods_finish_and_are_deleted() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let pod = pod_of_bob(&ns).await?;
        let job = pod
            .owner_references()
            .first()
            .context("no owner")?
            .name
            .clone();
        ns.stack.kill_webhook().await;
        for person in [ns.mallory().await?, ns.bob().await?] {
            enter(&person, &pod.name_any(), WAYS[0])
                .await?
                .with_message("guard.namesake.dev")?;
        }
        // It ends, its controller removes its finalizer, and the garbage collector deletes it with its Job.
        let admin = ns.admin().await?;
        let ended = serde_json::json!({"status": {"phase": "Succeeded"}});
        admin
            .all::<Pod>()
            .patch_status(
                &pod.name_any(),
                &Default::default(),
                &kube::api::Patch::Merge(ended),
            )
            .await?;
        namesake_tests::eventually::eventually("the Job counts its pod", async || {
            let job: Job = admin.all().get(&job).await?;
            let succeeded = job.status.and_then(|status| status.succeeded);
            ensure!(succeeded == Some(1), "{succeeded:?}");
            Ok(())
        })
        .await?;
        ns.mallory().await?.delete::<Job>(&job).await?;
        namesake_tests::eventually::eventually("its pod is gone", async || {
            let found = admin.all::<Pod>().get_opt(&pod.name_any()).await?;
            ensure!(found.is_none(), "it is there");
            Ok(())
        })
        .await?;
        let collected = ns
            .bob()
            .await?
            .all::<Job>()
            .delete_collection(&Default::default(), &Default::default())
            .await;
        ensure!(collected.is_ok(), "{collected:?}");
        ns.stack.start_webhook().await
    })
}
