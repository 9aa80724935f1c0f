//! How fast we may ask: a token bucket for each rate that Google counts, by what is counted and for whom. One for all
//! clones of a client, so that whoever is told to wait makes the others wait, too; and only those who ask for the same.

mod bucket;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::Error;
use bucket::Bucket;

/// A rate that Google counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rate {
    /// Reads of IAM in a project.
    Read,
    /// Writes to IAM in a project, creations among them.
    Write,
    /// Creations of service accounts in a project; how many Google allows it says nowhere.
    Create,
    /// Exchanges of tokens for a pool.
    Exchange,
    /// Access tokens of service accounts.
    Credentials,
    /// Reads of a bucket's policies and settings.
    StorageRead,
    /// Writes to a bucket's policies and folders.
    StorageWrite,
    /// Reads of a project.
    ProjectRead,
    /// Writes of a project's policy.
    ProjectWrite,
}

impl Rate {
    /// Every rate.
    pub const ALL: [Self; 9] = [
        Self::Read,
        Self::Write,
        Self::Create,
        Self::Exchange,
        Self::Credentials,
        Self::StorageRead,
        Self::StorageWrite,
        Self::ProjectRead,
        Self::ProjectWrite,
    ];

    /// Word for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Create => "create",
            Self::Exchange => "exchange",
            Self::Credentials => "credentials",
            Self::StorageRead => "storage_read",
            Self::StorageWrite => "storage_write",
            Self::ProjectRead => "project_read",
            Self::ProjectWrite => "project_write",
        }
    }

    /// Whether such a request changes something at Google.
    #[must_use]
    pub const fn writes(self) -> bool {
        matches!(
            self,
            Self::Write | Self::Create | Self::StorageWrite | Self::ProjectWrite
        )
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Read => "reads of IAM",
            Self::Write => "writes to IAM",
            Self::Create => "creations of service accounts",
            Self::Exchange => "exchanges of tokens",
            Self::Credentials => "access tokens",
            Self::StorageRead => "reads of storage settings",
            Self::StorageWrite => "writes of storage settings",
            Self::ProjectRead => "reads of projects",
            Self::ProjectWrite => "writes of project policies",
        }
    }
}

/// Requests a minute for each project, as Google documents them; of what is not here, as many as Google lets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerMinute {
    /// Reads of IAM.
    pub reads: u32,
    /// Writes to IAM.
    pub writes: u32,
    /// Creations of service accounts; none: half of the writes, or fewer when Google refuses.
    pub creates: Option<u32>,
    /// Exchanges of tokens.
    pub exchanges: u32,
    /// Access tokens.
    pub credentials: u32,
}

impl Default for PerMinute {
    fn default() -> Self {
        Self {
            reads: 6_000,
            writes: 600,
            creates: None,
            exchanges: 6_000,
            credentials: 60_000,
        }
    }
}

impl PerMinute {
    // Each account needs a binding, which is a write, too: whoever is made faster than that only waits as half an identity. A
    // little less than half, so that it is not us who find out where Google's own limit is.
    const fn assumed_creates(&self) -> u32 {
        self.writes / 2 - self.writes / 40
    }

    const fn of(&self, rate: Rate) -> Option<u32> {
        match rate {
            Rate::Read => Some(self.reads),
            Rate::Write => Some(self.writes),
            Rate::Create => self.creates,
            Rate::Exchange => Some(self.exchanges),
            Rate::Credentials => Some(self.credentials),
            Rate::StorageRead | Rate::StorageWrite | Rate::ProjectRead | Rate::ProjectWrite => None,
        }
    }
}

/// How one rate stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The rate.
    pub rate: Rate,
    /// Project, pool or bucket that it is counted for.
    pub whose: String,
    /// Requests a minute; none: no bound is known.
    pub per_minute: Option<f64>,
    /// Requests that may be made now, at once; negative: so many wait.
    pub left: Option<f64>,
    /// How long Google made us wait, from now on.
    pub paused: Duration,
}

/// Buckets by rate and whose it is.
pub(crate) struct Rates {
    limits: PerMinute,
    buckets: Mutex<HashMap<(Rate, String), Bucket>>,
}

impl Rates {
    pub(crate) fn new(limits: PerMinute) -> Arc<Self> {
        Arc::new(Self {
            limits,
            buckets: Mutex::default(),
        })
    }

    /// Takes a turn of each of these rates, or of none: how long to wait until all have come. One that would come after
    /// `patience` is not taken.
    ///
    /// # Errors
    /// Whose turn comes too late, and how long the wait would be.
    pub(crate) fn turns(
        &self,
        rates: &[Rate],
        whose: &str,
        patience: Duration,
    ) -> Result<Duration, (Rate, Duration)> {
        let now = Instant::now();
        let mut longest = Duration::ZERO;
        for (taken, &rate) in rates.iter().enumerate() {
            let turn = self.known(rate, whose, |bucket| bucket.take(now, patience));
            match turn.unwrap_or(Ok(Duration::ZERO)) {
                Ok(wait) => longest = longest.max(wait),
                Err(wait) => {
                    for &rate in rates.iter().take(taken) {
                        self.known(rate, whose, Bucket::give_back);
                    }
                    return Err((rate, wait));
                }
            }
        }
        Ok(longest)
    }

    /// What a request has taught: to wait, or that so many may be made.
    pub(crate) fn learn<T>(&self, rate: Rate, whose: &str, answer: &Result<T, Error>) {
        let now = Instant::now();
        match answer {
            Err(Error::Throttled { retry_after, .. }) => {
                self.with(rate, whose, |bucket| bucket.refused(now, *retry_after));
            }
            Ok(_) => {
                self.known(rate, whose, |bucket| bucket.went(now));
            }
            Err(_) => {}
        }
    }

    /// Every rate that was asked for.
    pub(crate) fn standings(&self) -> Vec<Standing> {
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let show = |((rate, whose), bucket): (&(Rate, String), &mut Bucket)| {
            let (per_minute, left, paused) = bucket.standing(now);
            Standing {
                rate: *rate,
                whose: whose.clone(),
                per_minute,
                left,
                paused,
            }
        };
        let mut all: Vec<_> = buckets.iter_mut().map(show).collect();
        all.sort_by(|a, b| (a.rate, &a.whose).cmp(&(b.rate, &b.whose)));
        all
    }

    /// As [`Self::with`], but of what has no bound and was never refused nothing is kept: there are many folders. Of projects
    /// there are few, and what went tells how much may go.
    fn known<T>(&self, rate: Rate, whose: &str, f: impl FnOnce(&mut Bucket) -> T) -> Option<T> {
        let of_project = matches!(rate, Rate::Create | Rate::ProjectRead | Rate::ProjectWrite);
        if of_project || self.limits.of(rate).is_some() {
            return Some(self.with(rate, whose, f));
        }
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.get_mut(&(rate, whose.to_owned())).map(f)
    }

    // Never held across an await.
    fn with<T>(&self, rate: Rate, whose: &str, f: impl FnOnce(&mut Bucket) -> T) -> T {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = self.limits.of(rate);
        let fresh = || match (rate, limit) {
            (Rate::Create, None) => Bucket::assumed(self.limits.assumed_creates(), Instant::now()),
            _ => Bucket::new(limit, Instant::now()),
        };
        f(buckets
            .entry((rate, whose.to_owned()))
            .or_insert_with(fresh))
    }
}

/// What an error says of a turn that would come too late.
pub(crate) fn spent(rate: Rate, whose: &str) -> String {
    format!(
        "Google's rate of {} for {whose} is used up for now",
        rate.words()
    )
}

impl fmt::Debug for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rates").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Failure;

    const WAIT: Duration = Duration::from_secs(30);

    fn throttled() -> Result<(), Error> {
        let failure = Failure {
            what: "x".to_owned(),
            message: "y".to_owned(),
        };
        Err(Error::throttled(failure, Some(Duration::from_secs(60))))
    }

    #[test]
    fn a_refusal_of_creations_stops_creations_in_that_project_and_nothing_else() {
        let rates = Rates::new(PerMinute::default());
        rates.learn(Rate::Create, "acme", &throttled());
        let (_, wait) = rates.turns(&[Rate::Create], "acme", WAIT).unwrap_err();
        assert!(wait > Duration::from_secs(59), "{wait:?}");
        for (rate, whose) in [
            (Rate::Create, "other"),
            (Rate::Read, "acme"),
            (Rate::Write, "acme"),
        ] {
            assert_eq!(rates.turns(&[rate], whose, WAIT), Ok(Duration::ZERO));
        }
        let paused = rates.standings().into_iter().find(|s| !s.paused.is_zero());
        assert_eq!(
            paused.map(|s| (s.rate, s.whose)),
            Some((Rate::Create, "acme".to_owned()))
        );
    }

    #[test]
    fn other_failures_teach_nothing() {
        let rates = Rates::new(PerMinute::default());
        let failure = Failure {
            what: "x".to_owned(),
            message: "y".to_owned(),
        };
        rates.learn::<()>(Rate::Read, "acme", &Err(Error::Unavailable(failure)));
        assert_eq!(rates.turns(&[Rate::Read], "acme", WAIT), Ok(Duration::ZERO));
    }

    #[tokio::test]
    async fn of_two_turns_both_are_taken_or_none() {
        let rates = Rates::new(PerMinute {
            writes: 2,
            creates: Some(2),
            ..PerMinute::default()
        });
        let soon = Duration::from_secs(10);
        let both = [Rate::Create, Rate::Write];
        assert_eq!(rates.turns(&both, "acme", soon), Ok(Duration::ZERO));
        assert_eq!(
            rates.turns(&[Rate::Write], "acme", soon),
            Ok(Duration::ZERO)
        );
        for _ in 0..3 {
            let (late, _) = rates.turns(&both, "acme", soon).unwrap_err();
            assert_eq!(late, Rate::Write);
        }
        // The second creation is still to be had.
        assert_eq!(
            rates.turns(&[Rate::Create], "acme", soon),
            Ok(Duration::ZERO)
        );
        assert!(rates.turns(&[Rate::Create], "acme", soon).is_err());
    }

    #[tokio::test]
    async fn accounts_are_made_at_most_as_fast_as_they_can_be_bound() {
        let rates = Rates::new(PerMinute::default());
        let at_once = || rates.turns(&[Rate::Create], "acme", Duration::ZERO).is_ok();
        assert_eq!((0..600).filter(|_| at_once()).count(), 285);
        assert!(rates.turns(&[Rate::Write], "acme", WAIT).is_ok());
    }
}
