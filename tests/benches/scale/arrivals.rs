//! New users arrive at a steady rate, while users with an identity keep working.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::{FutureExt, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt};
use namesake_api::{Identity, names};
use namesake_broker::Timings;
use namesake_broker::identity::plan::VERIFICATIONS;
use namesake_sandbox::cli::output::say;
use tokio_util::sync::CancellationToken;

use super::crowd::{Act, Crowd, steadily};
use super::google::{self, Asked};
use super::home::Home;
use super::identities::{team, user};
use super::mebibytes;
use super::process::Process;
use super::report::{Report, Times};
use super::size::Size;
use super::spent::Spent;

/// The rates of pods of known users, and of service accounts, per second.
const KNOWN_PER_SECOND: u32 = 10;
const BARE_PER_SECOND: u32 = 5;
/// The number of known users who work at the same time.
const KNOWN: usize = 50;
/// The number of IAM writes for an identity: its GSA, and the binding on it.
const WRITES_EACH: usize = 2;
/// The bench stops waiting at this multiple of the unavoidable time; Google propagates at once here.
const TIMEOUT: u32 = 4;

/// The goals as ratios, and for the writes of the policy that the new users share.
const FIRST_TO_BARE: f64 = 3.0;
const READY_TO_UNAVOIDABLE: f64 = 1.2;
const KNOWN_TO_IDLE: f64 = 1.5;
const PROJECT_WRITES: f64 = 20.0;

/// The new users' identities that work, and when the last one did.
#[derive(Debug, Default)]
struct Ready {
    names: HashSet<String>,
    last: Option<Instant>,
}

/// Measures admission without arrivals, and during arrivals until the last new identity works.
///
/// # Errors
/// A pod is refused.
pub(crate) async fn measure(
    home: &Home,
    size: &Size,
    broker: &Process,
    report: &mut Report,
) -> anyhow::Result<()> {
    let crowd = Crowd(home.admin.clone());
    warm(&crowd, size).await?;
    say("admission of known users while nothing else happens");
    let idle = async || tokio::time::sleep(size.idle).await;
    let (known_idle, bare_idle) = tokio::try_join!(
        steadily(usize::MAX, KNOWN_PER_SECOND, known(&crowd, size), idle()),
        steadily(usize::MAX, BARE_PER_SECOND, bare(&crowd), idle()),
    )?;
    say(&format!(
        "{} new users come, {} in a second",
        size.users, size.users_per_second
    ));
    let (ready, done) = (Arc::<Mutex<Ready>>::default(), CancellationToken::new());
    let watches = watch(home, size, &ready);
    let mut asked = Asked::from_now(&home.google);
    let spent = Spent::from_now(home)?;
    let (began, all_came) = (Instant::now(), CancellationToken::new());
    let first = async {
        let every = (size.users, size.users_per_second);
        let never = std::future::pending();
        let times = steadily(every.0, every.1, first(&crowd, size), never).await;
        all_came.cancel();
        times
    };
    let until_done = async {
        wait_until_ready(home, size, &ready, &mut asked, began).await;
        done.cancel();
        Ok(())
    };
    let (first, known, bare, ()) = tokio::try_join!(
        first,
        steadily(
            usize::MAX,
            KNOWN_PER_SECOND,
            known(&crowd, size),
            done.cancelled()
        ),
        steadily(
            usize::MAX,
            BARE_PER_SECOND,
            bare(&crowd),
            all_came.cancelled()
        ),
        until_done,
    )?;
    drop(watches);
    spent.tell(report, began.elapsed())?;
    compare(report, &(first, bare), &(known, known_idle), &bare_idle);
    let (count, last) = {
        let ready = lock(&ready);
        (ready.names.len(), ready.last.map(|last| last - began))
    };
    ready_in_time(report, size, (count, last));
    let gates = gates_open(home, size, began).await?;
    report.figure("the last gate opened after", gates, "s");
    asked.look(&home.google);
    costs(report, broker, &asked)
}

fn costs(report: &mut Report, broker: &Process, asked: &Asked) -> anyhow::Result<()> {
    let writes = asked.project_writes as f64;
    report.goal(
        "writes of the policy that they share",
        writes,
        PROJECT_WRITES,
        "",
    );
    let refused = asked.refused as f64;
    report.figure("requests that Google refused as one too many", refused, "");
    let memory = broker.memory()?;
    let (now, peak) = (mebibytes(memory.resident), mebibytes(memory.peak));
    report.figure("memory of the broker after they came", now, "MB");
    report.figure("most memory of the broker", peak, "MB");
    Ok(())
}

/// Waits until one more new user is served, so that rules, webhook and broker are ready.
async fn warm(crowd: &Crowd, size: &Size) -> anyhow::Result<()> {
    let new_user = user(size.identities + size.users);
    let started = Instant::now();
    loop {
        match crowd.pod(&new_user, "new-0").await {
            Ok(_) => return Ok(()),
            Err(error) if started.elapsed() > Duration::from_secs(60) => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

fn known(crowd: &Crowd, size: &Size) -> Act {
    let (crowd, size) = (crowd.clone(), *size);
    Box::new(move |n| {
        let (crowd, number) = (crowd.clone(), n % KNOWN.min(size.identities));
        async move { crowd.pod(&user(number), &team(number, &size)).await }.boxed()
    })
}

fn bare(crowd: &Crowd) -> Act {
    let crowd = crowd.clone();
    Box::new(move |n| {
        let crowd = crowd.clone();
        async move { crowd.service_account(&user(n % KNOWN), "new-0").await }.boxed()
    })
}

fn first(crowd: &Crowd, size: &Size) -> Act {
    let (crowd, size) = (crowd.clone(), *size);
    Box::new(move |n| {
        let (crowd, room) = (crowd.clone(), format!("new-{}", n % size.rooms()));
        async move { crowd.pod(&user(size.identities + n), &room).await }.boxed()
    })
}

/// Stops the watches when it is dropped.
struct Watches(Vec<tokio::task::JoinHandle<()>>);

impl Drop for Watches {
    fn drop(&mut self) {
        self.0.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

fn watch(home: &Home, size: &Size, ready: &Arc<Mutex<Ready>>) -> Watches {
    let one = |room: usize| {
        let api = Api::<Identity>::namespaced(home.admin.clone(), &format!("new-{room}"));
        let ready = Arc::clone(ready);
        tokio::spawn(async move {
            let events = watcher(api, watcher::Config::default()).default_backoff();
            let mut events = std::pin::pin!(events);
            while let Some(event) = events.next().await {
                if let Ok(Event::Apply(identity) | Event::InitApply(identity)) = event
                    && identity.is_ready()
                    && lock(&ready).names.insert(identity.name_any())
                {
                    lock(&ready).last = Some(Instant::now());
                }
            }
        })
    };
    Watches((0..size.rooms()).map(one).collect())
}

async fn wait_until_ready(
    home: &Home,
    size: &Size,
    ready: &Mutex<Ready>,
    asked: &mut Asked,
    began: Instant,
) {
    let patience = unavoidable(size) * TIMEOUT + Duration::from_secs(60);
    let mut said = Instant::now();
    loop {
        let count = lock(ready).names.len();
        // And the first one, for the warm-up.
        if count > size.users || began.elapsed() > patience {
            return;
        }
        asked.look(&home.google);
        if said.elapsed() > Duration::from_secs(10) {
            said = Instant::now();
            let seconds = began.elapsed().as_secs();
            say(&format!(
                "{seconds} s: {count} of {} identities work",
                size.users + 1
            ));
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// The time that Google's quotas make unavoidable: for the creations and writes beyond the first minute's quota, and for the interval
/// of verifications of the last one; at least until the last user has arrived.
fn unavoidable(size: &Size) -> Duration {
    let over = |needed: usize, per_minute: u32| {
        let per_minute = f64::from(per_minute);
        (needed as f64 - per_minute).max(0.0) * 60.0 / per_minute
    };
    let creations = over(size.users, google::CREATES_PER_MINUTE);
    let writes = over(size.users * WRITES_EACH, google::WRITES_PER_MINUTE);
    let coming = size.users as f64 / f64::from(size.users_per_second);
    let verifications = Timings::default().verification * (VERIFICATIONS - 1);
    Duration::from_secs_f64(creations.max(writes).max(coming)) + verifications
}

/// The seconds until no pod of a new user is gated; infinite if one still is after a minute.
async fn gates_open(home: &Home, size: &Size, began: Instant) -> anyhow::Result<f64> {
    let started = Instant::now();
    for room in 0..size.rooms() {
        let pods = Api::<Pod>::namespaced(home.admin.clone(), &format!("new-{room}"));
        loop {
            let all = pods.list(&ListParams::default()).await?;
            let waits = |pod: &Pod| {
                let gates = pod
                    .spec
                    .as_ref()
                    .and_then(|spec| spec.scheduling_gates.as_ref());
                gates.is_some_and(|gates| gates.iter().any(|gate| gate.name == names::GATE))
            };
            if !all.items.iter().any(waits) {
                break;
            }
            if started.elapsed() > Duration::from_secs(60) {
                return Ok(f64::INFINITY);
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
    Ok(began.elapsed().as_secs_f64())
}

fn compare(
    report: &mut Report,
    (first, bare): &(Times, Times),
    (known, known_idle): &(Times, Times),
    bare_idle: &Times,
) {
    for (percent, word) in [(50, "median"), (99, "p99")] {
        let limit = bare.percentile(percent) * FIRST_TO_BARE;
        let goal = format!("first pod of a user, {word}: 3 x a bare service account");
        report.goal(goal, first.percentile(percent), limit, "ms");
    }
    let limit = known_idle.percentile(99) * KNOWN_TO_IDLE;
    report.goal(
        "pod of a known user meanwhile, p99: 1.5 x when idle",
        known.percentile(99),
        limit,
        "ms",
    );
    let all = [
        ("bare service account, idle", bare_idle),
        ("bare service account, meanwhile", bare),
        ("pod of a known user, idle", known_idle),
        ("pod of a known user, meanwhile", known),
        ("first pod of a user", first),
    ];
    for (name, times) in all {
        report.figure(format!("{name}: median"), times.percentile(50), "ms");
        report.figure(format!("{name}: p99"), times.percentile(99), "ms");
    }
}

fn ready_in_time(report: &mut Report, size: &Size, (count, last): (usize, Option<Duration>)) {
    let all = count > size.users;
    let last = last
        .filter(|_| all)
        .map_or(f64::INFINITY, |last| last.as_secs_f64());
    let unavoidable = unavoidable(size).as_secs_f64();
    report.goal(
        format!(
            "{} new users: until all work, 1.2 x the unavoidable",
            size.users
        ),
        last,
        unavoidable * READY_TO_UNAVOIDABLE,
        "s",
    );
    report.figure("what Google's quotas make unavoidable", unavoidable, "s");
    report.figure("new identities that work", count as f64, "");
}

fn lock(ready: &Mutex<Ready>) -> std::sync::MutexGuard<'_, Ready> {
    ready.lock().unwrap_or_else(PoisonError::into_inner)
}
