//! A leader whose process is frozen, as on a machine that hangs, and continues after another one has become the leader.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use namesake_tests::{
    drafts::metaflow_job,
    eventually::eventually,
    google::Google,
    namespace::{TestNamespace, account_of, with_own_stack},
    stack::{Options, replica::Replica},
};
use serde_json::json;

/// The number of identities that are about to be bound when the leader is frozen.
const PEOPLE: usize = 6;
/// More requests than there will be.
const MANY: u64 = 1000;

/// The number of the leader's policy reads that wait for a response.
fn waiting_reads(google: &Google) -> u64 {
    let left = &google.state().listing()["faults"][0]["fault"]["times"];
    MANY - left.as_u64().unwrap_or(MANY)
}

async fn wait_until_leader(replica: &Replica) -> Result<()> {
    eventually("it leads", async || {
        ensure!(replica.is_leader().await?);
        Ok(())
    })
    .await
}

async fn create_pod(ns: &TestNamespace, user: &str) -> Result<Pod> {
    let user = ns.person(&format!("{user}@acme.com")).await?;
    let job = user.create::<Job>(metaflow_job()).await?;
    ns.pod_of(&job).await
}

fn last_request(google: &Google) -> u64 {
    google.state().requests(0).last().map_or(0, |r| r.number)
}

async fn wait_until_it_knows(replica: &Replica) -> Result<()> {
    eventually("it sees that it does not lead", async || {
        ensure!(replica.has_logged("not leading any more"));
        Ok(())
    })
    .await
}

#[test]
fn a_leader_paused_past_its_lease_writes_nothing_when_it_resumes_and_follows() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let google = ns.stack.google();
        let service = ns.stack.replace_broker_by_service().await?;
        let first = Replica::start(&ns, "first").await?;
        wait_until_leader(&first).await?;
        let second = Replica::start(&ns, "second").await?;
        service.add(second.address);
        // The reads are answered while it is frozen: when it continues, it has everything it needs to write.
        google.plan_fault(json!({"method": "POST", "path": "*:getIamPolicy", "caller": first.caller(), "times": MANY, "delaySeconds": 5.0}))?;
        let mut pods = Vec::new();
        for n in 0..PEOPLE {
            pods.push(create_pod(&ns, &format!("user{n}")).await?);
        }
        eventually("it reads the policies", async || {
            let waiting_reads = waiting_reads(google);
            ensure!(waiting_reads >= PEOPLE as u64, "{waiting_reads}");
            Ok(())
        })
        .await?;
        first.pause();
        let bound = |line: &String| line.contains(":setIamPolicy");
        let done = first.writes_at_google(&ns, 0);
        ensure!(!done.iter().any(bound), "it was too fast: {done:?}");
        google.state().clear_faults();
        // Nothing was started for this user: the new leader creates the account at once.
        pods.push(create_pod(&ns, "late").await?);
        eventually("the other one writes", async || {
            let wrote = second.writes_at_google(&ns, 0);
            ensure!(!wrote.is_empty());
            Ok(())
        })
        .await?;
        let (then, before) = (last_request(google), first.writes_in_the_cluster(&ns)?);
        ensure!(!before.is_empty(), "the audit log does not tell them apart");
        first.resume();
        wait_until_it_knows(&first).await?;
        for pod in &pods {
            ns.wait_until_ungated(pod).await?;
            ns.google_identity(account_of(pod)).await?;
        }
        let wrote = first.writes_at_google(&ns, then);
        ensure!(wrote.is_empty(), "it wrote at Google: {wrote:#?}");
        let after = first.writes_in_the_cluster(&ns)?;
        let wrote = after.get(before.len()..).context("a shorter audit log")?;
        ensure!(wrote.is_empty(), "it wrote in the cluster: {wrote:#?}");
        let accounts = google.accounts_of(&ns.name).len();
        ensure!(accounts == pods.len(), "{accounts} accounts");
        ensure!(!first.is_leader().await? && second.is_leader().await?);

        // It follows the other one; when that stops, it becomes the leader again, and does the remaining work.
        service.add(first.address);
        second.stop().await;
        wait_until_leader(&first).await?;
        create_pod(&ns, "last").await?;
        eventually("it makes the next account", async || {
            let wrote = first.writes_at_google(&ns, then);
            let made = |line: &String| line.ends_with("/serviceAccounts 200");
            ensure!(wrote.iter().any(made), "{wrote:?}");
            Ok(())
        })
        .await
    })
}
