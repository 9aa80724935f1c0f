//! The report: a table for people and `report.json` for machines, with ratios to the floor of the same run.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::load::Outcome;
use super::process::Usage;

/// The figures of one server under one load.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figure {
    /// Which server and path.
    pub(crate) name: String,
    /// Answers per second.
    pub(crate) requests_per_second: f64,
    /// Processor time of the server for one request, in microseconds.
    pub(crate) cpu_microseconds: f64,
    /// Median time of a request, in milliseconds.
    pub p50_milliseconds: f64,
    /// 99th percentile, in milliseconds.
    pub p99_milliseconds: f64,
    /// Resident memory at the end, in MiB.
    pub(crate) resident_mebibytes: f64,
    /// Processor time of one request, divided by that of the floor in the same round.
    pub(crate) cpu_ratio_to_floor: f64,
}

impl Figure {
    /// The figure of one server, from the outcome of the load and the counters of the kernel. The report sets the ratio.
    pub(crate) fn new(name: &str, outcome: &Outcome, before: Usage, after: Usage) -> Self {
        let requests = outcome.latencies.len().max(1) as f64;
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        Self {
            name: name.to_owned(),
            requests_per_second: outcome.rate(),
            cpu_microseconds: (after.cpu - before.cpu).as_secs_f64() * 1e6 / requests,
            p50_milliseconds: milliseconds(outcome.percentile(50)),
            p99_milliseconds: milliseconds(outcome.percentile(99)),
            resident_mebibytes: after.resident_bytes as f64 / f64::from(1 << 20),
            cpu_ratio_to_floor: 1.0,
        }
    }
}

/// All figures of a run; the first of each round is the floor.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// Connections and requests of each load.
    pub(crate) connections: usize,
    /// Requests of each load.
    pub(crate) requests: usize,
    /// Bytes of the review sent.
    pub(crate) review_bytes: usize,
    /// The median round of every server.
    pub(crate) figures: Vec<Figure>,
}

impl Report {
    /// Sets the ratios of a round against its floor, which is its first figure.
    pub(crate) fn relate(round: &mut [Figure]) {
        let floor = round.first().map_or(1.0, |floor| floor.cpu_microseconds);
        for figure in round {
            figure.cpu_ratio_to_floor = figure.cpu_microseconds / floor;
        }
    }

    /// The figure of each server from the round with its median ratio.
    pub(crate) fn median(rounds: &[Vec<Figure>]) -> Vec<Figure> {
        let servers = rounds.first().map_or(0, Vec::len);
        (0..servers)
            .filter_map(|server| {
                let mut same: Vec<&Figure> = rounds
                    .iter()
                    .filter_map(|round| round.get(server))
                    .collect();
                same.sort_by(|a, b| {
                    let key =
                        |figure: &Figure| (figure.cpu_ratio_to_floor, figure.cpu_microseconds);
                    key(a)
                        .partial_cmp(&key(b))
                        .unwrap_or(std::cmp::Ordering::Equal)
                });
                same.get(same.len() / 2).map(|figure| (*figure).clone())
            })
            .collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} connections, {} requests a round, a review of {} bytes; median of the rounds",
            self.connections, self.requests, self.review_bytes
        )?;
        writeln!(
            f,
            "{:<34} {:>10} {:>12} {:>9} {:>9} {:>9} {:>10}",
            "SERVER", "REQUESTS/S", "CPU/REQUEST", "P50", "P99", "RSS", "CPU/FLOOR"
        )?;
        for figure in &self.figures {
            writeln!(
                f,
                "{:<34} {:>10.0} {:>9.1} µs {:>6.2} ms {:>6.2} ms {:>5.1} MB {:>9.2}×",
                figure.name,
                figure.requests_per_second,
                figure.cpu_microseconds,
                figure.p50_milliseconds,
                figure.p99_milliseconds,
                figure.resident_mebibytes,
                figure.cpu_ratio_to_floor
            )?;
        }
        Ok(())
    }
}
