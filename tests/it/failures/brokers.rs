//! Several brokers: all of them answer, one is the leader, and another one takes over when the leader is killed.

mod paused;

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{batch::v1::Job, coordination::v1::Lease};
use kube::Api;
use namesake_api::{
    Identity,
    names::{BROKER_LEASE, SYSTEM_NAMESPACE},
};
use namesake_broker::Timings;
use namesake_sandbox::kubernetes::users::{ADMIN, BOB};
use namesake_tests::{
    cluster::person::Person,
    drafts::metaflow_job,
    eventually::eventually,
    namespace::{TestNamespace, account_of, with_own_stack},
    stack::{LEASE, Options, identity_request},
};
use serde_json::json;

/// The holder of the Lease.
async fn leader(ns: &TestNamespace) -> Result<String> {
    Ok(lease(ns).await?.0)
}

/// The holder of the Lease, and its number of transitions.
async fn lease(ns: &TestNamespace) -> Result<(String, i32)> {
    let client = ns.stack.cluster().control_plane.client(ADMIN).await?;
    let leases: Api<Lease> = Api::namespaced(client, SYSTEM_NAMESPACE);
    let spec = leases.get(BROKER_LEASE).await?.spec.context("no Lease")?;
    let holder = spec.holder_identity.context("nobody leads")?;
    Ok((holder, spec.lease_transitions.unwrap_or_default()))
}

async fn wait_until_identity_ready(ns: &TestNamespace, name: &str) -> Result<()> {
    let all: Api<Identity> = ns.admin().await?.all();
    eventually(&format!("{name} works"), async || {
        let identity = all.get(name).await?;
        ensure!(identity.is_ready(), "{:?}", identity.status);
        Ok(())
    })
    .await
}

#[test]
fn another_broker_takes_over_from_a_killed_leader_and_answers_before_that() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let google = ns.stack.google();
        let before = eventually("somebody leads", async || lease(&ns).await).await?;
        let first = before.0.clone();
        let (second, address) = ns.stack.start_broker_at(None).await?;
        // A replica that is not the leader creates what a pod needs in the cluster; the leader does the rest.
        let (status, made) = ns
            .stack
            .ask_broker(address, &identity_request(&ns.name, BOB))
            .await?;
        ensure!(
            status == 200 && made["name"] == ns.name_for(BOB),
            "{status} {made}"
        );
        ensure!(ns.managed_accounts().await? == [ns.name_for(BOB)]);
        wait_until_identity_ready(&ns, &ns.name_for(BOB)).await?;
        let now = lease(&ns).await?;
        ensure!(now == before, "it was taken from {before:?}: {now:?}");
        // The write of the binding hangs, so that the leader is killed during it.
        google.plan_fault(json!({"method": "POST", "path": "*:setIamPolicy", "times": 0, "delaySeconds": 600.0, "answer": "cut"}))?;
        let job = ns.alice().await?.create::<Job>(metaflow_job()).await?;
        let pod = ns.pod_of(&job).await?;
        let name = account_of(&pod).to_owned();
        eventually("the account is there", async || {
            let accounts = google.accounts_of(&ns.name);
            ensure!(accounts.contains(&name), "{accounts:?}");
            Ok(())
        })
        .await?;
        ns.stack.kill_broker().await;
        google.state().clear_faults();
        ns.wait_until_ungated(&pod).await?;
        ensure!(leader(&ns).await? != first, "nobody else leads");
        ensure!(
            google.accounts_of(&ns.name).len() == 2,
            "{:?}",
            google.accounts_of(&ns.name)
        );
        ns.google_identity(&name).await?;
        second.kill().await;
        Ok(())
    })
}

#[test]
fn a_leader_that_loses_the_lease_stops_and_leads_again_when_the_other_holder_is_gone() -> Result<()>
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
        // Even if it does not check the Lease, its last renewal has expired by then.
        tokio::time::sleep(LEASE).await;
        let job = ns.bob().await?.create::<Job>(metaflow_job()).await?;
        let pod = ns.pod_of(&job).await?;
        let name = account_of(&pod).to_owned();
        // The thief never renews: when its Lease expires, everything is done, and nothing before.
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
        ns.wait_until_ungated(&pod).await?;
        ensure!(leader(&ns).await? != "thief");
        Ok(())
    })
}

#[test]
fn a_leader_that_shuts_down_releases_the_lease() -> Result<()> {
    let options = Options {
        // Longer than this test waits; replicas check the Lease every fifth of this duration.
        tune: |config| config.timings.lease = Duration::from_mins(2),
        ..Options::default()
    };
    with_own_stack(options, |ns| async move {
        let first = eventually("somebody leads", async || leader(&ns).await).await?;
        let second = ns.stack.start_another_broker().await?;
        ns.stack.stop_broker().await;
        eventually("another broker leads", async || {
            ensure!(leader(&ns).await? != first, "the first one still does");
            Ok(())
        })
        .await?;
        second.kill().await;
        Ok(())
    })
}

#[test]
fn with_the_default_lease_another_broker_takes_over_from_a_killed_leader() -> Result<()> {
    let options = Options {
        tune: |config| config.timings.lease = Timings::default().lease,
        ..Options::default()
    };
    with_own_stack(options, |ns| async move {
        let google = ns.stack.google();
        let first = eventually("somebody leads", async || leader(&ns).await).await?;
        let (second, address) = ns.stack.start_broker_at(None).await?;
        ns.stack.kill_broker().await;
        let killed = Instant::now();
        let (status, made) = ns
            .stack
            .ask_broker(address, &identity_request(&ns.name, BOB))
            .await?;
        ensure!(status == 200, "{status} {made}");
        let name = ns.name_for(BOB);
        eventually("the other broker takes over", async || {
            let accounts = google.accounts_of(&ns.name);
            ensure!(accounts.contains(&name), "{accounts:?}");
            Ok(())
        })
        .await?;
        // ARCHITECTURE.md says 15 s at most. How long it takes here depends on the machine too, so it is only logged.
        tracing::info!(
            seconds = killed.elapsed().as_secs_f32(),
            "the other broker took over"
        );
        ensure!(leader(&ns).await? != first, "nobody else leads");
        second.kill().await;
        Ok(())
    })
}

#[test]
fn a_rollout_of_the_brokers_while_new_users_arrive_loses_no_request() -> Result<()> {
    let options = Options {
        // As in the manifests, but shorter by the same factor as the readiness interval here.
        tune: |config| config.drain = Duration::from_millis(500),
        ..Options::default()
    };
    with_own_stack(options, |ns| async move {
        let service = ns.stack.replace_broker_by_service().await?;
        let mut replicas = Vec::new();
        for _ in 0..2 {
            let (program, address) = ns.stack.start_broker_at(None).await?;
            service.add(address);
            replicas.push((program, address));
        }
        let first = identity_request(&ns.name, "first@acme.com");
        eventually("the Service has a replica", async || {
            ns.stack.ask_broker(ns.stack.broker_address(), &first).await
        })
        .await?;
        let (done, count) = (AtomicBool::new(false), AtomicUsize::new(0));
        let rollout = async {
            let mut next = Vec::new();
            for (program, address) in replicas {
                program.stop().await;
                next.push(ns.stack.start_broker_at(Some(address)).await?.0);
                // Wait until a few more requests were sent, so that it works on slow machines too.
                let before = count.load(Ordering::Relaxed);
                eventually("more users come", async || {
                    ensure!(count.load(Ordering::Relaxed) >= before + 3);
                    Ok(())
                })
                .await?;
            }
            done.store(true, Ordering::Relaxed);
            anyhow::Ok(next)
        };
        let (next, came) = tokio::try_join!(rollout, new_users(&ns, &done, &count))?;
        for job in &came {
            ns.wait_until_ungated(&ns.pod_of(job).await?).await?;
        }
        let accounts = ns.stack.google().accounts_of(&ns.name).len();
        ensure!(accounts == came.len() + 1, "{accounts}");
        for program in next {
            program.stop().await;
        }
        Ok(())
    })
}

#[test]
fn a_rolling_restart_of_two_webhooks_refuses_nothing() -> Result<()> {
    // As in the manifests, but shorter by the same factor as the readiness interval here.
    let drain = Duration::from_millis(500);
    with_own_stack(Options::default(), |ns| async move {
        let service = ns.stack.replace_webhook_by_service().await?;
        let mut replicas = Vec::new();
        for _ in 0..2 {
            let (program, address) = ns.stack.start_webhook_at(None, drain).await?;
            service.add(address);
            replicas.push((program, address));
        }
        let alice = ns.alice().await?;
        eventually("the Service has a replica", async || {
            alice.dry_run::<Job>(metaflow_job()).await?;
            Ok(())
        })
        .await?;
        let (done, count) = (AtomicBool::new(false), AtomicUsize::new(0));
        let restart = async {
            let mut next = Vec::new();
            for (program, _) in replicas {
                // maxSurge: 1, maxUnavailable: 0: the new replica is ready before the old one is stopped.
                let (newer, address) = ns.stack.start_webhook_at(None, drain).await?;
                service.add(address);
                program.stop().await;
                next.push(newer);
                let before = count.load(Ordering::Relaxed);
                eventually("more Jobs come", async || {
                    ensure!(count.load(Ordering::Relaxed) >= before + 20);
                    Ok(())
                })
                .await?;
            }
            done.store(true, Ordering::Relaxed);
            anyhow::Ok(next)
        };
        let (next, ()) = tokio::try_join!(restart, many_jobs(&alice, &done, &count))?;
        for program in next {
            program.stop().await;
        }
        Ok(())
    })
}

/// Creates Jobs as alice until `done`, as dry runs because no broker is needed; none is refused.
async fn many_jobs(alice: &Person, done: &AtomicBool, count: &AtomicUsize) -> Result<()> {
    while !done.load(Ordering::Relaxed) {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let job = alice.dry_run::<Job>(metaflow_job()).await;
        job.with_context(|| format!("after {number} others"))?;
    }
    Ok(())
}

/// Creates a Job as one new user after another until `done`; none is refused.
async fn new_users(ns: &TestNamespace, done: &AtomicBool, count: &AtomicUsize) -> Result<Vec<Job>> {
    let mut came = Vec::new();
    while !done.load(Ordering::Relaxed) {
        let user = format!("user{}@acme.com", came.len());
        let job = ns.person(&user).await?;
        let job = job.create::<Job>(metaflow_job()).await;
        came.push(job.with_context(|| format!("{user}, after {} others", came.len()))?);
        count.fetch_add(1, Ordering::Relaxed);
    }
    Ok(came)
}
