//! Our own limits on the rates of requests.

use super::rate::Rate;

/// Requests per minute and project, by default as Google documents them. Rates that are not here have no known limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// Reads of IAM.
    pub reads: u32,
    /// Writes to IAM.
    pub writes: u32,
    /// Creations of service accounts; `None`: about half of the writes, or fewer once Google refuses some.
    pub creates: Option<u32>,
    /// Token exchanges.
    pub exchanges: u32,
    /// Access tokens.
    pub credentials: u32,
}

impl Default for RateLimits {
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

impl RateLimits {
    // Each new account needs a binding, which is a write too: creating accounts faster than they can be bound gains nothing.
    // It is a little less than half, so that we do not run into Google's own, unpublished limit.
    pub(super) const fn assumed_creates(&self) -> u32 {
        self.writes / 2 - self.writes / 40
    }

    pub(super) const fn of(&self, rate: Rate) -> Option<u32> {
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
