//! Outages of a component: users with an identity notice nothing, and others get a clear message.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ConfigMap, Pod, ServiceAccount},
};
use kube::ResourceExt;
use namesake_api::names::STAMP_ANNOTATION;
use namesake_sandbox::kubernetes::users::{ALICE, BOB};
use namesake_tests::{
    cluster::refusal::refused,
    drafts::{metaflow_job, pod},
    eventually::eventually,
    namespace::{account_of, with_own_stack},
    stack::{Options, program::built},
};
use serde_json::json;

#[test]
fn without_the_broker_known_users_notice_nothing_and_new_ones_are_refused_at_the_job() -> Result<()>
{
    with_own_stack(Options::default(), |ns| async move {
        ns.wait_until_alice_is_known().await?;
        ns.stack.kill_broker().await;
        let alice = ns.alice().await?;
        let made = ns
            .pod_of(&alice.create::<Job>(metaflow_job()).await?)
            .await?;
        ns.runs_as(&made, ALICE).await?;
        ensure!(
            made.spec
                .as_ref()
                .is_some_and(|spec| spec.scheduling_gates.is_none())
        );
        let bob = ns.bob().await?;
        refused(bob.create::<Job>(metaflow_job()).await)?
            .with_code(503)?
            .with_message("broker")?
            .with_message("try again")?
            .with_message(BOB)?;
        ns.stack.start_broker().await?;
        let job = eventually("bob's Job is accepted", async || {
            Ok(bob.create::<Job>(metaflow_job()).await?)
        })
        .await?;
        let made = ns.pod_of(&job).await?;
        ns.runs_as(&made, BOB).await?;
        ns.wait_until_ungated(&made).await
    })
}

#[test]
fn a_request_to_a_hanging_broker_ends_at_our_deadline_and_not_at_that_of_the_api_server()
-> Result<()> {
    let options = Options {
        broker_deadline: Duration::from_millis(500),
        ..Options::default()
    };
    with_own_stack(options, |ns| async move {
        ns.stack.kill_broker().await;
        let address = ns
            .stack
            .broker_url()
            .trim_start_matches("https://")
            .to_owned();
        // A listener there that never answers.
        let silent = std::net::TcpListener::bind(&address)?;
        refused(ns.bob().await?.create::<Job>(metaflow_job()).await)?
            .with_code(503)?
            .with_message("not within 500ms")?;
        drop(silent);
        Ok(())
    })
}

#[test]
fn a_broker_killed_between_account_and_binding_finishes_after_its_restart() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let google = ns.stack.google();
        // The write of the binding hangs, so that the broker is killed during it.
        google.plan_fault(json!({"method": "POST", "path": "*:setIamPolicy", "times": 0, "delaySeconds": 600.0, "answer": "cut"}))?;
        let job = ns.alice().await?.create::<Job>(metaflow_job()).await?;
        let made = ns.pod_of(&job).await?;
        let name = account_of(&made).to_owned();
        eventually("the account is there", async || {
            let accounts = google.accounts_of(&ns.name);
            ensure!(accounts.contains(&name), "{accounts:?}");
            Ok(())
        })
        .await?;
        ns.stack.kill_broker().await;
        ensure!(
            google.members_of(&name)?.is_empty(),
            "the binding was written"
        );
        google.state().clear_faults();
        ns.stack.start_broker().await?;
        ns.wait_until_ungated(&made).await?;
        ensure!(
            google.members_of(&name)?
                == [format!(
                    "serviceAccount:acme.svc.id.goog[{}/{name}]",
                    ns.name
                )]
        );
        ensure!(
            google.accounts_of(&ns.name).len() == 1,
            "{:?}",
            google.accounts_of(&ns.name)
        );
        ns.google_identity(&name).await?;
        Ok(())
    })
}

#[test]
fn a_create_whose_response_was_lost_leaves_one_account() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let google = ns.stack.google();
        google.plan_fault(json!({"method": "POST", "path": "/v1/projects/acme-identities/serviceAccounts", "applied": true, "answer": "cut"}))?;
        let made = ns
            .pod_of(&ns.alice().await?.create::<Job>(metaflow_job()).await?)
            .await?;
        ns.wait_until_ungated(&made).await?;
        ensure!(
            google.accounts_of(&ns.name).len() == 1,
            "{:?}",
            google.accounts()
        );
        Ok(())
    })
}

#[test]
fn without_google_the_pod_of_a_new_user_waits_and_says_why_and_known_users_continue() -> Result<()>
{
    with_own_stack(Options::default(), |ns| async move {
        ns.wait_until_alice_is_known().await?;
        ns.stack
            .google()
            .plan_fault(json!({"path": "*", "times": 0, "answer": "cut"}))?;
        let made = ns
            .pod_of(&ns.bob().await?.create::<Job>(metaflow_job()).await?)
            .await?;
        ns.runs_as(&made, BOB).await?;
        eventually("the Identity says that Google is away", async || {
            let identity = ns.identity_of(&made).await?;
            let conditions = identity.status.clone().unwrap_or_default().conditions;
            ensure!(
                conditions
                    .iter()
                    .any(|c| c.status != "True" && c.reason == "Unavailable"),
                "{conditions:?}"
            );
            Ok(())
        })
        .await?;
        let known = ns.alice().await?.create::<Pod>(pod()).await?;
        ensure!(
            known
                .spec
                .as_ref()
                .is_some_and(|spec| spec.scheduling_gates.is_none())
        );
        ns.stack.google().state().clear_faults();
        ns.wait_until_ungated(&made).await
    })
}

#[test]
fn without_the_webhook_nothing_new_runs_in_opted_in_namespaces_and_nothing_else_is_affected()
-> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let running = ns
            .pod_of(&ns.alice().await?.create::<Job>(metaflow_job()).await?)
            .await?;
        let neighbour = ns.neighbour().await?;
        ns.stack.kill_webhook().await;
        for person in [ns.alice().await?, ns.admin().await?] {
            refused(person.create::<Job>(metaflow_job()).await)?
                .with_message("mutate.namesake.dev")?;
            refused(person.create::<Pod>(pod()).await)?.with_message("namesake.dev")?;
        }
        // Other objects here, all objects in other namespaces, and the end of running pods are not affected.
        let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "data"}}))?;
        ns.alice().await?.create::<ConfigMap>(map).await?;
        let job = neighbour
            .alice()
            .await?
            .create::<Job>(metaflow_job())
            .await?;
        neighbour.pod_of(&job).await?;
        ns.alice().await?.delete::<Pod>(&running.name_any()).await?;
        // The policies are still enforced.
        let account: ServiceAccount =
            serde_json::from_value(json!({"metadata": {"name": ns.name_for("x@acme.com")}}))?;
        let forged = ns.admin().await?.create::<ServiceAccount>(account).await;
        refused(forged)?.with_message("managed by Namesake")?;
        neighbour.delete().await?;
        neighbour.wait_until_gone().await?;
        ns.stack.start_webhook().await?;
        let made = eventually("admission works again", async || {
            Ok(ns.alice().await?.create::<Pod>(pod()).await?)
        })
        .await?;
        ns.runs_as(&made, ALICE).await?;
        Ok(())
    })
}

#[test]
fn a_namespace_with_identities_is_deleted_without_the_webhook() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let other = ns.neighbour().await?;
        other.opt_in().await?;
        let made = other.alice().await?.create::<Pod>(pod()).await?;
        other.wait_until_ungated(&made).await?;
        ns.stack.kill_webhook().await;
        other.delete().await?;
        other.wait_until_gone().await?;
        ns.stack.start_webhook().await
    })
}

#[test]
fn stamps_survive_a_restart_of_the_webhook() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let bob = ns.bob().await?;
        let job = bob.create::<Job>(metaflow_job().suspended()).await?;
        ensure!(job.annotations().contains_key(STAMP_ANNOTATION));
        ns.stack.kill_webhook().await;
        ns.stack.start_webhook().await?;
        let resumed = async || {
            Ok(bob
                .patch::<Job>(&job.name_any(), json!({"spec": {"suspend": false}}))
                .await?)
        };
        eventually("bob resumes his Job", resumed).await?;
        ns.runs_as(&ns.pod_of(&job).await?, BOB).await?;
        Ok(())
    })
}

#[test]
fn one_user_cannot_use_up_the_quota_of_all_others() -> Result<()> {
    let options = Options {
        identities_per_minute: 3,
        ..Options::default()
    };
    with_own_stack(options, |ns| async move {
        let greedy = ns.person("greedy@acme.com").await?;
        let mut answers = Vec::new();
        for step in 0..5 {
            let job = metaflow_job().flow("PerStep").step(&format!("s{step}"));
            answers.push(greedy.create::<Job>(job).await);
        }
        let refusal = refused(answers.pop().context("five Jobs")?)?.with_code(503)?;
        refusal.with_message("greedy@acme.com")?;
        ensure!(
            answers.iter().filter(|answer| answer.is_ok()).count() == 3,
            "{answers:?}"
        );
        // Existing objects stay usable, and other users are not affected.
        greedy
            .create::<Job>(metaflow_job().flow("PerStep").step("s0"))
            .await?;
        ns.bob().await?.create::<Job>(metaflow_job()).await?;
        Ok(())
    })
}

#[test]
fn the_error_for_a_port_in_use_names_it_and_the_remedy() -> Result<()> {
    let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = taken.local_addr()?.to_string();
    for (program, package) in [
        ("namesake-webhook", "namesake-webhook"),
        ("namesake-broker", "namesake-broker"),
    ] {
        let output = built(package)?
            .env("NAMESAKE_LISTEN", &address)
            .env("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere")
            .env("KUBECONFIG", "/nowhere")
            .output()
            .with_context(|| format!("cannot run {program}"))?;
        let text = String::from_utf8_lossy(&output.stderr);
        ensure!(
            !output.status.success(),
            "{program} runs although its port is taken"
        );
        ensure!(
            text.contains(&address) && text.contains("--listen"),
            "{program}: {text}"
        );
    }
    Ok(())
}
