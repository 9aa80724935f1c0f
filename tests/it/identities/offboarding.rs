//! Idle and offboarded identities, and their return.

mod classes;
mod scheduled;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{Api, ResourceExt, api::DeleteParams};
use namesake_api::{Identity, Phase};
use namesake_broker::{
    Config,
    server::clean::{Clean, Output},
};
use namesake_sandbox::kubernetes::users::ALICE;
use namesake_tests::{
    cluster::refusal::refused,
    drafts::{metaflow_job, pod},
    eventually::eventually,
    namespace::{TestNamespace, account_of, with_own_stack},
    stack::{Options, SHARED_RULES, STACK},
};
use serde_json::json;

const DAY: i64 = 24 * 3600;

/// A stack whose broker has short intervals.
fn with_short_intervals() -> Options {
    Options {
        speed: 2000,
        tune: |config| {
            config.collect_after = Duration::ZERO;
            // At this speed, the watches of pods and of Identities may be further apart.
            config.timings.patience.lasting = Duration::from_mins(2);
        },
        ..Options::default()
    }
}

/// Runs alice's first task, and returns its Job and the name of her identity.
async fn run_first_task(ns: &TestNamespace) -> Result<(Job, String)> {
    let job = ns.alice().await?.create::<Job>(metaflow_job()).await?;
    let pod = ns.pod_of(&job).await?;
    ns.wait_until_ungated(&pod).await?;
    Ok((job, account_of(&pod).to_owned()))
}

async fn identity(ns: &TestNamespace, name: &str) -> Result<Identity> {
    Ok(ns.admin().await?.all().get(name).await?)
}

async fn wait_for_phase(ns: &TestNamespace, name: &str, phase: Phase) -> Result<Identity> {
    eventually(&format!("{name} is {phase}"), async || {
        let identity = identity(ns, name).await?;
        ensure!(identity.phase() == phase, "{:?}", identity.status);
        Ok(identity)
    })
    .await
}

/// Checks that nobody can act as the identity at Google.
async fn check_has_no_access(ns: &TestNamespace, name: &str) -> Result<()> {
    eventually("nobody acts as it", async || {
        let members = ns.stack.google().members_of(name)?;
        ensure!(members.is_empty(), "{members:?}");
        let attempt = ns.login_attempt(name).await?;
        ensure!(attempt.credentials != 200, "a task gets a token");
        Ok(())
    })
    .await
}

async fn finish(ns: &TestNamespace, job: &Job) -> Result<()> {
    let jobs: Api<Job> = ns.admin().await?.all();
    jobs.delete(&job.name_any(), &DeleteParams::background())
        .await?;
    Ok(())
}

async fn wait_until_deleted(ns: &TestNamespace, name: &str) -> Result<()> {
    let admin = ns.admin().await?;
    eventually("nothing is left", async || {
        let there: Option<Identity> = admin.all().get_opt(name).await?;
        ensure!(
            there.is_none(),
            "the Identity: {:?}",
            there.and_then(|i| i.status)
        );
        ensure!(
            ns.managed_accounts().await?.is_empty(),
            "the service account"
        );
        let google = ns.stack.google().accounts_of(&ns.name);
        ensure!(google.is_empty(), "at Google: {google:?}");
        Ok(())
    })
    .await
}

#[test]
fn a_suspended_identity_does_not_work_until_it_is_resumed_and_verified_again() -> Result<()> {
    with_own_stack(with_short_intervals(), |ns| async move {
        let (_, name) = run_first_task(&ns).await?;
        let admin = ns.admin().await?;
        let suspend = json!({"spec": {"suspended": true}});
        admin.patch::<Identity>(&name, suspend).await?;
        wait_for_phase(&ns, &name, Phase::Suspended).await?;
        check_has_no_access(&ns, &name).await?;
        eventually("new pods are told so", async || {
            let refusal = refused(ns.alice().await?.create::<Pod>(pod()).await)?;
            refusal.with_code(403)?.with_message("suspended")?;
            Ok(())
        })
        .await?;
        let resume = json!({"spec": {"suspended": null}});
        admin.patch::<Identity>(&name, resume).await?;
        wait_for_phase(&ns, &name, Phase::InUse).await?;
        run_first_task(&ns).await?;
        Ok(())
    })
}

#[test]
fn an_offboarded_user_loses_everything_in_order_and_returns_only_by_an_entry_under_returned()
-> Result<()> {
    let options = with_short_intervals();
    let ahead = Arc::clone(&options.ahead);
    with_own_stack(options, |ns| async move {
        let (job, name) = run_first_task(&ns).await?;
        let before = identity(&ns, &name).await?.status.unwrap_or_default();
        let google_id = before.google_service_account_id.context("no id")?;
        let offboarded = format!("{SHARED_RULES}offboarded: [{ALICE}]\n");
        ns.stack.edit_rules(&offboarded).await??;
        wait_for_phase(&ns, &name, Phase::Offboarding).await?;
        check_has_no_access(&ns, &name).await?;
        // While her pod exists, its service account stays; and her remaining objects are listed.
        eventually("what she left is listed", async || {
            let left = identity(&ns, &name).await?.status.unwrap_or_default().left;
            let job = format!("Job {}", job.name_any());
            ensure!(
                left.contains(&job) && left.iter().any(|l| l.starts_with("Pod ")),
                "{left:?}"
            );
            Ok(())
        })
        .await?;
        ensure!(ns.managed_accounts().await?.contains(&name));
        finish(&ns, &job).await?;
        eventually("the service account goes after the last pod", async || {
            ensure!(ns.managed_accounts().await?.is_empty());
            Ok(())
        })
        .await?;
        ensure!(
            ns.stack.google().accounts_of(&ns.name).contains(&name),
            "before the grace is over"
        );
        ahead.store(31 * DAY, Ordering::Relaxed);
        wait_for_phase(&ns, &name, Phase::Gone).await?;
        ensure!(ns.stack.google().accounts_of(&ns.name).is_empty());
        // After the removal from the list, this may be a new person with the old address.
        ns.stack.edit_rules(SHARED_RULES).await??;
        eventually("the new_user inherits nothing", async || {
            let refusal = refused(ns.alice().await?.create::<Pod>(pod()).await)?;
            refusal.with_code(403)?.with_message("returned")?;
            Ok(())
        })
        .await?;
        let returned = format!("{SHARED_RULES}returned: [{ALICE}]\n");
        ns.stack.edit_rules(&returned).await??;
        wait_for_phase(&ns, &name, Phase::InUse).await?;
        run_first_task(&ns).await?;
        let after = identity(&ns, &name).await?.status.unwrap_or_default();
        ensure!(
            after.google_service_account_id == Some(google_id),
            "another account"
        );
        Ok(())
    })
}

#[test]
fn an_entry_under_offboarded_can_be_undone_for_ten_minutes_and_nobody_acts_meanwhile() -> Result<()>
{
    let options = with_short_intervals();
    let ahead = Arc::clone(&options.ahead);
    with_own_stack(options, |ns| async move {
        let (_, name) = run_first_task(&ns).await?;
        let before = identity(&ns, &name).await?.status.unwrap_or_default();
        let offboarded = format!("{SHARED_RULES}offboarded: [{ALICE}]\n");
        ns.stack.edit_rules(&offboarded).await??;
        wait_for_phase(&ns, &name, Phase::Offboarding).await?;
        check_has_no_access(&ns, &name).await?;
        refused(ns.alice().await?.create::<Pod>(pod()).await)?.with_code(403)?;
        ns.stack.edit_rules(SHARED_RULES).await??;
        wait_for_phase(&ns, &name, Phase::InUse).await?;
        run_first_task(&ns).await?;
        let after = identity(&ns, &name).await?.status.unwrap_or_default();
        ensure!(
            after.google_service_account_id == before.google_service_account_id,
            "another account"
        );
        // Longer than NAMESAKE_OFFBOARDING_UNDO: the address may belong to somebody else by then.
        ns.stack.edit_rules(&offboarded).await??;
        wait_for_phase(&ns, &name, Phase::Offboarding).await?;
        ahead.store(11 * 60, Ordering::Relaxed);
        ns.stack.edit_rules(SHARED_RULES).await??;
        eventually("it takes an entry under returned", async || {
            let refusal = refused(ns.alice().await?.create::<Pod>(pod()).await)?;
            refusal
                .with_code(403)?
                .with_message("PreviouslyOffboarded")?
                .with_message("returned")?;
            Ok(())
        })
        .await?;
        ensure!(identity(&ns, &name).await?.phase() == Phase::Offboarding);
        Ok(())
    })
}

#[test]
fn an_unused_identity_is_deleted_and_created_again_with_the_next_pod() -> Result<()> {
    let options = with_short_intervals();
    let ahead = Arc::clone(&options.ahead);
    with_own_stack(options, |ns| async move {
        let (job, name) = run_first_task(&ns).await?;
        let rules = SHARED_RULES.replacen(
            "mode: impersonate",
            "mode: impersonate\n    idleAfter: 90d",
            1,
        );
        ns.stack.edit_rules(&rules).await??;
        finish(&ns, &job).await?;
        eventually("the pod is gone", async || {
            ensure!(ns.pods().await?.is_empty());
            Ok(())
        })
        .await?;
        ahead.store(2 * DAY, Ordering::Relaxed);
        wait_for_phase(&ns, &name, Phase::Idle).await?;
        ahead.store(91 * DAY, Ordering::Relaxed);
        wait_until_deleted(&ns, &name).await?;
        // Pods have the API server's time: to a broker whose clock is ahead, they have waited for months.
        ahead.store(0, Ordering::Relaxed);
        let (_, again) = run_first_task(&ns).await?;
        ensure!(again == name, "{again}");
        Ok(())
    })
}

#[test]
fn without_a_broker_the_clean_command_leaves_nothing_that_blocks() -> Result<()> {
    with_own_stack(with_short_intervals(), |ns| async move {
        let (_, name) = run_first_task(&ns).await?;
        ns.stack.kill_broker().await;
        let mut clean = Clean {
            stack: STACK.to_owned(),
            namespaces: vec![ns.name.clone()],
            dry_run: true,
            output: Output::Json,
        };
        let admin = ns.admin().await?.client().clone();
        let gcp = ns.stack.google().broker_credentials().connect().await?;
        let planned = clean.run(&admin, &gcp, Config::default()).await?;
        let shown = clean.print(&planned);
        ensure!(
            planned.len() == 1 && shown.contains(&name) && !planned[0].gone,
            "{shown}"
        );
        ensure!(
            ns.stack.google().accounts_of(&ns.name).contains(&name),
            "a dry run took it"
        );
        clean.dry_run = false;
        let done = clean.run(&admin, &gcp, Config::default()).await?;
        ensure!(done.len() == 1 && done[0].gone, "{}", clean.print(&done));
        wait_until_deleted(&ns, &name).await?;
        ensure!(clean.run(&admin, &gcp, Config::default()).await?.is_empty());
        Ok(())
    })
}

#[test]
fn what_has_our_mark_and_no_identity_is_collected_and_nothing_else() -> Result<()> {
    let options = Options {
        tune: |config| {
            (with_short_intervals().tune)(config);
            config.collect = true;
        },
        ..with_short_intervals()
    };
    with_own_stack(options, |ns| async move {
        let (_, name) = run_first_task(&ns).await?;
        let (google, lost) = (ns.stack.google(), ns.name_for("lost@acme.com"));
        let theirs = ns.name_for("theirs@acme.com");
        let mark = google.description_of(&name)?;
        google.create_account(
            &theirs,
            &mark
                .replace(&name, &theirs)
                .replace("stack=prod", "stack=dev"),
        )?;
        google.create_account(&lost, &mark.replace(&name, &lost))?;
        eventually("the lost one is gone", async || {
            let left = google.accounts_of(&ns.name);
            ensure!(!left.contains(&lost), "{left:?}");
            Ok(())
        })
        .await?;
        let left = google.accounts_of(&ns.name);
        ensure!(left.contains(&theirs) && left.contains(&name), "{left:?}");
        ensure!(identity(&ns, &name).await?.is_ready());
        Ok(())
    })
}
