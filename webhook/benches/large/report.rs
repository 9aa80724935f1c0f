//! The report as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// Processor time of the same work, many times.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Times {
    least_milliseconds: f64,
    median_milliseconds: f64,
}

impl Times {
    pub(crate) fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        let milliseconds = |index: usize| {
            let time = all.get(index).copied().unwrap_or_default();
            time.as_secs_f64() * 1e3
        };
        Self {
            least_milliseconds: milliseconds(0),
            median_milliseconds: milliseconds(all.len() / 2),
        }
    }
}

/// The cost of decisions about one object.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    /// The object and the operation.
    pub(crate) name: String,
    /// Bytes of the review, or of the Workflow that is read for a pod.
    pub(crate) bytes: usize,
    /// Time to parse the same bytes into a JSON tree.
    pub(crate) reading: Times,
    /// Time to decide, by the setting of hygiene.
    pub(crate) deciding: BTreeMap<String, Times>,
}

/// All figures of a run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// How often each was measured.
    pub(crate) times: usize,
    /// One for each object.
    pub(crate) figures: Vec<Figure>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "processor time in ms, minimum of {} runs: only parsing the JSON; deciding, with this hygiene; median of the last; ratio of both to parsing",
            self.times
        )?;
        let [read, off, user, tokens, both, median, ratio] = [
            "READING", "OFF", "SET USER", "STRIP", "BOTH", "MEDIAN", "RATIO",
        ];
        writeln!(
            f,
            "{:<40} {:>5} {read:>8} {off:>8} {user:>8} {tokens:>8} {both:>8} {median:>8} {ratio:>7}",
            "OBJECT", "MB"
        )?;
        for figure in &self.figures {
            let times = |switch| figure.deciding.get(switch).copied().unwrap_or_default();
            let [off, user, tokens, both] = ["off", "setUser", "stripTokens", "both"].map(times);
            let [off, user, tokens] = [off, user, tokens].map(|times| times.least_milliseconds);
            let [read, least] = [figure.reading, both].map(|times| times.least_milliseconds);
            writeln!(
                f,
                "{:<40} {:>5.2} {read:>8.2} {off:>8.2} {user:>8.2} {tokens:>8.2} {least:>8.2} {:>8.2} {:>6.1}×",
                figure.name,
                figure.bytes as f64 / 1e6,
                both.median_milliseconds,
                least / read
            )?;
        }
        Ok(())
    }
}
