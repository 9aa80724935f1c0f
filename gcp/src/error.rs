//! Why a call to Google failed, and what to do about it.

pub(crate) mod answer;
pub(crate) mod classify;
mod details;
pub(crate) mod refusal;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::Refusal;

/// What was tried, and what Google said. Never holds a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What was tried, on which resource: `create service account mf-x in project acme`.
    pub what: String,
    /// Google's own words, or those of the transport.
    pub message: String,
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            message: message.into(),
        }
    }
}

/// Why a call to Google failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Something of this name exists; its description says whose it is.
    AlreadyExists(Failure),
    /// It does not exist, or was created so recently that Google does not show it yet: the caller knows.
    NotFound(Failure),
    /// Not allowed, or granted or created so recently that it is not allowed yet: the caller knows.
    PermissionDenied(Failure),
    /// Our own credentials are refused, or we cannot get any.
    Unauthenticated(Failure),
    /// Others kept changing the same policy until the time limit.
    Conflict(Failure),
    /// Too many requests.
    Throttled {
        /// What was tried.
        failure: Failure,
        /// How long Google asks us to wait, if it says so.
        retry_after: Option<Duration>,
    },
    /// Our own rate limit: the request would have to wait longer than the time limit, and was not sent.
    Queued {
        /// What was tried.
        failure: Failure,
        /// How long until it could be sent.
        wait: Duration,
    },
    /// A quota that does not refill, such as the number of accounts, is used up: waiting does not help.
    QuotaExhausted(Failure),
    /// The policy has no room for more members: waiting does not help.
    PolicyFull(Failure),
    /// A new account is not known everywhere yet, or does not exist.
    NotYetVisible(Failure),
    /// The workload identity pool does not exist.
    PoolMissing(Failure),
    /// Google cannot be reached, is down, or did not answer in time.
    Unavailable(Failure),
    /// This replica is no longer allowed to change anything at Google: see [`crate::Gcp::fenced`]. Nothing was sent.
    Fenced(Failure),
    /// The organization around the project refuses it, until an administrator changes something.
    Refused {
        /// What was tried.
        failure: Failure,
        /// Who refuses, and why.
        by: Refusal,
    },
    /// Google does not accept the request, or its answer makes no sense.
    Invalid(Failure),
}

/// If a quota that does not refill is used up, Google asks to wait for a day. Any wait of at least this length means such a
/// quota.
const QUOTA_WAIT: Duration = Duration::from_secs(3600);

impl Error {
    pub(crate) fn throttled(failure: Failure, retry_after: Option<Duration>) -> Self {
        if retry_after.is_some_and(|wait| wait >= QUOTA_WAIT)
            || failure.message.contains("Maximum number of")
        {
            return Self::QuotaExhausted(failure);
        }
        Self::Throttled {
            failure,
            retry_after,
        }
    }

    pub(crate) fn not_shown_yet(what: &str) -> Self {
        let message = "it was created, but Google does not show it yet";
        Self::NotYetVisible(Failure::new(what, message))
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
            | Self::QuotaExhausted(f)
            | Self::PolicyFull(f)
            | Self::NotYetVisible(f)
            | Self::PoolMissing(f)
            | Self::Unavailable(f)
            | Self::Fenced(f)
            | Self::Invalid(f) => f,
        }
    }

    /// Its kind, as a word for metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::AlreadyExists(_) => "AlreadyExists",
            Self::NotFound(_) => "NotFound",
            Self::PermissionDenied(_) => "PermissionDenied",
            Self::Unauthenticated(_) => "Unauthenticated",
            Self::Conflict(_) => "Conflict",
            Self::Throttled { .. } => "Throttled",
            Self::Queued { .. } => "Queued",
            Self::QuotaExhausted(_) => "QuotaExhausted",
            Self::PolicyFull(_) => "PolicyFull",
            Self::NotYetVisible(_) => "NotYetVisible",
            Self::PoolMissing(_) => "PoolMissing",
            Self::Unavailable(_) => "Unavailable",
            Self::Fenced(_) => "Fenced",
            Self::Refused { .. } => "Refused",
            Self::Invalid(_) => "Invalid",
        }
    }

    /// Whether the same call may succeed later without anyone doing anything. `NotFound` and `PermissionDenied` are not
    /// retryable in general; a caller who has just created the resource, or the grant, knows better.
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

    /// How long to wait before the next attempt, if Google or our own rate limit says so.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after, .. } => *retry_after,
            Self::Queued { wait, .. } => Some(*wait),
            _ => None,
        }
    }

    /// The refusal, if the organization around the project refuses.
    #[must_use]
    pub const fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused { by, .. } => Some(by),
            _ => None,
        }
    }

    fn remedy(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Refused { by, .. } => return by.remedy(),
            Self::AlreadyExists(_) => "look at its description to see whose it is",
            Self::NotFound(_) => "check its name and its project",
            Self::PermissionDenied(_) => {
                "grant the permission; a new grant takes up to 7 minutes to take effect"
            }
            Self::Unauthenticated(_) => "check the credentials of the caller",
            Self::Conflict(_) => "somebody else keeps changing it; it will be tried again",
            Self::Throttled { .. } | Self::Queued { .. } => {
                "it will be tried again; if this persists, ask Google for a higher rate"
            }
            Self::QuotaExhausted(_) => "delete unused accounts, or ask Google for a higher quota",
            Self::PolicyFull(_) => {
                "grant the role on a folder per user, or to a group of all users"
            }
            Self::NotYetVisible(_) => "wait: Google shows a new account after a minute or more",
            Self::PoolMissing(_) => {
                "check that the project has a cluster with Workload Identity Federation"
            }
            Self::Unavailable(_) => {
                "it will be tried again; if this persists, check the network to Google"
            }
            Self::Fenced(_) => "the replica that leads now does it",
            Self::Invalid(_) => "correct what the request is made from",
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { what, message } = self.failure();
        let message = message.trim_end_matches('.');
        write!(f, "{what}: {message}: {}", self.remedy())
    }
}

impl std::error::Error for Error {}
