//! What Google may do to a new user, one fault at a time: said on the Identity when it lasts, and over when Google is well.

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

/// How long Google's readers are behind, in seconds, where they are.
const BEHIND: f64 = 2.0;
const ACCOUNTS: &str = "/v1/projects/acme-identities/serviceAccounts";

/// A fault.
struct Case {
    what: &'static str,
    plan: fn(&Google) -> Result<()>,
    /// The reason that the Identity gives until it is over; none when it passes by itself.
    lasts: Option<&'static str>,
}

fn fails(google: &Google, method: &str, path: &str, times: u32, rest: &Value) -> Result<()> {
    let mut fault = json!({"method": method, "path": path, "times": times});
    for (key, value) in rest.as_object().into_iter().flatten() {
        fault[key] = value.clone();
    }
    google.plan_fault(fault)
}

/// Google's words for a rate that is used up, with how long to wait.
fn too_fast() -> Value {
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

/// Over by themselves, or seen by nobody.
const PASSING: [Case; 8] = [
    Case {
        what: "a 429 that says how long",
        plan: |google| fails(google, "POST", ACCOUNTS, 2, &too_fast()),
        lasts: None,
    },
    Case {
        what: "a 500 of a create that was not done",
        plan: |google| fails(google, "POST", ACCOUNTS, 2, &status(500)),
        lasts: None,
    },
    Case {
        what: "a 503 of a create that was done",
        plan: |google| fails(google, "POST", ACCOUNTS, 1, &applied(status(503))),
        lasts: None,
    },
    Case {
        what: "a 503 of a binding that was not done",
        plan: |google| fails(google, "POST", "*:setIamPolicy", 3, &status(503)),
        lasts: None,
    },
    Case {
        what: "a 503 of a binding that was done",
        plan: |google| fails(google, "POST", "*:setIamPolicy", 1, &applied(status(503))),
        lasts: None,
    },
    Case {
        what: "connections that are cut after the write",
        plan: |google| fails(google, "POST", "*", 3, &applied(json!({"answer": "cut"}))),
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
        what: "an account that can be read and is no member yet",
        plan: |google| {
            google.change_settings(|settings| settings.delays.service_account_member = BEHIND)
        },
        lasts: None,
    },
];

/// Reported on the Identity until somebody fixes them.
const LASTING: [Case; 6] = [
    Case {
        what: "STS is down",
        plan: |google| fails(google, "POST", "/v1/token", 0, &status(503)),
        lasts: Some("Unavailable"),
    },
    Case {
        what: "IAM credentials are down",
        plan: |google| fails(google, "POST", "*:generateAccessToken", 0, &status(500)),
        lasts: Some("Unavailable"),
    },
    Case {
        what: "Google is not reached",
        plan: |google| fails(google, "GET", "*", 0, &json!({"answer": "cut"})),
        lasts: Some("Unavailable"),
    },
    Case {
        what: "the permission to bind is taken away",
        plan: |google| fails(google, "POST", "*:setIamPolicy", 0, &status(403)),
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

/// Google is well again.
fn is_over(google: &Google, case: &Case) -> Result<()> {
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

/// The Identity gives this reason.
async fn says(ns: &TestNamespace, made: &Pod, reason: &str) -> Result<()> {
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
            // Nothing is ended at its gate here.
            config.timings.patience.lasting = Duration::from_mins(10);
            // A call that fails again and again is given up after a third of that.
            config.timings.step = Duration::from_secs(9);
        },
        ..Options::default()
    }
}

/// A new user comes while each of these is so; after it, each has one account that works.
async fn one_by_one(ns: &TestNamespace, cases: &[Case]) -> Result<()> {
    let google = ns.stack.google();
    for (n, case) in cases.iter().enumerate() {
        let started = Instant::now();
        (case.plan)(google)?;
        let user = ns.person(&format!("user{n}@acme.com")).await?;
        let job = user.create::<Job>(metaflow_job()).await?;
        let made = ns.pod_of(&job).await?;
        let went = async {
            if let Some(reason) = case.lasts {
                says(ns, &made, reason).await?;
                is_over(google, case)?;
            }
            ns.wait_until_ungated(&made).await?;
            is_over(google, case)?;
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
        |ns| async move { one_by_one(&ns, &PASSING).await },
    )
}

#[test]
fn each_lasting_fault_of_google_is_reported_on_the_identity_which_works_once_it_is_fixed()
-> Result<()> {
    with_own_stack(
        options(),
        |ns| async move { one_by_one(&ns, &LASTING).await },
    )
}
