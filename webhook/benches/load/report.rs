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

/// The names of the servers that goals compare.
pub(crate) const FLOOR: &str = "floor: answers a constant";
pub(crate) const READER: &str = "reads, logs and patches the pod";
pub(crate) const POD: &str = "pod of a known user";
pub(crate) const WITH_RULES: &str = "the same, with 4,000 more rules";
pub(crate) const WITH_PINS: &str = "the same, with 20,000 pins";
pub(crate) const FINAL_CHECK: &str = "final check of that pod";
pub(crate) const JOB: &str = "job of a known user";

/// A server, the server that it is compared with, and how many times as much processor time it may use.
const GOALS: [(&str, &str, f64); 5] = [
    (POD, FLOOR, 2.0),
    (FINAL_CHECK, FLOOR, 2.0),
    (JOB, FLOOR, 2.5),
    (WITH_RULES, POD, 1.2),
    (WITH_PINS, POD, 1.2),
];

/// The processor time of a request, divided by that of another server in the same round.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Goal {
    /// What is compared.
    pub(crate) goal: String,
    /// The median of the rounds' ratios.
    pub(crate) measured: f64,
    /// The largest ratio that meets the goal.
    pub(crate) limit: f64,
    /// Whether it does.
    pub(crate) met: bool,
}

/// The goals, with the median of each round's ratio: a machine whose speed changes between rounds does not change a ratio.
pub(crate) fn goals(rounds: &[Vec<Figure>]) -> Vec<Goal> {
    let of = |round: &[Figure], name: &str| {
        let figure = round.iter().find(|figure| figure.name == name)?;
        Some(figure.cpu_microseconds)
    };
    let goal = |(server, reference, limit): (&str, &str, f64)| {
        let ratio = |round: &Vec<Figure>| Some(of(round, server)? / of(round, reference)?);
        let mut ratios: Vec<f64> = rounds.iter().filter_map(ratio).collect();
        ratios.sort_by(f64::total_cmp);
        let measured = *ratios.get(ratios.len() / 2)?;
        Some(Goal {
            goal: format!("{server}, compared with {reference}"),
            measured,
            limit,
            met: measured <= limit,
        })
    };
    GOALS.into_iter().filter_map(goal).collect()
}

/// All figures of a run; the first of each round is the floor.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// Connections and requests of each load.
    pub(crate) connections: usize,
    /// Requests of each load.
    pub(crate) requests: usize,
    /// Requests per second, if they were limited.
    pub(crate) rate: Option<u32>,
    /// Bytes of the review sent.
    pub(crate) review_bytes: usize,
    /// The median round of every server.
    pub(crate) figures: Vec<Figure>,
    /// The goals, with what was measured.
    pub(crate) goals: Vec<Goal>,
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
                same.sort_by(|a, b| a.cpu_ratio_to_floor.total_cmp(&b.cpu_ratio_to_floor));
                same.get(same.len() / 2).map(|figure| (*figure).clone())
            })
            .collect()
    }
}

/// How fast the requests are sent, for people.
pub(crate) fn pace(rate: Option<u32>) -> String {
    match rate {
        Some(rate) => format!("{rate} per second"),
        None => "each after the answer to the one before".to_owned(),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} connections, {} requests a round, {}, a review of {} bytes; median of the rounds",
            self.connections,
            self.requests,
            pace(self.rate),
            self.review_bytes
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
        for goal in &self.goals {
            let verdict = if goal.met { "met" } else { "missed" };
            let (name, measured, limit) = (&goal.goal, goal.measured, goal.limit);
            writeln!(f, "{name}: {measured:.2}× (goal {limit}×: {verdict})")?;
        }
        Ok(())
    }
}
