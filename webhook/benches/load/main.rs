//! The cost of an admission: the webhook under load, compared with a floor on the same machine in the same run.
//!
//! Each server is a child process, so that the kernel measures its processor time and memory. Each round loads the floor and the
//! webhook in turn, so that a machine whose speed changes does not favour one of them.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the cases of the tests, which give the reviews, may"
)]

mod api_server;
#[path = "../../tests/it/cases.rs"]
mod cases;
mod floor;
mod load;
mod process;
mod reader;
mod report;
mod reviews;
mod sections;
mod serve;

use std::io::Write;

use anyhow::Context;
use bytes::Bytes;
use serde_json::Value;

use load::Load;
use process::Child;
use report::{Figure, Report};

const CONNECTIONS: usize = 16;
const REQUESTS: usize = 80_000;
const ROUNDS: usize = 5;
/// Requests per second at which no server is busy all the time, as in a cluster. Under full load, a slower server has a client that
/// waits and must be woken, which counts as its processor time.
const RATE: u32 = 4_000;
/// What the load at [`RATE`] has of the requests under full load.
const PART_AT_RATE: usize = 5;
/// A part of every answer that admits the object.
const ALLOWED: &[u8] = br#""allowed":true"#;
/// A part of every answer that changes the object.
const PATCHED: &[u8] = br#""patch":""#;

/// A server, the load for it, and a part of the expected answer.
struct Case {
    name: &'static str,
    server: &'static str,
    path: &'static str,
    body: Bytes,
    expected: &'static [u8],
}

fn main() -> anyhow::Result<()> {
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        anyhow::bail!("another crypto provider is installed already");
    }
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1..).unwrap_or_default() {
        [serve, name] if serve == "serve" => serve::serve(name),
        // `cargo test --benches` only checks that the benches run.
        all if all.iter().any(|argument| argument == "--test") => bench(1, CONNECTIONS * 10),
        _ => bench(ROUNDS, REQUESTS),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn bench(rounds: usize, requests: usize) -> anyhow::Result<()> {
    let cases = cases().await;
    let full = run(&cases, rounds, requests, None).await?;
    let limited = run(&cases, rounds, requests / PART_AT_RATE, Some(RATE)).await?;
    write!(std::io::stdout(), "{full}\n{limited}")?;
    sections::write("webhook under load", &full)?;
    sections::write("webhook at a fixed rate", &limited)
}

// The goals are about full load.
async fn run(
    cases: &[Case],
    rounds: usize,
    requests: usize,
    rate: Option<u32>,
) -> anyhow::Result<Report> {
    let mut all = Vec::with_capacity(rounds);
    let mut progress = std::io::stderr();
    for round in 1..=rounds {
        let pace = report::pace(rate);
        writeln!(progress, "round {round} of {rounds}, requests {pace}")?;
        let mut figures = Vec::with_capacity(cases.len());
        for case in cases {
            let load = Load {
                connections: CONNECTIONS,
                requests,
                path: case.path,
                body: case.body.clone(),
                rate,
            };
            figures.push(measure(case, &load).await.with_context(|| case.name)?);
        }
        Report::relate(&mut figures);
        all.push(figures);
    }
    Ok(Report {
        connections: CONNECTIONS,
        requests,
        rate,
        review_bytes: cases.first().map_or(0, |case| case.body.len()),
        figures: Report::median(&all),
        goals: match rate {
            None => report::goals(&all),
            Some(_) => Vec::new(),
        },
    })
}

async fn measure(case: &Case, load: &Load) -> anyhow::Result<Figure> {
    let server = Child::serve(case.server)?;
    let warm = Load {
        requests: load.requests / 10,
        ..load.clone()
    };
    warm.run(&server, case.expected).await?;
    let before = server.usage()?;
    let outcome = load.run(&server, case.expected).await?;
    Ok(Figure::new(case.name, &outcome, before, server.usage()?))
}

async fn cases() -> Vec<Case> {
    let reviews = reviews::reviews().await;
    let (pod, exec, result) = (&reviews.pod, &reviews.exec, &reviews.result);
    let (mutate, guard) = ("/mutate", "/guard");
    let of_server = |server, name, path, review: &Value, expected| Case {
        name,
        server,
        path,
        body: review.to_string().into(),
        expected,
    };
    let case = |name, path, review, expected| of_server("webhook", name, path, review, expected);
    vec![
        of_server("floor", report::FLOOR, mutate, pod, ALLOWED),
        of_server("reader", report::READER, mutate, pod, PATCHED),
        case(report::POD, mutate, pod, PATCHED),
        of_server(
            "webhook-with-rules",
            report::WITH_RULES,
            mutate,
            pod,
            PATCHED,
        ),
        of_server("webhook-with-pins", report::WITH_PINS, mutate, pod, PATCHED),
        case(
            report::FINAL_CHECK,
            "/validate",
            &reviews.patched_pod,
            ALLOWED,
        ),
        case("guard: exec, with its GET", guard, exec, ALLOWED),
        case(
            "guard: a step's result, with its GET",
            guard,
            result,
            ALLOWED,
        ),
        case(report::JOB, mutate, &reviews.job, PATCHED),
    ]
}
