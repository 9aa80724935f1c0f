//! How many recorded requests a replay reads and decides per second on one core, and how much memory that takes. Goals: 50,000
//! requests per second, and less than 200 MB for a log of 5 GB. The section `replay` of the report.

use std::io::{BufReader, Read, Result, Write};
use std::time::Instant;

use anyhow::{Context, anyhow, ensure};
use namesake_core::{Replay, Rules, Source};
use serde_json::{Value, json};

#[path = "../../webhook/benches/load/sections.rs"]
mod sections;

/// Users in the log.
const USERS: usize = 1_000;
/// Bytes of the log.
const BYTES: u64 = 5_000_000_000;
/// As in `kubectl namesake replay`.
const BUFFER: usize = 1 << 20;

/// The same lines again and again, without having all of them in memory.
struct Repeat<'t> {
    text: &'t [u8],
    at: usize,
    left: u64,
}

impl Read for Repeat<'_> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        if self.at == self.text.len() {
            self.at = 0;
            // The log ends with a whole line.
            self.left = self.left.saturating_sub(self.text.len() as u64);
        }
        if self.left == 0 {
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
fn event(user: usize) -> anyhow::Result<Value> {
    let job = include_str!("../../webhook/testdata/objects/run-job.json");
    let mut object: Value = serde_json::from_str(job)?;
    object["spec"]["template"]["metadata"]["labels"]["team"] = json!("ml");
    Ok(json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Request", "auditID": "a", "stage": "ResponseComplete",
        "requestURI": "/apis/batch/v1/namespaces/research/jobs", "verb": "create",
        "user": {"username": format!("user-{user}@acme.com"), "groups": ["research@acme.com", "system:authenticated"]},
        "objectRef": {"resource": "jobs", "namespace": "research", "apiGroup": "batch", "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": 201}, "requestObject": object,
        "annotations": {"mutate.namesake.dev/outcome": "stamped"},
    }))
}

fn rules(text: &str) -> anyhow::Result<Rules> {
    let file = "rules.yaml";
    Rules::parse(&[Source { file, text }]).map_err(|errors| anyhow!("{errors}"))
}

/// Largest resident memory of this process so far, in MB.
fn peak() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: u64 = kib.context("no VmHWM")?.trim().parse()?;
    Ok(kib * 1024 / 1_000_000)
}

fn main() -> anyhow::Result<()> {
    let text = include_str!("../testdata/example.yaml");
    let old = rules(text)?;
    let new = rules(&text.replace("offboarded: [", "offboarded: [user-7@acme.com, "))?;
    let mut lines = String::new();
    for user in 0..USERS {
        lines += &format!("{}\n", event(user)?);
    }
    let mut replay = Replay::new(&old, &new, false);
    let repeated = Repeat {
        text: lines.as_bytes(),
        at: 0,
        left: BYTES,
    };
    let (began, mut bytes) = (Instant::now(), 0);
    replay.read(BufReader::with_capacity(BUFFER, repeated), |read| {
        bytes += read;
    })?;
    let seconds = began.elapsed().as_secs_f64();
    let report = replay.finish();
    ensure!(
        report.changes.len() == 1 && report.broken == 0,
        "{report:?}"
    );
    let figures = json!({
        "requests": report.decided,
        "requests_per_second": (report.decided as f64 / seconds).round(), "requests_per_second_goal": 50_000,
        "log_megabytes": bytes / 1_000_000, "megabytes_per_second": (bytes as f64 / seconds / 1e6).round(),
        "peak_memory_megabytes": peak()?, "peak_memory_megabytes_goal": 200,
    });
    writeln!(std::io::stdout(), "replay: {figures:#}")?;
    sections::write("replay", &figures)
}
