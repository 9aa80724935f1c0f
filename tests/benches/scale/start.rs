//! The start of a broker with many existing identities.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use namesake_api::names;
use namesake_sandbox::cli::output::say;

use super::etcd::Etcd;
use super::google::{Asked, READS_PER_MINUTE};
use super::home::{self, Home};
use super::identities::{make, planned};
use super::process::Process;
use super::replica;
use super::report::Report;
use super::size::Size;
use super::{google, mebibytes};

/// The user that the broker is to the API server.
const BROKER_USER: &str = "system:serviceaccount:namesake-system:namesake-broker";
const LIMIT: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(20);
/// A process that uses less processor time than this in that interval is idle.
const REST: Duration = Duration::from_secs(5);
const RESTS: Duration = Duration::from_millis(30);
const MINUTE: usize = 60;

/// Goals of the webhook: 1 s to be ready, 60 MB of memory.
const WEBHOOK_READY_SECONDS: f64 = 1.0;
const WEBHOOK_RESIDENT_MEBIBYTES: f64 = 60.0;
/// Goals of the broker: 10 s to be ready, 300 MB of memory, a tenth of the quota of reads.
const READY_SECONDS: f64 = 10.0;
const RESIDENT_MEBIBYTES: f64 = 300.0;
const SHARE_OF_READS: f64 = 0.1;

/// Creates the identities while no broker runs.
///
/// # Errors
/// A step fails.
pub(crate) async fn fill(home: &Home, size: &Size) -> anyhow::Result<()> {
    home.stop(&home::BROKER).await?;
    let started = Instant::now();
    let identities = planned(size)?;
    let ids = google::seed(&home.google, &identities)?;
    say(&format!(
        "Google has {} accounts after {:.0} s",
        ids.len(),
        started.elapsed().as_secs_f64()
    ));
    let groups = [
        "system:serviceaccounts",
        "system:serviceaccounts:namesake-system",
    ];
    let broker = home.control_plane.client_as(BROKER_USER, &groups).await?;
    let etcd = Etcd::at(home.control_plane.etcd())?;
    make(&broker, &etcd, &identities, &ids).await?;
    // In a real cluster they are not new.
    wait_until_idle(&home.webhook()?).await?;
    say("everybody who watches has seen them");
    Ok(())
}

/// Waits until the webhook has processed all identities.
async fn wait_until_idle(webhook: &Process) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut before = webhook.cpu()?;
    while started.elapsed() < LIMIT {
        tokio::time::sleep(REST).await;
        let now = webhook.cpu()?;
        if now.saturating_sub(before) < RESTS {
            return Ok(());
        }
        before = now;
    }
    bail!("the webhook still reads identities after {LIMIT:?}")
}

/// Starts the broker and measures it.
///
/// # Errors
/// It does not start.
pub(crate) async fn measure(
    home: &Home,
    size: &Size,
    report: &mut Report,
) -> anyhow::Result<Process> {
    measure_webhook(home, size, report).await?;
    let asked = Asked::from_now(&home.google);
    let (process, url) = home.start_one(&home::BROKER).await?;
    let started = replica::started(&process)?;
    wait_until_ready(&url).await?;
    let ready = started.elapsed().as_secs_f64();
    let count = size.identities;
    report.goal(
        format!("{count} identities: from start to ready, the broker"),
        ready,
        READY_SECONDS,
        "s",
    );
    let leads = until_leads(home, started).await?;
    say(&format!(
        "the broker was ready after {ready:.1} s and led after {leads:.1} s; now it is watched"
    ));
    let (reads, resident) = watch(home, size, &process, (started, asked)).await?;
    report.figure("the broker leads after", leads, "s");
    costs(report, size, &process, &reads)?;
    report.figure(
        "most memory seen once it was ready",
        mebibytes(resident),
        "MB",
    );
    Ok(process)
}

/// Starts the webhook again, and measures it until it is ready and until it has read all identities.
async fn measure_webhook(home: &Home, size: &Size, report: &mut Report) -> anyhow::Result<()> {
    home.stop(&home::WEBHOOK).await?;
    let (process, url) = home.start_one(&home::WEBHOOK).await?;
    let started = replica::started(&process)?;
    wait_until_ready(&url).await?;
    let ready = started.elapsed().as_secs_f64();
    wait_until_idle(&process).await?;
    let memory = process.memory()?;
    let count = size.identities;
    report.goal(
        format!("{count} identities: from start to ready, the webhook"),
        ready,
        WEBHOOK_READY_SECONDS,
        "s",
    );
    report.goal(
        format!("{count} identities: most memory of the webhook"),
        mebibytes(memory.peak),
        WEBHOOK_RESIDENT_MEBIBYTES,
        "MB",
    );
    report.figure(
        "processor time of the webhook until it has read all",
        process.cpu()?.as_secs_f64(),
        "s",
    );
    say(&format!(
        "the webhook was ready after {ready:.2} s, with {:.0} MB ({:.0} at most)",
        mebibytes(memory.resident),
        mebibytes(memory.peak)
    ));
    Ok(())
}

/// The IAM reads in each second since the start, and the peak memory.
async fn watch(
    home: &Home,
    size: &Size,
    process: &Process,
    (started, mut asked): (Instant, Asked),
) -> anyhow::Result<(Vec<usize>, u64)> {
    let (mut reads, mut resident) = (Vec::new(), 0);
    while started.elapsed() < size.watch {
        tokio::time::sleep(Duration::from_secs(1)).await;
        asked.look(&home.google);
        reads.push(std::mem::take(&mut asked.reads));
        let memory = process.memory()?.resident;
        resident = resident.max(memory);
        if reads.len() % 30 == 0 {
            say(&format!(
                "{:.0} s: {:.0} MB, {:.1} s of processor time, {} reads of IAM in the last minute",
                started.elapsed().as_secs_f64(),
                mebibytes(memory),
                process.cpu()?.as_secs_f64(),
                reads.iter().rev().take(MINUTE).sum::<usize>()
            ));
        }
    }
    Ok((reads, resident))
}

fn costs(
    report: &mut Report,
    size: &Size,
    process: &Process,
    reads: &[usize],
) -> anyhow::Result<()> {
    let memory = process.memory()?;
    report.goal(
        format!("{} identities: most memory of the broker", size.identities),
        mebibytes(memory.peak),
        RESIDENT_MEBIBYTES,
        "MB",
    );
    let busiest = reads.windows(MINUTE.min(reads.len().max(1)));
    let busiest = busiest.map(|all| all.iter().sum::<usize>()).max();
    report.goal(
        "reads of IAM in the busiest minute, nobody new",
        busiest.unwrap_or_default() as f64,
        f64::from(READS_PER_MINUTE) * SHARE_OF_READS,
        "",
    );
    report.figure(
        "memory of the broker at the end",
        mebibytes(memory.resident),
        "MB",
    );
    report.figure(
        "processor time of the broker in that time",
        process.cpu()?.as_secs_f64(),
        "s",
    );
    Ok(())
}

async fn wait_until_ready(url: &str) -> anyhow::Result<()> {
    // Like a kubelet: without a check of the certificate.
    let kubelet = reqwest::Client::builder()
        .danger_accept_invalid_certs(true)
        .no_proxy()
        .build()?;
    let start = Instant::now();
    loop {
        let answer = kubelet.get(url).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        if start.elapsed() > LIMIT {
            bail!("{url} is not ready after {} s", LIMIT.as_secs());
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn until_leads(home: &Home, started: Instant) -> anyhow::Result<f64> {
    let leases = Api::<Lease>::namespaced(home.admin.clone(), names::SYSTEM_NAMESPACE);
    loop {
        let lease = leases.get(names::BROKER_LEASE).await.context("the Lease")?;
        let holder = lease.spec.and_then(|spec| spec.holder_identity);
        if holder.is_some_and(|holder| !holder.is_empty()) {
            return Ok(started.elapsed().as_secs_f64());
        }
        if started.elapsed() > LIMIT {
            bail!("the broker does not lead after {} s", LIMIT.as_secs());
        }
        tokio::time::sleep(POLL).await;
    }
}
