//! Goals and figures, as a table and as data.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// A goal and the measured value.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Goal {
    goal: String,
    measured: f64,
    limit: f64,
    unit: &'static str,
    ratio_to_limit: f64,
    met: bool,
}

/// A figure without a goal, which helps to explain the others.
#[derive(Debug, Serialize)]
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
}

/// The results of a run.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    goals: Vec<Goal>,
    figures: Vec<Figure>,
}

impl Report {
    /// Adds a value that must not exceed `limit`.
    pub(crate) fn goal(
        &mut self,
        goal: impl Into<String>,
        measured: f64,
        limit: f64,
        unit: &'static str,
    ) {
        self.goals.push(Goal {
            goal: goal.into(),
            measured,
            limit,
            unit,
            ratio_to_limit: if limit > 0.0 {
                measured / limit
            } else {
                measured
            },
            met: measured <= limit,
        });
    }

    /// Adds a figure without a goal.
    pub(crate) fn figure(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        let name = name.into();
        self.figures.push(Figure { name, value, unit });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<62} {:>12} {:>12} {:>7}",
            "GOAL", "MEASURED", "LIMIT", "RATIO"
        )?;
        for goal in &self.goals {
            let Goal { unit, .. } = goal;
            writeln!(
                f,
                "{:<62} {:>12} {:>12} {:>7.2}  {}",
                goal.goal,
                format!("{:.1} {unit}", goal.measured),
                format!("{:.1} {unit}", goal.limit),
                goal.ratio_to_limit,
                if goal.met { "met" } else { "MISSED" }
            )?;
        }
        writeln!(f)?;
        for figure in &self.figures {
            let value = format!("{:.1} {}", figure.value, figure.unit);
            writeln!(f, "{:<62} {value:>12}", figure.name)?;
        }
        Ok(())
    }
}

/// The durations of many calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// In any order.
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// The time, in milliseconds, that `percent` of the calls did not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let index = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        let time = self.0.get(index).copied().unwrap_or_default();
        time.as_secs_f64() * 1e3
    }
}
