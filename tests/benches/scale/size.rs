//! How much of everything: the full size that the goals are about, or less for a look.

use std::time::Duration;

use anyhow::{Context, ensure};

/// Variable that makes a run smaller: `IDENTITIES/USERS`.
const VARIABLE: &str = "NAMESAKE_SCALE";
const FULL: (usize, usize) = (50_000, 1_000);
/// Enough to see that the bench runs.
const SMOKE: (usize, usize) = (500, 20);
/// Below this many identities a run is a look, and not waited for as long.
const LARGE: usize = 10_000;

/// The size of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Identities that are there when the broker starts.
    pub(crate) identities: usize,
    /// Users who come for the first time.
    pub(crate) users: usize,
    /// How many of them come in a second.
    pub(crate) users_per_second: u32,
    /// How long reads of a broker with nothing to do are counted.
    pub(crate) watch: Duration,
    /// How long admission is measured before anybody new comes.
    pub(crate) idle: Duration,
}

impl Size {
    /// From the variable; `smoke` is what is meant without it.
    ///
    /// # Errors
    /// When the variable is not a pair of numbers.
    pub(crate) fn of_run(smoke: bool) -> anyhow::Result<Self> {
        let (identities, users) = match std::env::var(VARIABLE) {
            Ok(text) => pair(&text)
                .with_context(|| format!("{VARIABLE}={text}: write IDENTITIES/USERS, as 500/20"))?,
            Err(_) if smoke => SMOKE,
            Err(_) => FULL,
        };
        ensure!(
            identities > 0 && users > 0,
            "{VARIABLE}: at least one of each"
        );
        let large = identities >= LARGE;
        Ok(Self {
            identities,
            users,
            users_per_second: 20,
            watch: Duration::from_secs(if large { 180 } else { 20 }),
            idle: Duration::from_secs(if large { 30 } else { 5 }),
        })
    }

    /// Namespaces of the identities that are there.
    pub(crate) fn teams(&self) -> usize {
        (self.identities / 1_000).clamp(1, 50)
    }

    /// Namespaces of those who come.
    pub(crate) fn rooms(&self) -> usize {
        (self.users / 100).clamp(1, 10)
    }
}

fn pair(text: &str) -> Option<(usize, usize)> {
    let (identities, users) = text.split_once('/')?;
    Some((identities.parse().ok()?, users.parse().ok()?))
}
