//! How many recorded requests a replay decides per second on one core, how fast it reads the log, and how much memory that takes.
//! Goals: 50,000 requests per second, and less than 200 MB for a log of any size.

#![expect(clippy::panic, reason = "a benchmark cannot return an error")]

use std::io::{BufReader, Read, Result, Write};
use std::time::Instant;

use namesake_core::{Replay, Rules, Source};
use serde_json::{Value, json};

/// Users in the log.
const USERS: usize = 1_000;
/// How often the log repeats what its users sent.
const ROUNDS: usize = 200;

/// The same text several times, without having it in memory.
struct Repeat<'t> {
    text: &'t [u8],
    at: usize,
    rounds: usize,
}

impl Read for Repeat<'_> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        if self.at == self.text.len() {
            self.at = 0;
            self.rounds = self.rounds.saturating_sub(1);
        }
        if self.rounds == 0 {
            return Ok(0);
        }
        let rest = &self.text[self.at..];
        let bytes = rest.len().min(into.len());
        into[..bytes].copy_from_slice(&rest[..bytes]);
        self.at += bytes;
        Ok(bytes)
    }
}

/// A Job of Metaflow's client in an audit log of level Request.
fn event(user: usize) -> Value {
    let job = include_str!("../../webhook/testdata/objects/run-job.json");
    let mut object: Value = serde_json::from_str(job).unwrap_or_else(|error| panic!("{error}"));
    object["spec"]["template"]["metadata"]["labels"]["team"] = json!("ml");
    json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Request", "auditID": "a", "stage": "ResponseComplete",
        "requestURI": "/apis/batch/v1/namespaces/research/jobs", "verb": "create",
        "user": {"username": format!("user-{user}@acme.com"), "groups": ["research@acme.com", "system:authenticated"]},
        "objectRef": {"resource": "jobs", "namespace": "research", "apiGroup": "batch", "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": 201}, "requestObject": object,
        "annotations": {"mutate.namesake.dev/outcome": "stamped"},
    })
}

fn rules(text: &str) -> Rules {
    let file = "rules.yaml";
    Rules::parse(&[Source { file, text }]).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Resident memory of this process, in KiB; 0 on systems without /proc.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.trim().parse().ok()).unwrap_or(0)
}

fn main() {
    let text = include_str!("../testdata/example.yaml");
    let old = rules(text);
    let new = rules(&text.replace("offboarded: [", "offboarded: [user-7@acme.com, "));
    let log: String = (0..USERS)
        .map(|user| format!("{}\n", event(user)))
        .collect();
    let before = resident();
    let began = Instant::now();
    let mut replay = Replay::new(&old, &new, false);
    let repeated = Repeat {
        text: log.as_bytes(),
        at: 0,
        rounds: ROUNDS,
    };
    let mut bytes = 0;
    let log = BufReader::with_capacity(1 << 20, repeated);
    replay
        .read(log, |read| bytes += read)
        .unwrap_or_else(|error| panic!("{error}"));
    let seconds = began.elapsed().as_secs_f64();
    let grown = resident().saturating_sub(before) / 1024;
    let report = replay.finish();
    let rate = report.decided as f64 / seconds;
    let megabytes = bytes as f64 / 1e6;
    writeln!(
        std::io::stdout(),
        "replay: {} requests, {rate:.0} per second (goal 50000); {megabytes:.0} MB, {:.0} MB per second; {grown} MiB (goal 200)",
        report.decided,
        megabytes / seconds
    )
    .unwrap_or_else(|error| panic!("{error}"));
}
