//! What can go wrong at Google, and what to do about it.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

pub(crate) mod answer;
pub(crate) mod classify;
mod details;
pub(crate) mod refusal;

use crate::Refusal;

/// What was tried, and what Google said. Never holds a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What was tried, on which resource: `create service account mf-x in project acme`.
    pub what: String,
    /// Google's own words, or the transport's.
    pub message: String,
}

/// Why a call to Google failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Something of this name is there already; whose it is, its description says.
    AlreadyExists(Failure),
    /// Not there. Right after creation it may be there all the same: the caller knows.
    NotFound(Failure),
    /// Not allowed. Right after a grant or a creation it may be allowed all the same: the caller knows.
    PermissionDenied(Failure),
    /// Our own credentials are refused or cannot be had.
    Unauthenticated(Failure),
    /// Somebody else changed the same policy, until the limit.
    Conflict(Failure),
    /// Too many requests.
    Throttled {
        /// What was tried.
        failure: Failure,
        /// How long Google wants us to wait, if it says so.
        retry_after: Option<Duration>,
    },
    /// It is not our turn yet: as many as Google allows in a minute go before. Nothing was sent.
    Queued {
        /// What was tried.
        failure: Failure,
        /// When it would be.
        turn: Duration,
    },
    /// A count is used up: waiting does not help.
    QuotaUsedUp(Failure),
    /// A policy holds no more: waiting does not help.
    PolicyFull(Failure),
    /// An account that was just made is not known everywhere yet (or does not exist).
    NotYetVisible(Failure),
    /// The workload identity pool is not there.
    PoolMissing(Failure),
    /// Google or the way to it is down, or did not answer in time.
    Unavailable(Failure),
    /// We may not change anything at Google any more: see [`crate::Gcp::fenced`]. Nothing was sent.
    Fenced(Failure),
    /// The organization around the project refuses it, until an administrator changes something.
    Refused {
        /// What was tried.
        failure: Failure,
        /// Who refuses, and why.
        by: Refusal,
    },
    /// Google does not take the request as it is, or its answer makes no sense.
    Invalid(Failure),
}

/// A count that is used up comes with a wait of a day.
const USED_UP: Duration = Duration::from_secs(3600);

impl Error {
    pub(crate) fn throttled(failure: Failure, retry_after: Option<Duration>) -> Self {
        if retry_after.is_some_and(|wait| wait >= USED_UP)
            || failure.message.contains("Maximum number of")
        {
            Self::QuotaUsedUp(failure)
        } else {
            Self::Throttled {
                failure,
                retry_after,
            }
        }
    }

    /// What was tried, and what Google said.
    #[must_use]
    pub const fn failure(&self) -> &Failure {
        match self {
            Self::AlreadyExists(f)
            | Self::NotFound(f)
            | Self::PermissionDenied(f)
            | Self::Unauthenticated(f)
            | Self::Conflict(f)
            | Self::Throttled { failure: f, .. }
            | Self::Queued { failure: f, .. }
            | Self::Refused { failure: f, .. }
            | Self::QuotaUsedUp(f)
            | Self::PolicyFull(f)
            | Self::NotYetVisible(f)
            | Self::PoolMissing(f)
            | Self::Unavailable(f)
            | Self::Fenced(f)
            | Self::Invalid(f) => f,
        }
    }

    /// Whether the same call may succeed later with nobody doing anything. `NotFound` and `PermissionDenied` are not
    /// retryable by themselves; a caller who has just made the thing, or the grant, knows better.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Conflict(_)
                | Self::Throttled { .. }
                | Self::Queued { .. }
                | Self::NotYetVisible(_)
                | Self::Unavailable(_)
        )
    }

    /// How long Google wants us to wait, if it says so, or until it is our turn.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after, .. } => *retry_after,
            Self::Queued { turn, .. } => Some(*turn),
            _ => None,
        }
    }

    /// CamelCase word for conditions, events and metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::AlreadyExists(_) => "AlreadyExists",
            Self::NotFound(_) => "NotFound",
            Self::PermissionDenied(_) => "PermissionDenied",
            Self::Unauthenticated(_) => "Unauthenticated",
            Self::Conflict(_) => "Conflict",
            Self::Throttled { .. } => "Throttled",
            Self::Queued { .. } => "Queued",
            Self::QuotaUsedUp(_) => "QuotaUsedUp",
            Self::PolicyFull(_) => "PolicyFull",
            Self::NotYetVisible(_) => "NotYetVisible",
            Self::PoolMissing(_) => "PoolMissing",
            Self::Unavailable(_) => "Unavailable",
            Self::Fenced(_) => "Fenced",
            Self::Refused { by, .. } => by.reason(),
            Self::Invalid(_) => "Invalid",
        }
    }

    fn remedy(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Refused { by, .. } => return by.remedy(),
            Self::AlreadyExists(_) => "look at its description to see whose it is",
            Self::NotFound(_) => "check its name and its project",
            Self::PermissionDenied(_) => "grant it; a new grant takes up to 7 minutes to work",
            Self::Unauthenticated(_) => "check the credentials of the caller",
            Self::Conflict(_) => "somebody else keeps changing it; it is tried again",
            Self::Throttled { .. } | Self::Queued { .. } => {
                "it is tried again later; ask Google for a higher rate if this goes on"
            }
            Self::QuotaUsedUp(_) => {
                "remove accounts that are not used, or ask Google for a higher quota"
            }
            Self::PolicyFull(_) => {
                "give the role on a folder of each user's own, or to a group that all of them are in"
            }
            Self::NotYetVisible(_) => "wait: Google shows a new account after a minute or more",
            Self::PoolMissing(_) => {
                "check that the project has a cluster with Workload Identity Federation"
            }
            Self::Unavailable(_) => {
                "it is tried again; check the network to Google if this goes on"
            }
            Self::Fenced(_) => "the replica that leads now does it",
            Self::Invalid(_) => "correct what the request is made from",
        })
    }

    /// Who refuses, if the organization around the project does.
    #[must_use]
    pub const fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused { by, .. } => Some(by),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { what, message } = self.failure();
        write!(
            f,
            "{what}: {}: {}",
            message.trim_end_matches('.'),
            self.remedy()
        )
    }
}

impl std::error::Error for Error {}
