//! The scheduling gate: a task starts only when its identity works at Google.

mod slow;
mod waiting;

use std::time::Duration;

use anyhow::{Result, ensure};
use jiff::SignedDuration;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::ResourceExt;
use namesake_api::{Identity, names::GATE};
use namesake_sandbox::kubernetes::users::ALICE;
use namesake_tests::{
    drafts::metaflow_job,
    eventually::eventually,
    namespace::{TestNamespace, account_of, with_own_stack},
    stack::Options,
};
use serde_json::json;

/// The seconds until IAM propagates a change.
const PROPAGATION: f64 = 60.0;

async fn is_waiting(ns: &TestNamespace, pod: &Pod) -> Result<bool> {
    let pod: Pod = ns.admin().await?.all().get(&pod.name_any()).await?;
    let gates = pod
        .spec
        .iter()
        .flat_map(|spec| spec.scheduling_gates.iter().flatten());
    Ok(gates.into_iter().any(|gate| gate.name == GATE))
}

/// The messages of the false conditions of an Identity.
fn false_conditions(identity: &Identity) -> Vec<String> {
    let conditions = identity.status.clone().unwrap_or_default().conditions;
    conditions
        .into_iter()
        .filter(|c| c.status != "True")
        .map(|c| format!("{}: {}: {}", c.type_, c.reason, c.message))
        .collect()
}

/// Waits until a verification of the identity by the broker was refused.
async fn wait_for_refused_verification(ns: &TestNamespace, after: u64) -> Result<()> {
    eventually("the broker tries the chain", async || {
        let requests = ns.stack.google().state().requests(after);
        let refused = requests
            .iter()
            .filter(|entry| entry.path.ends_with(":generateAccessToken") && entry.status == 403)
            .count();
        ensure!(refused >= 3, "{refused} refusals so far");
        Ok(())
    })
    .await
}

#[test]
fn with_a_minute_of_propagation_no_task_ever_sees_a_403() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let google = ns.stack.google();
        // Several readers at Google: one may know a change before another.
        google.change_settings(|settings| {
            settings.replicas = 3;
            settings.delays.policy = PROPAGATION;
            settings.delays.service_account_get = PROPAGATION / 4.0;
            settings.delays.service_account_member = PROPAGATION / 4.0;
            settings.delays.service_account_credentials = PROPAGATION / 2.0;
        })?;
        let job = ns.alice().await?.create::<Job>(metaflow_job()).await?;
        let pod = ns.pod_of(&job).await?;
        let identity = ns.runs_as(&pod, ALICE).await?;
        let name = account_of(&pod);
        // A minute on Google's clock, in steps: at each of them, either the pod is gated or the task succeeds.
        let mut seconds = 0.0;
        let opened = loop {
            if !is_waiting(&ns, &pod).await? {
                break seconds;
            }
            ensure!(
                seconds < 20.0 * PROPAGATION,
                "the gate never opens: {:?}",
                false_conditions(&ns.identity_of(&pod).await?)
            );
            google
                .state()
                .clock()
                .advance(SignedDuration::from_millis(2_000));
            seconds += 2.0;
            let started = tokio::time::Instant::now();
            // Wait until the broker has verified again, or has removed the gate.
            let asked = google.state().requests(0).len();
            while google.state().requests(0).len() == asked
                && started.elapsed() < Duration::from_millis(500)
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        ensure!(
            opened >= PROPAGATION / 2.0,
            "it opened after {opened} s of Google's time"
        );
        for _ in 0..20 {
            let attempt = ns.login_attempt(name).await?;
            ensure!(
                attempt.exchange == 200 && attempt.credentials == 200,
                "{attempt:?} after {opened} s"
            );
        }
        ensure!(
            ns.google_identity(name).await?
                == identity.spec.google_service_account.unwrap_or_default()
        );
        Ok(())
    })
}

#[test]
fn until_iam_has_propagated_the_change_the_gate_stays_and_the_identity_says_why() -> Result<()> {
    let options = Options {
        // The gate is removed when the identity works, not only at the next round over all gates.
        tune: |config| config.timings.gates = Duration::from_mins(10),
        ..Options::default()
    };
    with_own_stack(options, |ns| async move {
        let google = ns.stack.google();
        google.change_settings(|settings| settings.delays.policy = PROPAGATION)?;
        let job = ns.alice().await?.create::<Job>(metaflow_job()).await?;
        let pod = ns.pod_of(&job).await?;
        wait_for_refused_verification(&ns, 0).await?;
        ensure!(
            is_waiting(&ns, &pod).await?,
            "the gate is open while Google refuses the task"
        );
        let identity = ns.identity_of(&pod).await?;
        ensure!(
            !identity.is_ready() && !false_conditions(&identity).is_empty(),
            "{:?}",
            identity.status
        );
        google
            .state()
            .clock()
            .advance(SignedDuration::from_secs(61));
        ns.wait_until_ungated(&pod).await
    })
}

#[test]
fn an_exhausted_quota_is_reported_on_the_identity_and_retried() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let google = ns.stack.google();
        let body = json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED",
            "message": "A quota has been reached for project number 210987654321: Service accounts created per minute per project."}});
        google.plan_fault(json!({"method": "POST", "path": "/v1/projects/acme-identities/serviceAccounts", "times": 0,
            "answer": {"status": {"code": 429, "body": body}}}))?;
        let job = ns.alice().await?.create::<Job>(metaflow_job()).await?;
        let pod = ns.pod_of(&job).await?;
        eventually("the Identity says that a quota is used up", async || {
            let false_conditions = false_conditions(&ns.identity_of(&pod).await?);
            ensure!(
                false_conditions.iter().any(|text| text.contains("quota")),
                "{false_conditions:?}"
            );
            Ok(())
        })
        .await?;
        ensure!(is_waiting(&ns, &pod).await?);
        google.state().clear_faults();
        ns.wait_until_ungated(&pod).await
    })
}

/// Lets Google refuse the broker's account from now on.
fn deny_broker(ns: &TestNamespace) -> Result<()> {
    let message =
        "Permission 'iam.serviceAccounts.create' denied on resource (or it may not exist).";
    let body = json!({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": message}});
    ns.stack.google().plan_fault(
        json!({"method": "POST", "path": "/v1/projects/acme-identities/serviceAccounts", "times": 0,
        "answer": {"status": {"code": 403, "body": body}}}),
    )
}

#[test]
fn a_lasting_failure_fails_the_waiting_pods_and_their_jobs_with_the_reason() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        deny_broker(&ns)?;
        let alice = ns.alice().await?;
        let jobs = [
            alice.create::<Job>(metaflow_job()).await?,
            alice.create::<Job>(metaflow_job()).await?,
        ];
        for job in &jobs {
            let pod = ns.pod_of(job).await?;
            eventually("the pod says why it failed", async || {
                let pod: Pod = alice.all().get(&pod.name_any()).await?;
                let status = pod.status.unwrap_or_default();
                ensure!(status.phase.as_deref() == Some("Failed"), "{status:?}");
                ensure!(
                    status.reason.as_deref() == Some("IdentityFailed"),
                    "{status:?}"
                );
                let message = status.message.unwrap_or_default();
                ensure!(message.contains("iam.serviceAccounts.create"), "{message}");
                ensure!(message.contains(ALICE), "{message}");
                Ok(())
            })
            .await?;
            eventually("the Job has failed", async || {
                let job: Job = alice.all().get(&job.name_any()).await?;
                let conditions = job.status.and_then(|status| status.conditions);
                let mut conditions = conditions.into_iter().flatten();
                ensure!(conditions.any(|c| c.type_ == "Failed" && c.status == "True"));
                Ok(())
            })
            .await?;
        }
        Ok(())
    })
}

#[test]
fn a_pod_that_waits_for_a_temporary_failure_does_not_wait_forever() -> Result<()> {
    let options = Options {
        tune: |config| config.timings.patience.any = Duration::from_secs(5),
        ..Options::default()
    };
    with_own_stack(options, |ns| async move {
        let google = ns.stack.google();
        google.plan_fault(json!({"path": "*", "times": 0, "answer": "cut"}))?;
        let alice = ns.alice().await?;
        let job = alice.create::<Job>(metaflow_job()).await?;
        let pod = ns.pod_of(&job).await?;
        eventually("the pod has ended and says why", async || {
            let pod: Pod = alice.all().get(&pod.name_any()).await?;
            let status = pod.status.unwrap_or_default();
            let message = status.message.unwrap_or_default();
            ensure!(status.phase.as_deref() == Some("Failed"), "{message}");
            ensure!(message.contains("the pod has waited"), "{message}");
            ensure!(message.contains(ALICE), "{message}");
            Ok(())
        })
        .await
    })
}
