//! One and eight clients: what Namesake adds to the creation of a pod, as ratios of the same round.

use anyhow::Result;
use namesake_sandbox::cli::output::say;

use super::clusters::Clusters;
use super::median::median;
use super::report::{Report, Times};
use super::size::Size;

/// Which target is compared with which, and how much longer it may take.
const GOALS: [(usize, usize, f64); 2] = [(4, 1, 1.15), (5, 0, 1.10)];
/// Which target is compared with which, without a goal.
const FIGURES: [(usize, usize); 1] = [(4, 2)];
/// The EKS pod identity webhook (Go), measured once in the same way beside a constant answer: p50 of 8 clients, of one client, and
/// the p99 of one client.
const EKS: [(&str, f64); 3] = [
    ("8 clients, p50", 1.31),
    ("1 client, p50", 1.26),
    ("1 client, p99", 2.9),
];

/// The times of one target with one number of clients, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    p50: f64,
    p99: f64,
}

/// Measures all targets in each round, and reports the median of the rounds' ratios.
///
/// # Errors
/// A request fails.
pub(crate) async fn compare(clusters: &Clusters, size: &Size, report: &mut Report) -> Result<()> {
    for (clients, requests) in [(1, size.alone), (8, size.together)] {
        let mut rounds = Vec::with_capacity(size.rounds);
        for round in 1..=size.rounds {
            say(&format!(
                "{clients} clients: round {round} of {}",
                size.rounds
            ));
            let mut turns = Vec::with_capacity(clusters.targets.len());
            for target in &clusters.targets {
                target.load(clients, requests / 10).await?;
                let times = Times::of(target.load(clients, requests).await?);
                turns.push(Turn {
                    p50: times.percentile(50),
                    p99: times.percentile(99),
                });
            }
            rounds.push(turns);
        }
        summarize(clusters, clients, &rounds, report);
    }
    for (what, ratio) in EKS {
        let name = format!("for comparison, EKS pod identity webhook: {what}");
        report.figure(name, ratio, "x");
    }
    Ok(())
}

fn summarize(clusters: &Clusters, clients: usize, rounds: &[Vec<Turn>], report: &mut Report) {
    let name = |index: usize| clusters.targets.get(index).map_or("", |target| target.name);
    let of = |value: &dyn Fn(&[Turn]) -> Option<f64>| {
        median(rounds.iter().filter_map(|turns| value(turns)).collect())
    };
    let goals = GOALS.map(|(measured, reference, limit)| (measured, reference, Some(limit)));
    let figures = FIGURES.map(|(measured, reference)| (measured, reference, None));
    for (measured, reference, limit) in goals.into_iter().chain(figures) {
        for (percentile, get) in [("p50", p50 as fn(&Turn) -> f64), ("p99", p99)] {
            let ratio = of(&|turns| Some(get(turns.get(measured)?) / get(turns.get(reference)?)));
            let title = format!(
                "{clients} clients, {percentile}: {}, of {}",
                name(measured),
                name(reference)
            );
            match limit {
                Some(limit) => report.goal(title, ratio, limit, "x"),
                None => report.figure(title, ratio, "x"),
            }
        }
    }
    for index in 0..clusters.targets.len() {
        for (percentile, get) in [("p50", p50 as fn(&Turn) -> f64), ("p99", p99)] {
            let time = of(&|turns| turns.get(index).map(get));
            let name = format!("{clients} clients, {percentile}: {}", name(index));
            report.figure(name, time, "ms");
        }
    }
}

const fn p50(turn: &Turn) -> f64 {
    turn.p50
}

const fn p99(turn: &Turn) -> f64 {
    turn.p99
}
