//! The table for people, and the same for machines.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// What a decision about one object costs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figure {
    /// Which object, and what is done with it.
    name: String,
    /// Bytes of the review, or of the Workflow that is read for a pod.
    bytes: usize,
    /// Reading the same bytes into a tree of JSON, in milliseconds.
    reading_milliseconds: f64,
    /// Deciding, in milliseconds, by what hygiene is switched on.
    deciding_milliseconds: BTreeMap<String, f64>,
}

impl Figure {
    pub(crate) fn new(
        name: &str,
        bytes: usize,
        reading: Duration,
        deciding: &[(&str, Duration)],
    ) -> Self {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        let deciding = deciding.iter();
        Self {
            name: name.to_owned(),
            bytes,
            reading_milliseconds: milliseconds(reading),
            deciding_milliseconds: deciding
                .map(|(switch, time)| ((*switch).to_owned(), milliseconds(*time)))
                .collect(),
        }
    }
}

/// All figures of a run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// Times that each was measured; its median is given.
    pub(crate) times: usize,
    /// One for each object.
    pub(crate) figures: Vec<Figure>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "processor time in ms, median of {}: reading the JSON alone; deciding, with this hygiene; ratio of both to reading",
            self.times
        )?;
        let [read, off, user, tokens, both, ratio] =
            ["READING", "OFF", "SET USER", "STRIP", "BOTH", "RATIO"];
        writeln!(
            f,
            "{:<44} {:>8} {read:>8} {off:>8} {user:>8} {tokens:>8} {both:>8} {ratio:>7}",
            "OBJECT", "MB"
        )?;
        for figure in &self.figures {
            let time = |switch| figure.deciding_milliseconds.get(switch).copied();
            let [off, user, tokens, both] =
                ["off", "setUser", "stripTokens", "both"].map(|s| time(s).unwrap_or_default());
            writeln!(
                f,
                "{:<44} {:>8.2} {:>8.2} {off:>8.2} {user:>8.2} {tokens:>8.2} {both:>8.2} {:>6.1}×",
                figure.name,
                figure.bytes as f64 / 1e6,
                figure.reading_milliseconds,
                both / figure.reading_milliseconds
            )?;
        }
        Ok(())
    }
}
