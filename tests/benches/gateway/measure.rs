//! What is measured, and the goals.

use std::time::Duration;

use anyhow::{Context, ensure};
use http::Method;
use namesake_sandbox::cli::output::say;

use super::load::{Call, at_full_speed, at_rate};
use super::median::median;
use super::process::Process;
use super::report::{Report, Times};
use super::servers::{Server, Servers};
use super::size::Size;

/// One server in one round.
#[derive(Clone, Copy, Debug)]
struct Turn {
    /// The median time of a request at the constant rate, in milliseconds.
    median: f64,
    /// The same on connections that never pause.
    busy: f64,
    /// Envoy's processor time for a request, in microseconds.
    envoy: f64,
    /// The authorizer's.
    authorizer: f64,
}

/// Compares all servers under the same load: at a constant rate, and on connections that never pause. Machines change their speed, so
/// all have their turn in each round, and the median of the rounds' differences counts.
///
/// # Errors
/// A request fails.
pub(crate) async fn compare(
    servers: &Servers,
    size: &Size,
    report: &mut Report,
) -> anyhow::Result<()> {
    let ping = Call {
        method: Method::GET,
        path: "/ping".into(),
        body: "",
    };
    let mut rounds = Vec::with_capacity(size.rounds);
    for round in 1..=size.rounds {
        say(&format!("round {round} of {}", size.rounds));
        let mut turns = Vec::with_capacity(servers.all.len());
        for server in &servers.all {
            turns.push(turn(servers, server, &ping, size).await?);
        }
        rounds.push(turns);
    }
    let of = |value: &dyn Fn(&[Turn]) -> Option<f64>| {
        median(rounds.iter().filter_map(|turns| value(turns)).collect())
    };
    let limit = 1.5;
    let added = of(&|turns| Some(turns.last()?.median - turns.first()?.median));
    report.goal("the gateway adds, at the median", added, limit, "ms");
    let own = of(&|turns| Some(turns.last()?.median - turns.get(1)?.median));
    report.figure("of that, authentication and authorization", own, "ms");
    let busy = of(&|turns| Some(turns.last()?.busy - turns.first()?.busy));
    report.figure(
        "the gateway adds to connections that never pause",
        busy,
        "ms",
    );
    let check = of(&|turns| Some(turns.get(2)?.envoy - turns.get(1)?.envoy));
    let authorizer = of(&|turns| Some(turns.last()?.authorizer));
    // A check costs tens of microseconds: less than one is noise, and no goal is met by noise.
    report.goal(
        "the authorizer's processor time, of Envoy's check of tokens",
        authorizer / check.max(1.0),
        limit,
        "x",
    );
    report.figure("processor time of the authorizer", authorizer, "µs");
    report.figure("processor time of Envoy's check of tokens", check, "µs");
    let question = of(&|turns| Some(turns.last()?.envoy - turns.get(2)?.envoy));
    report.figure(
        "processor time of Envoy's question to the authorizer",
        question,
        "µs",
    );
    for (number, server) in servers.all.iter().enumerate() {
        let median = of(&|turns| Some(turns.get(number)?.median));
        report.figure(format!("median: {}", server.name), median, "ms");
        let busy = of(&|turns| Some(turns.get(number)?.busy));
        report.figure(
            format!("median, never pausing: {}", server.name),
            busy,
            "ms",
        );
    }
    Ok(())
}

async fn turn(
    servers: &Servers,
    server: &Server,
    call: &Call,
    size: &Size,
) -> anyhow::Result<Turn> {
    let load = |requests| at_full_speed(&server.target, call, size.connections, requests);
    load(size.requests / 10).await.context(server.name)?;
    let before = cpu(servers, server)?;
    let times = load(size.requests).await.context(server.name)?;
    let after = cpu(servers, server)?;
    let (paced, failed) = at_rate(
        &server.target,
        call,
        size.connections,
        size.rate,
        size.round_seconds,
    )
    .await?;
    ensure!(failed == 0, "{}: {failed} requests failed", server.name);
    let each = |before: Duration, after: Duration| {
        after.saturating_sub(before).as_secs_f64() * 1e6 / times.len().max(1) as f64
    };
    Ok(Turn {
        envoy: each(before.0, after.0),
        authorizer: each(before.1, after.1),
        busy: Times::of(times).percentile(50),
        median: Times::of(paced).percentile(50),
    })
}

/// The processor times of Envoy and the authorizer so far.
fn cpu(servers: &Servers, server: &Server) -> anyhow::Result<(Duration, Duration)> {
    let envoy = server.envoy.as_ref().map(Process::cpu).transpose()?;
    Ok((envoy.unwrap_or_default(), servers.authorizer.cpu()?))
}

/// A constant rate of requests that change a run, and the authorizer's memory meanwhile.
///
/// # Errors
/// The gateway cannot be reached.
pub(crate) async fn endure(
    servers: &Servers,
    size: &Size,
    report: &mut Report,
) -> anyhow::Result<()> {
    let gateway = servers.all.last().context("no gateway")?;
    let call = &servers.heartbeat;
    // The first requests allocate what later ones use again.
    at_full_speed(&gateway.target, call, size.connections, size.requests).await?;
    say(&format!(
        "{} requests per second for {} s",
        size.rate, size.seconds
    ));
    let before = servers.authorizer.memory()?.resident;
    let (times, failed) = at_rate(
        &gateway.target,
        call,
        size.connections,
        size.rate,
        size.seconds,
    )
    .await?;
    let after = servers.authorizer.memory()?;
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    report.goal("requests that failed", failed as f64, 0.0, "");
    let name = format!(
        "memory of the authorizer with {} identities",
        size.identities
    );
    report.goal(name, mebibytes(after.peak), 100.0, "MiB");
    report.goal(
        "growth of its memory under load",
        mebibytes(after.resident.saturating_sub(before)),
        1.0,
        "MiB",
    );
    let times = Times::of(times);
    report.figure(
        "heartbeats at that rate, median",
        times.percentile(50),
        "ms",
    );
    report.figure(
        "heartbeats at that rate, 99th percentile",
        times.percentile(99),
        "ms",
    );
    Ok(())
}
