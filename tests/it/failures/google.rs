//! Faults of Google during the creation of an identity, one at a time: lasting ones are reported on the Identity, and it works when
//! they are over.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use jiff::SignedDuration;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use namesake_tests::{
    drafts::metaflow_job,
    eventually::eventually,
    google::Google,
    namespace::{TestNamespace, account_of, with_own_stack},
    stack::Options,
};
use serde_json::{Value, json};

/// The delay of Google's stale readers, in seconds.
const BEHIND: f64 = 2.0;
const ACCOUNTS: &str = "/v1/projects/acme-identities/serviceAccounts";

/// A kind of fault.
struct Case {
    what: &'static str,
    plan: fn(&Google) -> Result<()>,
    /// The reason on the Identity until the fault is over; none if it passes by itself.
    lasts: Option<&'static str>,
}

fn plan(google: &Google, method: &str, path: &str, times: u32, rest: &Value) -> Result<()> {
    let mut fault = json!({"method": method, "path": path, "times": times});
    for (key, value) in rest.as_object().into_iter().flatten() {
        fault[key] = value.clone();
    }
    google.plan_fault(fault)
}

/// Google's response when a rate limit is exceeded, with the time to wait.
fn rate_exceeded() -> Value {
    let retry = json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"});
    json!({"answer": {"status": {"code": 429, "body": {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED",
        "message": "Quota exceeded for quota metric 'Write requests' of service 'iam.googleapis.com'.", "details": [retry]}}}}})
}

fn status(code: u16) -> Value {
    json!({"answer": {"status": {"code": code}}})
}

fn applied(mut fault: Value) -> Value {
    fault["applied"] = json!(true);
    fault
}

/// Faults that pass by themselves, or have no visible effect.
const PASSING: [Case; 8] = [
    Case {
        what: "a 429 that says how long",
        plan: |google| plan(google, "POST", ACCOUNTS, 2, &rate_exceeded()),
        lasts: None,
    },
    Case {
        what: "a 500 of a create that was not done",
        plan: |google| plan(google, "POST", ACCOUNTS, 2, &status(500)),
        lasts: None,
    },
    Case {
        what: "a 503 of a create that was done",
        plan: |google| plan(google, "POST", ACCOUNTS, 1, &applied(status(503))),
        lasts: None,
    },
    Case {
        what: "a 503 of a binding that was not done",
        plan: |google| plan(google, "POST", "*:setIamPolicy", 3, &status(503)),
        lasts: None,
    },
    Case {
        what: "a 503 of a binding that was done",
        plan: |google| plan(google, "POST", "*:setIamPolicy", 1, &applied(status(503))),
        lasts: None,
    },
    Case {
        what: "connections that are cut after the write",
        plan: |google| plan(google, "POST", "*", 3, &applied(json!({"answer": "cut"}))),
        lasts: None,
    },
    Case {
        what: "reads from replicas that are behind",
        plan: |google| {
            google.change_settings(|settings| {
                settings.replicas = 3;
                settings.delays.policy_read = BEHIND;
                settings.delays.service_account_get = BEHIND;
                settings.delays.service_account_update = BEHIND;
            })
        },
        lasts: None,
    },
    Case {
        what: "an account that can be read and is not a member yet",
        plan: |google| {
            google.change_settings(|settings| settings.delays.service_account_member = BEHIND)
        },
        lasts: None,
    },
];

/// Faults that are reported on the Identity until somebody fixes them.
const LASTING: [Case; 6] = [
    Case {
        what: "STS is down",
        plan: |google| plan(google, "POST", "/v1/token", 0, &status(503)),
        lasts: Some("Unavailable"),
    },
    Case {
        what: "IAM credentials are down",
        plan: |google| plan(google, "POST", "*:generateAccessToken", 0, &status(500)),
        lasts: Some("Unavailable"),
    },
    Case {
        what: "Google is not reached",
        plan: |google| plan(google, "GET", "*", 0, &json!({"answer": "cut"})),
        lasts: Some("Unavailable"),
    },
    Case {
        what: "the permission to bind is taken away",
        plan: |google| plan(google, "POST", "*:setIamPolicy", 0, &status(403)),
        lasts: Some("PermissionDenied"),
    },
    Case {
        what: "the project is full",
        plan: |google| {
            google.change_settings(|settings| settings.limits.service_accounts = Some(1))
        },
        lasts: Some("QuotaExhausted"),
    },
    Case {
        what: "a clock that is wrong",
        plan: |google| {
            let behind = SignedDuration::from_mins(-10);
            google.state().clock().advance_tokens(behind);
            Ok(())
        },
        lasts: Some("Invalid"),
    },
];

/// Ends a fault.
fn end_fault(google: &Google, case: &Case) -> Result<()> {
    google.state().clear_faults();
    if case.what.contains("clock") {
        let clock = google.state().clock();
        clock.advance_tokens(SignedDuration::from_mins(10));
    }
    google.change_settings(|settings| {
        settings.replicas = 1;
        settings.delays = Default::default();
        settings.limits.service_accounts = Some(100_000);
    })
}

/// Waits until the Identity has this reason.
async fn wait_for_reason(ns: &TestNamespace, made: &Pod, reason: &str) -> Result<()> {
    eventually(&format!("the Identity says {reason}"), async || {
        let identity = ns.identity_of(made).await?;
        let all = identity.status.unwrap_or_default().conditions;
        let said = all
            .iter()
            .find(|c| c.status != "True" && c.reason == reason);
        ensure!(said.is_some_and(|c| c.message.len() > 20), "{all:?}");
        Ok(())
    })
    .await
}

fn options() -> Options {
    Options {
        tune: |config| {
            // No pod plan at its gate here.
            config.timings.patience.lasting = Duration::from_mins(10);
            // The broker stops retrying a call after a third of this.
            config.timings.step = Duration::from_secs(9);
        },
        ..Options::default()
    }
}

/// Creates an identity during each fault, and checks that exactly one working account exists afterwards.
async fn check_each(ns: &TestNamespace, cases: &[Case]) -> Result<()> {
    let google = ns.stack.google();
    for (n, case) in cases.iter().enumerate() {
        let started = Instant::now();
        (case.plan)(google)?;
        let user = ns.person(&format!("user{n}@acme.com")).await?;
        let job = user.create::<Job>(metaflow_job()).await?;
        let made = ns.pod_of(&job).await?;
        let went = async {
            if let Some(reason) = case.lasts {
                wait_for_reason(ns, &made, reason).await?;
                end_fault(google, case)?;
            }
            ns.wait_until_ungated(&made).await?;
            end_fault(google, case)?;
            ensure!(google.accounts_of(&ns.name).len() == n + 1);
            ns.google_identity(account_of(&made)).await
        };
        went.await.map_err(|error| error.context(case.what))?;
        let seconds = started.elapsed().as_secs_f32();
        tracing::info!(case.what, seconds, "a fault is over");
    }
    Ok(())
}

#[test]
fn after_each_temporary_fault_of_google_a_new_user_has_one_working_account() -> Result<()> {
    with_own_stack(
        options(),
        |ns| async move { check_each(&ns, &PASSING).await },
    )
}

#[test]
fn each_lasting_fault_of_google_is_reported_on_the_identity_which_works_once_it_is_fixed()
-> Result<()> {
    with_own_stack(
        options(),
        |ns| async move { check_each(&ns, &LASTING).await },
    )
}
