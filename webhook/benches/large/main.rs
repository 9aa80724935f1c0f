//! Processor time of decisions about the largest objects that the API server accepts, from the bytes of the review to those of the
//! answer, with hygiene off and with each of its switches on, compared with only parsing the same JSON. Other programs that use the
//! processor's caches can only make it slower, so the minimum of many runs is reported.

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
use report::{Figure, Report, Times};

/// How often each decision is measured.
const TIMES: usize = 25;
/// The settings of hygiene, and how the rules write them.
const SWITCHES: [(&str, &str); 4] = [
    ("off", "{}"),
    ("setUser", "{setUser: true}"),
    ("stripTokens", "{stripTokens: true}"),
    ("both", "{setUser: true, stripTokens: true}"),
];

fn main() -> anyhow::Result<()> {
    // `cargo test --benches` only checks that the benches run.
    let is_test = std::env::args().any(|argument| argument == "--test");
    let times = if is_test { 1 } else { TIMES };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let _entered = runtime.enter();
    let all = objects::all();
    let all = all
        .iter()
        .map(|large| Case::of(&runtime, large).with_context(|| large.name.clone()));
    let mut all = all.collect::<anyhow::Result<Vec<_>>>()?;
    let mut progress = std::io::stderr();
    // One after another, again and again, so that a slow second of the machine affects all of them.
    for round in 1..=times {
        writeln!(progress, "{round} of {times}")?;
        for case in &mut all {
            case.measure(&runtime)?;
        }
    }
    let figures = all.into_iter().map(Case::figure).collect();
    let report = Report { times, figures };
    write!(std::io::stdout(), "{report}")?;
    sections::write("large objects", &report)
}

/// One of the objects, and its measurements.
struct Case<'l> {
    large: &'l Large,
    body: String,
    /// The JSON that is parsed: the review, or what the webhook reads because of it, if that is larger.
    largest: String,
    reading: Vec<Duration>,
    deciding: Vec<(&'static str, State, Vec<Duration>)>,
}

impl<'l> Case<'l> {
    fn of(runtime: &Runtime, large: &'l Large) -> anyhow::Result<Self> {
        let body = large.review.to_string();
        let stored = large.stored.as_ref().map(Value::to_string);
        let mut deciding = Vec::with_capacity(SWITCHES.len());
        for (switch, hygiene) in SWITCHES {
            let state = state(large, hygiene);
            let answer = runtime.block_on(cases::ask(&state, large.webhook, &large.review));
            ensure!(answer["allowed"] == true, "{answer}");
            deciding.push((switch, state, Vec::new()));
        }
        Ok(Self {
            large,
            largest: stored
                .filter(|stored| stored.len() > body.len())
                .unwrap_or_else(|| body.clone()),
            body,
            reading: Vec::new(),
            deciding,
        })
    }

    fn measure(&mut self, runtime: &Runtime) -> anyhow::Result<()> {
        let read = || {
            black_box(serde_json::from_str::<Value>(black_box(&self.largest)).is_ok());
            Ok(())
        };
        self.reading.push(measured(read)?);
        for (_, state, times) in &mut self.deciding {
            times.push(measured(|| {
                decide(runtime, state, self.large.webhook, &self.body)
            })?);
        }
        Ok(())
    }

    fn figure(self) -> Figure {
        let deciding = self.deciding.into_iter();
        Figure {
            name: self.large.name.clone(),
            bytes: self.largest.len(),
            reading: Times::of(self.reading),
            deciding: deciding
                .map(|(switch, _, times)| (switch.to_owned(), Times::of(times)))
                .collect(),
        }
    }
}

fn decide(runtime: &Runtime, state: &State, webhook: Webhook, body: &str) -> anyhow::Result<()> {
    let now = Instant::now();
    let deadline = now + Duration::from_secs(60);
    let call = admit(state, webhook, black_box(body.as_bytes()), now, deadline);
    black_box(runtime.block_on(call)?);
    Ok(())
}

// A replica that knows the user, so that it answers without the broker.
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

fn measured(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    let before = processor_time()?;
    work()?;
    Ok(processor_time()? - before)
}

// Of this thread only.
fn processor_time() -> anyhow::Result<Duration> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(Duration::from(time))
}
