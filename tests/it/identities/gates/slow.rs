//! Slow IAM: seven minutes of propagation, and longer than the deadline. The clocks of Google and of the broker are advanced together,
//! and the deadline is the default one.

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

use super::{Duration, is_waiting, wait_for_refused_verification};

/// The longest usual propagation according to Google, in seconds.
const SLOW: i64 = 420;

fn options() -> Options {
    Options {
        tune: |config| {
            config.timings.deadline = Timings::default().deadline;
            // Google's minutes pass quickly here, and each must contain a verification.
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

    /// Seconds since the start on Google's clock, including real time.
    fn age(&self) -> i64 {
        let now = self.google.state().clock().now();
        now.duration_since(self.start).as_secs()
    }

    /// Advances the clocks to this age, and waits until a verification was refused there.
    async fn advance_to(&self, ns: &TestNamespace, age: i64) -> Result<()> {
        let step = (age - self.age()).max(0);
        let state = self.google.state();
        state.clock().advance(SignedDuration::from_secs(step));
        self.ahead.fetch_add(step, Ordering::Relaxed);
        let last = state.requests(0).last().map_or(0, |r| r.number);
        wait_for_refused_verification(ns, last)
            .await
            .with_context(|| format!("after {age} s"))
    }
}

/// Creates alice's task, whose identity is bound at Google but not propagated yet.
async fn create_bound_task(ns: &TestNamespace) -> Result<(Job, Pod)> {
    let job = ns.alice().await?.create::<Job>(metaflow_job()).await?;
    let pod = ns.pod_of(&job).await?;
    eventually("it is bound", async || {
        let status = ns.identity_of(&pod).await?.status.unwrap_or_default();
        let create_bound_task = conditions::is_true(&status.conditions, BINDING_READY);
        ensure!(create_bound_task, "{:?}", status.conditions);
        Ok(())
    })
    .await?;
    Ok((job, pod))
}

/// Checks that the pod waits, has not failed, and that its Identity reports propagation at Google.
async fn check_waiting(ns: &TestNamespace, pod: &Pod, age: i64) -> Result<()> {
    let now: Pod = ns.admin().await?.all().get(&pod.name_any()).await?;
    let phase = now.status.and_then(|status| status.phase);
    ensure!(phase.as_deref() == Some("Pending"), "{phase:?} at {age} s");
    let status = ns.identity_of(pod).await?.status.unwrap_or_default();
    let verified = conditions::get(&status.conditions, VERIFIED).context("not Verified at all")?;
    ensure!(
        verified.status == "False" && verified.reason == "Propagating",
        "{verified:?} at {age} s"
    );
    ensure!(is_waiting(ns, pod).await?, "its gate is open at {age} s");
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
        let (_, pod) = create_bound_task(&ns).await?;
        for age in (30..SLOW).step_by(30) {
            clocks.advance_to(&ns, age).await?;
            // The policies were written after the start, so an open gate was removed too early.
            check_waiting(&ns, &pod, age).await?;
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
        let (job, pod) = create_bound_task(&ns).await?;
        // 20 minutes after the binding.
        let deadline = clocks.age() + 20 * 60;
        for age in (60..deadline - 60).step_by(60) {
            clocks.advance_to(&ns, age).await?;
            check_waiting(&ns, &pod, age).await?;
        }
        clocks.advance_to(&ns, deadline + 30).await?;
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
        // Pods have the API server's time: to a broker whose clock is ahead, a new pod has already waited.
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
        // The webhook sees a moment later that the identity is no longer stalled.
        let again = eventually("new Jobs are taken again", async || {
            Ok(alice.create::<Job>(metaflow_job()).await?)
        })
        .await?;
        ns.wait_until_ungated(&ns.pod_of(&again).await?).await
    })
}
