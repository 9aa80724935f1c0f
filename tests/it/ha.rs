//! Several brokers: every one answers, one leads, and another goes on where a leader was killed.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{batch::v1::Job, coordination::v1::Lease};
use kube::Api;
use namesake_api::names::{BROKER_LEASE, SYSTEM_NAMESPACE};
use namesake_sandbox::users::ADMIN;
use namesake_tests::{
    drafts::metaflow_job,
    eventually::eventually,
    namespace::{TestNamespace, account_of, with_own_stack},
    stack::{LEASE, Options},
};
use serde_json::json;

/// Who holds the Lease.
async fn leader(ns: &TestNamespace) -> Result<String> {
    let client = ns.stack.cluster().control_plane.client(ADMIN).await?;
    let leases: Api<Lease> = Api::namespaced(client, SYSTEM_NAMESPACE);
    let spec = leases.get(BROKER_LEASE).await?.spec;
    let holder = spec.and_then(|spec| spec.holder_identity);
    holder.context("nobody leads")
}

#[test]
fn another_broker_goes_on_where_the_leader_was_killed_and_answers_before() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let google = ns.stack.google();
        let first = eventually("somebody leads", async || leader(&ns).await).await?;
        let second = ns.stack.another_broker().await?;
        ensure!(leader(&ns).await? == first, "the second one leads");
        // The binding's write hangs, so that the leader dies in it.
        google.fails(json!({"method": "POST", "path": "*:setIamPolicy", "times": 0, "delaySeconds": 600.0, "answer": "cut"}))?;
        let job = ns.alice().await?.creates::<Job>(metaflow_job()).await?;
        let pod = ns.pod_of(&job).await?;
        let name = account_of(&pod).to_owned();
        eventually("the account is there", async || {
            let accounts = google.accounts_of(&ns.name);
            ensure!(accounts.contains(&name), "{accounts:?}");
            Ok(())
        })
        .await?;
        ns.stack.broker_is_killed().await;
        google.state().clear_faults();
        ns.gate_opens(&pod).await?;
        ensure!(leader(&ns).await? != first, "nobody else leads");
        ensure!(
            google.accounts_of(&ns.name).len() == 1,
            "{:?}",
            google.accounts_of(&ns.name)
        );
        google.who_is(&ns, &name).await?;
        second.is_killed().await;
        Ok(())
    })
}

#[test]
fn a_leader_that_is_robbed_of_the_lease_stops_and_leads_again_when_the_thief_is_gone() -> Result<()>
{
    with_own_stack(Options::default(), |ns| async move {
        let google = ns.stack.google();
        eventually("somebody leads", async || leader(&ns).await).await?;
        let client = ns.stack.cluster().control_plane.client(ADMIN).await?;
        let leases: Api<Lease> = Api::namespaced(client, SYSTEM_NAMESPACE);
        let theft = json!({"spec": {"holderIdentity": "thief", "leaseDurationSeconds": 5}});
        leases
            .patch(
                BROKER_LEASE,
                &kube::api::PatchParams::default(),
                &kube::api::Patch::Merge(theft),
            )
            .await?;
        // Whether or not it looks at the Lease: what it last renewed has run out by then.
        tokio::time::sleep(LEASE).await;
        let job = ns.bob().await?.creates::<Job>(metaflow_job()).await?;
        let pod = ns.pod_of(&job).await?;
        let name = account_of(&pod).to_owned();
        // The thief never renews: its Lease runs out, and everything is done after all; nothing before.
        eventually("the thief's Lease runs out", async || {
            let made = google.accounts_of(&ns.name).contains(&name);
            let thief = leader(&ns).await? == "thief";
            ensure!(made || !thief, "not yet");
            Ok(made && thief)
        })
        .await
        .and_then(|broken| {
            ensure!(!broken, "it was made by one who does not lead");
            Ok(())
        })?;
        ns.gate_opens(&pod).await?;
        ensure!(leader(&ns).await? != "thief");
        Ok(())
    })
}

#[test]
fn a_leader_that_is_stopped_gives_the_lease_back() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let first = eventually("somebody leads", async || leader(&ns).await).await?;
        let second = ns.stack.another_broker().await?;
        ns.stack.broker_is_stopped().await;
        let next = eventually("another leads", async || {
            let now = leader(&ns).await?;
            ensure!(now != first, "the first one still does");
            Ok(now)
        })
        .await?;
        ensure!(next != first);
        second.is_killed().await;
        Ok(())
    })
}
