//! The largest objects that the API server takes, from the bytes of their review to the bytes of the answer: processor
//! time of one decision, with hygiene off and with each of its switches on, beside reading the same JSON and no more.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the cases of the tests, which give the reviews, may"
)]

#[path = "../load/api_server.rs"]
mod api_server;
#[path = "../../tests/it/cases.rs"]
mod cases;
mod objects;
mod report;
#[path = "../load/sections.rs"]
mod sections;

use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use namesake_webhook::admit::{Webhook, admit};
use namesake_webhook::state::State;
use nix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use objects::Large;
use report::{Figure, Report};

/// Times that each decision is measured; the median counts.
const TIMES: usize = 15;
/// What hygiene may put right, and what the rules say for it.
const SWITCHES: [(&str, &str); 4] = [
    ("off", "{}"),
    ("setUser", "{setUser: true}"),
    ("stripTokens", "{stripTokens: true}"),
    ("both", "{setUser: true, stripTokens: true}"),
];

fn main() -> anyhow::Result<()> {
    // `cargo test --benches` runs benches to see that they run.
    let is_test = std::env::args().any(|argument| argument == "--test");
    let times = if is_test { 1 } else { TIMES };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let _entered = runtime.enter();
    let all = objects::all();
    let mut figures = Vec::with_capacity(all.len());
    let mut progress = std::io::stderr();
    for (done, large) in all.iter().enumerate() {
        writeln!(progress, "{} of {}: {}", done + 1, all.len(), large.name)?;
        let figure = figure(&runtime, large, times).with_context(|| large.name.clone())?;
        figures.push(figure);
    }
    let report = Report { times, figures };
    write!(std::io::stdout(), "{report}")?;
    sections::write("large objects", &report)
}

fn figure(runtime: &Runtime, large: &Large, times: usize) -> anyhow::Result<Figure> {
    let body = large.review.to_string();
    let stored = large.stored.as_ref().map(Value::to_string);
    let largest = stored.as_ref().unwrap_or(&body);
    let reading = median(times, || {
        black_box(serde_json::from_str::<Value>(black_box(largest)).is_ok());
        Ok(())
    })?;
    let mut deciding = Vec::with_capacity(SWITCHES.len());
    for (switch, hygiene) in SWITCHES {
        let state = state(large, hygiene);
        let answer = runtime.block_on(cases::ask(&state, large.webhook, &large.review));
        ensure!(answer["allowed"] == true, "{answer}");
        let time = median(times, || decide(runtime, &state, large.webhook, &body))?;
        deciding.push((switch, time));
    }
    Ok(Figure::new(&large.name, largest.len(), reading, &deciding))
}

fn decide(runtime: &Runtime, state: &State, webhook: Webhook, body: &str) -> anyhow::Result<()> {
    let now = Instant::now();
    let deadline = now + Duration::from_secs(60);
    let call = admit(state, webhook, black_box(body.as_bytes()), now, deadline);
    black_box(runtime.block_on(call)?);
    Ok(())
}

// A replica that knows who asks, so that it answers without the broker.
fn state(large: &Large, hygiene: &str) -> State {
    let carriers = format!("[{{account: \"{}\", parents: [Workflow]}}]", objects::ARGO);
    let edited = format!("noMatch: deny\nhygiene: {hygiene}\ncarriers: {carriers}");
    let edits = json!([["noMatch: deny", edited]]);
    let mut case = json!({"identities": [{"user": "alice@acme.com", "ready": true}],
        "parents": [{"stamp": {"$stamp": {}}}], "edits": edits});
    cases::sign(&mut case);
    let state = cases::state(&case);
    match &large.stored {
        Some(object) => state.with_cluster(api_server::with(object)),
        None => state,
    }
}

fn median(times: usize, mut work: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    work()?;
    let mut all = Vec::with_capacity(times);
    for _ in 0..times {
        let before = processor_time()?;
        work()?;
        all.push(processor_time()? - before);
    }
    all.sort_unstable();
    Ok(all.get(all.len() / 2).copied().unwrap_or_default())
}

// Of this thread, whoever else uses the machine.
fn processor_time() -> anyhow::Result<Duration> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(Duration::from(time))
}
