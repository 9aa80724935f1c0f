//! The size of a run: the full size that the goals are for, or a smaller one for a quick run.

use std::time::Duration;

use anyhow::{Context, ensure};

/// The variable for a smaller run: `IDENTITIES/USERS`.
const VARIABLE: &str = "NAMESAKE_SCALE";
const FULL: (usize, usize) = (50_000, 1_000);
/// Just enough to check that the bench runs.
const SMOKE: (usize, usize) = (500, 20);
/// Runs with fewer identities than this measure for a shorter time.
const LARGE: usize = 10_000;

/// The size of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// The identities that exist when the broker starts.
    pub(crate) identities: usize,
    /// The new users.
    pub(crate) users: usize,
    /// Their arrivals per second.
    pub(crate) users_per_second: u32,
    /// How long the reads of an idle broker are counted.
    pub(crate) watch: Duration,
    /// How long admission is measured before new users arrive.
    pub(crate) idle: Duration,
}

impl Size {
    /// The size from the variable; without it, `smoke` selects the smallest size.
    ///
    /// # Errors
    /// The variable is not a pair of numbers.
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

    /// The namespaces of the existing identities.
    pub(crate) fn teams(&self) -> usize {
        (self.identities / 1_000).clamp(1, 50)
    }

    /// The namespaces of the new users.
    pub(crate) fn rooms(&self) -> usize {
        (self.users / 100).clamp(1, 10)
    }
}

fn pair(text: &str) -> Option<(usize, usize)> {
    let (identities, users) = text.split_once('/')?;
    Some((identities.parse().ok()?, users.parse().ok()?))
}
