//! Soak test: random faults and random actions of people for some time. Then the faults stop, and everything must become consistent.
//!
//! `NAMESAKE_SOAK_SECONDS` sets the duration (`make soak`: ten minutes; the default is short), and `NAMESAKE_SOAK_SEED` the seed. The
//! actions depend only on the seed; how they interleave with our programs does not.

mod acts;
mod book;
mod end;
mod found;
mod ledger;
mod plan;
mod watch;

use std::{
    sync::{Arc, atomic::AtomicI64},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use namesake_tests::{
    drafts::metaflow_job,
    eventually::{eventually, within},
    namespace::{TestNamespace, with_own_stack},
    stack::{LEASE, Options},
};

use self::{
    acts::World,
    book::{PINNED_ACCOUNT, people, person},
    end::{Wanted, wanted},
    plan::{Book, Class, Plan, Step},
};

/// The default duration, in seconds.
const SHORT: u64 = 20;
/// The default seed, fixed so that a failure can be reproduced.
const SEED: u64 = 1;
/// The interval of progress lines.
const PROGRESS: Duration = Duration::from_secs(15);
/// How often the clock is advanced by a minute without use of class `brief`, at most; and the wait after each time.
const MINUTES: u32 = 3;
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// The time in which everything must become consistent after the faults.
const TIMEOUT: Duration = Duration::from_mins(3);

fn options() -> Options {
    Options {
        rules: Book::default().rules(),
        speed: 200,
        tune: |config| {
            config.collect = true;
            config.collect_after = Duration::from_secs(2);
            config.offboarding_grace = Duration::from_secs(4);
            // The model of the rules does not know about undoing.
            config.offboarding_undo = Duration::ZERO;
            config.drift_reads_per_minute = 100_000;
            config.timings.resync = Duration::from_secs(3);
            // The brokers' clock may be advanced by a minute at once.
            config.timings.deadline = Duration::from_secs(90);
            config.timings.patience.lasting = Duration::from_secs(6);
            config.timings.patience.any = Duration::from_hours(10);
            // Identities are idle after a minute, so their last use must be recorded to the second.
            config.timings.last_used = Duration::from_secs(1);
            config.timings.lease = LEASE;
        },
        ..Options::default()
    }
}

fn number_from_env(variable: &str, default: u64) -> Result<u64> {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .with_context(|| format!("{variable}={text}: not a number")),
        Err(_) => Ok(default),
    }
}

#[test]
fn after_any_faults_every_wanted_identity_works_and_nothing_else_is_left() -> Result<()> {
    let seconds = number_from_env("NAMESAKE_SOAK_SECONDS", SHORT)?;
    let seed = number_from_env("NAMESAKE_SOAK_SEED", SEED)?;
    let options = options();
    let ahead = Arc::clone(&options.ahead);
    with_own_stack(options, |ns| async move {
        let mut done = Vec::new();
        let outcome = soak(&ns, ahead, (seed, Duration::from_secs(seconds)), &mut done).await;
        if outcome.is_err() {
            explain(&ns, seed, seconds, &done);
        }
        outcome
            .with_context(|| format!("NAMESAKE_SOAK_SEED={seed} NAMESAKE_SOAK_SECONDS={seconds}"))
    })
}

#[expect(clippy::print_stderr, reason = "explains the failure of the test")]
fn explain(ns: &TestNamespace, seed: u64, seconds: u64, done: &[String]) {
    eprintln!("--- seed {seed}, {seconds} s, the actions:");
    done.iter().for_each(|line| eprintln!("{line}"));
    eprintln!("--- Google\n{}", google_side(ns));
}

#[expect(
    clippy::print_stderr,
    reason = "minutes without output look like a hang"
)]
fn progress(start: Instant, done: usize, world: &World) {
    let ledger = world.watch.ledger();
    let (working, excused, ended) = (ledger.working, ledger.excused, ledger.ended.len());
    let seconds = start.elapsed().as_secs();
    eprintln!(
        "soak: {seconds} s, {done} actions, {working} pods released and working, {excused} broken at that moment, {ended} failed with a reason"
    );
}

async fn soak(
    ns: &TestNamespace,
    ahead: Arc<AtomicI64>,
    (seed, length): (u64, Duration),
    done: &mut Vec<String>,
) -> Result<()> {
    ns.stack
        .google()
        .create_account(PINNED_ACCOUNT, "bob's own")?;
    let mut world = World::new(ns, ahead).await?;
    let start = Instant::now();
    let mut next = PROGRESS;
    for step in Plan::of(seed) {
        if start.elapsed() > length {
            break;
        }
        perform(&mut world, &step, start, done).await?;
        if start.elapsed() > next {
            progress(start, done.len(), &world);
            next += PROGRESS;
        }
        // Pods that were released too early fail the test at once.
        ensure!(
            world.watch.ledger().early.is_empty(),
            "{:#?}",
            world.watch.ledger().early
        );
    }
    stop_faults(&mut world).await?;
    world.check_offboarded().await?;
    for who in people() {
        for class in [Class::Research, Class::Notes] {
            check_final_job(&world, who, class).await?;
        }
    }
    expire_idle_identities(&world).await?;
    within(TIMEOUT, "everything is consistent", async || {
        world.check_consistent().await
    })
    .await?;
    progress(start, done.len(), &world);
    world.check_history()?;
    if let Some(second) = world.second.take() {
        second.stop().await;
    }
    Ok(())
}

async fn perform(
    world: &mut World,
    step: &Step,
    start: Instant,
    done: &mut Vec<String>,
) -> Result<()> {
    tokio::time::sleep(step.pause).await;
    let at = start.elapsed();
    let outcome = world
        .act(&step.act)
        .await
        .with_context(|| step.to_string())?;
    done.push(format!("{:>8} ms {step}: {outcome}", at.as_millis()));
    tracing::info!(%step, outcome, "soak");
    Ok(())
}

/// Stops the faults, and restores all classes in the rules.
async fn stop_faults(world: &mut World) -> Result<()> {
    let google = world.ns.stack.google();
    google.state().clear_faults();
    google.change_settings(|settings| settings.delays = Default::default())?;
    google.change_settings(|settings| settings.replicas = 1)?;
    world.book.without_notes = false;
    world.ns.stack.edit_rules(&world.book.rules()).await??;
    Ok(())
}

/// Deletes all pods of the class `brief`, advances the clock, and waits until its identities are deleted.
async fn expire_idle_identities(world: &World) -> Result<()> {
    world.delete_pods_of(Class::Brief).await?;
    // A broker with a stale watch may still see a pod, and so a use, after the minute.
    for _ in 1..MINUTES {
        world.advance_clock();
        let gone = within(IDLE_TIMEOUT, "idle identities are deleted", async || {
            check_expired(world).await
        });
        if gone.await.is_ok() {
            return Ok(());
        }
    }
    world.advance_clock();
    within(TIMEOUT, "idle identities are deleted", async || {
        check_expired(world).await
    })
    .await
}

/// Checks that of the class `brief`, only the Identities of offboarded users are left.
async fn check_expired(world: &World) -> Result<()> {
    let mut left = world.ns.identities().await?;
    left.retain(|identity| {
        identity.spec.class == Class::Brief.name() && wanted(identity, &world.book) != Wanted::Gone
    });
    let left: Vec<_> = left.iter().map(|i| (&i.spec.user, &i.status)).collect();
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}

/// Checks that a person's Job is accepted if they may have one, and refused default.
async fn check_final_job(world: &World, who: usize, class: Class) -> Result<()> {
    let somebody = world.ns.person(&person(who)).await?;
    let what = format!("the last {} Job of {}", class.name(), person(who));
    eventually(&what, async || {
        let serves = world.serves(who, class).await?;
        let made = somebody
            .create::<Job>(metaflow_job().labelled("class", class.name()))
            .await;
        match (serves, made) {
            (true, Ok(_)) => Ok(()),
            (false, Err(kube::Error::Api(status))) if status.code == 403 => Ok(()),
            (serves, made) => {
                anyhow::bail!("expected to be accepted: {serves}; {:?}", made.map(drop))
            }
        }
    })
    .await
}

/// The state of Google, to explain a failure.
fn google_side(ns: &TestNamespace) -> String {
    let listing = ns.stack.google().state().listing();
    let shown = serde_json::json!({"accounts": listing["serviceAccounts"], "policies": listing["policies"], "faults": listing["faults"]});
    serde_json::to_string_pretty(&shown).unwrap_or_default()
}
