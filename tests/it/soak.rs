//! Random faults and random people, for as long as one likes; then the faults stop, and everything is as it should be.
//!
//! `NAMESAKE_SOAK_SECONDS` says how long (`make soak`: ten minutes; without it a short one), `NAMESAKE_SOAK_SEED` which one. What
//! happens depends on the seed only; when exactly it meets what our programs do does not.

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

/// How long the run that every test run has goes on, in seconds.
const SHORT: u64 = 20;
/// Its seed: what fails here fails again.
const SEED: u64 = 1;
/// A line that says how far it is, so often.
const PROGRESS: Duration = Duration::from_secs(15);
/// So often does a minute pass in which nobody uses what is to be idle, at most; and the wait after each.
const MINUTES: u32 = 3;
const IDLE_PATIENCE: Duration = Duration::from_secs(20);
/// When the faults have stopped, all must be right within.
const TIMEOUT: Duration = Duration::from_mins(3);

fn options() -> Options {
    Options {
        rules: Book::default().rules(),
        speed: 200,
        tune: |config| {
            config.collect = true;
            config.collect_after = Duration::from_secs(2);
            config.offboarding_grace = Duration::from_secs(4);
            // The book knows no second thoughts.
            config.offboarding_undo = Duration::ZERO;
            config.drift_reads_per_minute = 100_000;
            config.timings.resync = Duration::from_secs(3);
            // The brokers' clock may go on a minute at once.
            config.timings.deadline = Duration::from_secs(90);
            config.timings.patience.lasting = Duration::from_secs(6);
            config.timings.patience.any = Duration::from_hours(10);
            // Of an identity that is idle after a minute it must be known by the second when it was used.
            config.timings.last_used = Duration::from_secs(1);
            config.timings.lease = LEASE;
        },
        ..Options::default()
    }
}

fn number(variable: &str, otherwise: u64) -> Result<u64> {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .with_context(|| format!("{variable}={text}: not a number")),
        Err(_) => Ok(otherwise),
    }
}

#[test]
fn after_any_faults_every_wanted_identity_works_and_nothing_else_is_left() -> Result<()> {
    let seconds = number("NAMESAKE_SOAK_SECONDS", SHORT)?;
    let seed = number("NAMESAKE_SOAK_SEED", SEED)?;
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

#[expect(clippy::print_stderr, reason = "the failure's explanation")]
fn explain(ns: &TestNamespace, seed: u64, seconds: u64, done: &[String]) {
    eprintln!("--- seed {seed}, {seconds} s, what happened:");
    done.iter().for_each(|line| eprintln!("{line}"));
    eprintln!("--- Google\n{}", google_side(ns));
}

#[expect(
    clippy::print_stderr,
    reason = "minutes without a word look like a hang"
)]
fn progress(start: Instant, done: usize, world: &World) {
    let ledger = world.watch.ledger();
    let (working, excused, ended) = (ledger.working, ledger.excused, ledger.ended.len());
    let seconds = start.elapsed().as_secs();
    eprintln!(
        "soak: {seconds} s, {done} acts, {working} pods released and working, {excused} broken at that moment, {ended} ended with a reason"
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
        take(&mut world, &step, start, done).await?;
        if start.elapsed() > next {
            progress(start, done.len(), &world);
            next += PROGRESS;
        }
        // What must never be is said at once.
        ensure!(
            world.watch.ledger().early.is_empty(),
            "{:#?}",
            world.watch.ledger().early
        );
    }
    calm(&mut world).await?;
    world.leavers_end().await?;
    for who in people() {
        for class in [Class::Research, Class::Notes] {
            comes_at_last(&world, who, class).await?;
        }
    }
    idle_ones_go(&world).await?;
    within(TIMEOUT, "everything is as it should be", async || {
        world.is_settled().await
    })
    .await?;
    progress(start, done.len(), &world);
    world.nothing_was_wrong()?;
    if let Some(second) = world.second.take() {
        second.stop().await;
    }
    Ok(())
}

async fn take(
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

/// The faults stop, and the rules have all classes again.
async fn calm(world: &mut World) -> Result<()> {
    let google = world.ns.stack.google();
    google.state().clear_faults();
    google.change_settings(|settings| settings.delays = Default::default())?;
    google.change_settings(|settings| settings.replicas = 1)?;
    world.book.without_notes = false;
    world.ns.stack.edit_rules(&world.book.rules()).await??;
    Ok(())
}

/// Nobody uses the class `brief` any more, for longer than it allows: its identities go.
async fn idle_ones_go(world: &World) -> Result<()> {
    world.class_ends(Class::Brief).await?;
    // A broker that is behind may see a pod, and so a use, after the minute has passed.
    for _ in 1..MINUTES {
        world.time_passes();
        let gone = within(IDLE_PATIENCE, "they go", async || are_gone(world).await);
        if gone.await.is_ok() {
            return Ok(());
        }
    }
    world.time_passes();
    within(TIMEOUT, "idle identities go", async || {
        are_gone(world).await
    })
    .await
}

/// Nothing is left of the class `brief` but the names of users who have left.
async fn are_gone(world: &World) -> Result<()> {
    let mut left = world.ns.identities().await?;
    left.retain(|identity| {
        identity.spec.class == Class::Brief.name() && wanted(identity, &world.book) != Wanted::Gone
    });
    let left: Vec<_> = left.iter().map(|i| (&i.spec.user, &i.status)).collect();
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}

/// Who may has a pod; who may not is told so.
async fn comes_at_last(world: &World, who: usize, class: Class) -> Result<()> {
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
            (serves, made) => anyhow::bail!("may have one: {serves}; {:?}", made.map(drop)),
        }
    })
    .await
}

/// Google's side as it is, for who reads a failure.
fn google_side(ns: &TestNamespace) -> String {
    let listing = ns.stack.google().state().listing();
    let shown = serde_json::json!({"accounts": listing["serviceAccounts"], "policies": listing["policies"], "faults": listing["faults"]});
    serde_json::to_string_pretty(&shown).unwrap_or_default()
}
