//! Google at its slowest: seven minutes until IAM believes a change, and longer than anybody waits. The broker's clock goes on with
//! Google's, and its deadline is the one that is shipped.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::ResourceExt;
use namesake_api::{
    conditions,
    names::{BINDING_READY, VERIFIED},
};
use namesake_broker::Timings;
use namesake_tests::{
    drafts::metaflow_job,
    eventually::eventually,
    google::Google,
    namespace::{TestNamespace, account_of, with_own_stack},
    stack::Options,
};

use super::{Duration, is_being_proven, waits};

/// What Google names as the longest that is usual, in seconds.
const SLOW: i64 = 420;

fn options() -> Options {
    Options {
        tune: |config| {
            config.timings.deadline = Timings::default().deadline;
            // A minute of Google's is over soon: there must be proofs in each.
            config.timings.retry = (Duration::from_millis(20), Duration::from_millis(200));
        },
        ..Options::default()
    }
}

/// The clocks of Google and of the broker.
struct Clocks<'a> {
    google: &'a Google,
    ahead: Arc<AtomicI64>,
    start: Timestamp,
}

impl<'a> Clocks<'a> {
    fn of(ns: &'a TestNamespace, ahead: Arc<AtomicI64>) -> Self {
        let google: &Google = ns.stack.google();
        let start = google.state().clock().now();
        Self {
            google,
            ahead,
            start,
        }
    }

    /// Seconds since the start, as Google counts them: real ones too.
    fn age(&self) -> i64 {
        let now = self.google.state().clock().now();
        now.duration_since(self.start).as_secs()
    }

    /// Goes on to this age, and waits until the broker was refused there.
    async fn come_to(&self, ns: &TestNamespace, age: i64) -> Result<()> {
        let step = (age - self.age()).max(0);
        let state = self.google.state();
        state.clock().advance(SignedDuration::from_secs(step));
        self.ahead.fetch_add(step, Ordering::Relaxed);
        let last = state.requests(0).last().map_or(0, |r| r.number);
        is_being_proven(ns, last)
            .await
            .with_context(|| format!("after {age} s"))
    }
}

/// Alice's task, bound at Google, which does not believe it yet.
async fn bound(ns: &TestNamespace) -> Result<(Job, Pod)> {
    let job = ns.alice().await?.create::<Job>(metaflow_job()).await?;
    let pod = ns.pod_of(&job).await?;
    eventually("it is bound", async || {
        let status = ns.identity_of(&pod).await?.status.unwrap_or_default();
        let bound = conditions::is_true(&status.conditions, BINDING_READY);
        ensure!(bound, "{:?}", status.conditions);
        Ok(())
    })
    .await?;
    Ok((job, pod))
}

/// The pod waits, nobody has ended it, and its Identity says that Google is learning.
async fn waits_for_google(ns: &TestNamespace, pod: &Pod, age: i64) -> Result<()> {
    let now: Pod = ns.admin().await?.all().get(&pod.name_any()).await?;
    let phase = now.status.and_then(|status| status.phase);
    ensure!(phase.as_deref() == Some("Pending"), "{phase:?} at {age} s");
    let status = ns.identity_of(pod).await?.status.unwrap_or_default();
    let verified = conditions::get(&status.conditions, VERIFIED).context("not Verified at all")?;
    ensure!(
        verified.status == "False" && verified.reason == "Propagating",
        "{verified:?} at {age} s"
    );
    ensure!(waits(ns, pod).await?, "its gate is open at {age} s");
    Ok(())
}

#[test]
fn for_seven_minutes_of_propagation_every_verification_is_refused_and_no_gate_is_removed_early()
-> Result<()> {
    let options = options();
    let ahead = Arc::clone(&options.ahead);
    with_own_stack(options, |ns| async move {
        let google = ns.stack.google();
        google.change_settings(|settings| settings.delays.policy = 420.0)?;
        let clocks = Clocks::of(&ns, ahead);
        let (_, pod) = bound(&ns).await?;
        for age in (30..SLOW).step_by(30) {
            clocks.come_to(&ns, age).await?;
            // The policies were written after the start: what is open now was opened early.
            waits_for_google(&ns, &pod, age).await?;
        }
        clocks
            .google
            .state()
            .clock()
            .advance(SignedDuration::from_secs(60));
        clocks.ahead.fetch_add(60, Ordering::Relaxed);
        ns.wait_until_ungated(&pod).await?;
        ensure!(clocks.age() >= SLOW, "it opened after {} s", clocks.age());
        let identity = ns.identity_of(&pod).await?;
        ensure!(identity.is_ready(), "{:?}", identity.status);
        ns.google_identity(account_of(&pod)).await?;
        Ok(())
    })
}

#[test]
fn a_change_that_google_does_not_propagate_within_the_deadline_fails_the_pod_with_the_reason_and_works_later()
-> Result<()> {
    let options = options();
    let ahead = Arc::clone(&options.ahead);
    with_own_stack(options, |ns| async move {
        let google = ns.stack.google();
        google.change_settings(|settings| settings.delays.policy = 3600.0)?;
        let clocks = Clocks::of(&ns, ahead);
        let (job, pod) = bound(&ns).await?;
        // 20 minutes from the binding on.
        let deadline = clocks.age() + 20 * 60;
        for age in (60..deadline - 60).step_by(60) {
            clocks.come_to(&ns, age).await?;
            waits_for_google(&ns, &pod, age).await?;
        }
        clocks.come_to(&ns, deadline + 30).await?;
        let alice = ns.alice().await?;
        eventually("the pod has ended and says why", async || {
            let pod: Pod = alice.all().get(&pod.name_any()).await?;
            let status = pod.status.unwrap_or_default();
            let says = status.message.unwrap_or_default();
            ensure!(status.reason.as_deref() == Some("IdentityFailed"), "{says}");
            for part in [
                "DeadlineExceeded",
                "within 20 minutes",
                "start the task again",
            ] {
                ensure!(says.contains(part), "no {part:?} in {says}");
            }
            Ok(())
        })
        .await?;
        eventually("the Job has failed", async || {
            let job: Job = alice.all().get(&job.name_any()).await?;
            let failed = job.status.and_then(|status| status.failed);
            ensure!(failed == Some(1), "{failed:?}");
            Ok(())
        })
        .await?;
        // Pods have the API server's time: to a broker that is ahead the next one has waited before it comes.
        clocks.ahead.store(0, Ordering::Relaxed);
        google
            .state()
            .clock()
            .advance(SignedDuration::from_hours(1));
        eventually("the identity works after all", async || {
            let identity = ns.identity_of(&pod).await?;
            ensure!(identity.is_ready(), "{:?}", identity.status);
            Ok(())
        })
        .await?;
        // The webhook's watch shows a moment later that the identity is not stalled any more.
        let again = eventually("new Jobs are taken again", async || {
            Ok(alice.create::<Job>(metaflow_job()).await?)
        })
        .await?;
        ns.wait_until_ungated(&ns.pod_of(&again).await?).await
    })
}
