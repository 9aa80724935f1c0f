//! Why a step failed: a reason, a message, and when it is tried again.

use std::time::Duration;

use namesake_api::IdentitySpec;
use namesake_core::Reason;
use namesake_gcp::{Error, Refusal};

use crate::cluster::ensure::EnsureError;
use crate::identity::finding::Finding;
use crate::identity::plan::change::Change;
use crate::identity::progress::condition_of;

/// When a failed step is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It may pass by itself: with exponential backoff, and after at least this long.
    Backoff(Duration),
    /// Google's rate limit: when its turn comes, after this long. Nothing has failed.
    Queued(Duration),
    /// A person has to do something first: every few minutes.
    Slowly,
    /// An administrator of the organization has to do something first: at growing intervals of minutes to an hour.
    Rarely,
}

impl Retry {
    /// Whether a person has to do something first.
    #[must_use]
    pub const fn needs_a_person(self) -> bool {
        matches!(self, Self::Slowly | Self::Rarely)
    }
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepFailure {
    /// Why, for programs.
    pub reason: Reason,
    /// Why, for people, and what to do.
    pub message: String,
    /// When to try again.
    pub retry: Retry,
    /// Whether an identity that worked does not work any more. That Google cannot be reached proves nothing about it.
    pub breaks: bool,
    /// Whether Google refuses an identity that worked, rather than cannot be reached.
    pub revokes: bool,
    /// An id in the message that differs in each of Google's answers although nothing else has changed.
    pub changing_id: Option<String>,
}

impl StepFailure {
    /// A failure that only a person can fix.
    #[must_use]
    pub fn lasting(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            retry: Retry::Slowly,
            breaks: true,
            ..Self::passing(reason, message)
        }
    }

    /// A failure that may pass by itself.
    #[must_use]
    pub fn passing(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            retry: Retry::Backoff(Duration::ZERO),
            breaks: false,
            revokes: false,
            changing_id: None,
        }
    }

    /// Whether a message is the same as this failure's, apart from the changing id.
    #[must_use]
    pub fn is_same_message(&self, message: &str) -> bool {
        let Some(id) = &self.changing_id else {
            return self.message == message;
        };
        let Some((before, _)) = self.message.split_once(id.as_str()) else {
            return self.message == message;
        };
        let Some(rest) = message.strip_prefix(before) else {
            return false;
        };
        let other = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
        let other = other.into_iter().next().unwrap_or_default();
        self.message.replace(id.as_str(), other) == message
    }

    /// Whether the organization around the project refuses it: asking again does not help.
    #[must_use]
    pub const fn is_organization_refusal(&self) -> bool {
        matches!(self.retry, Retry::Rarely)
    }

    /// Names the class whose grants Google calls invalid.
    #[must_use]
    pub(crate) fn naming_class(mut self, spec: &IdentitySpec) -> Self {
        if self.reason == Reason::Invalid {
            self.message += &format!(": see the grants of class {} in the rules", spec.class);
        }
        self
    }

    /// The finding for the condition that `change` makes true.
    #[must_use]
    pub fn finding(&self, change: &Change) -> Finding {
        Finding::fails(condition_of(change), self.reason, self.message.clone())
    }
}

impl From<Error> for StepFailure {
    fn from(error: Error) -> Self {
        // After a change of the leader, the new one goes on at once; it may be this replica again.
        let lost_leadership = matches!(error, Error::Fenced(_));
        let retry = match error {
            Error::Queued { wait, .. } => Retry::Queued(wait),
            Error::Refused { .. } => Retry::Rarely,
            _ if lost_leadership || error.is_retryable() => {
                Retry::Backoff(error.retry_after().unwrap_or_default())
            }
            _ => Retry::Slowly,
        };
        let changing_id = error.refusal().and_then(Refusal::changing_id);
        Self {
            retry,
            changing_id: changing_id.map(str::to_owned),
            ..Self::passing(reason_of(&error), error.to_string())
        }
    }
}

impl From<EnsureError> for StepFailure {
    fn from(error: EnsureError) -> Self {
        let (reason, message) = (error.reason(), error.to_string());
        match error {
            EnsureError::Conflict { .. } | EnsureError::Mark(_) => Self::lasting(reason, message),
            _ => Self::passing(reason, message),
        }
    }
}

/// The reason for an error of Google.
fn reason_of(error: &Error) -> Reason {
    match error {
        Error::AlreadyExists(_) => Reason::AlreadyExists,
        Error::NotFound(_) => Reason::NotFound,
        Error::PermissionDenied(_) => Reason::PermissionDenied,
        Error::Unauthenticated(_) => Reason::Unauthenticated,
        Error::Conflict(_) => Reason::Conflict,
        Error::Throttled { .. } => Reason::Throttled,
        Error::Queued { .. } => Reason::Queued,
        Error::QuotaExhausted(_) => Reason::QuotaExhausted,
        Error::PolicyFull(_) => Reason::PolicyFull,
        Error::NotYetVisible(_) => Reason::NotYetVisible,
        Error::PoolMissing(_) => Reason::PoolMissing,
        Error::Unavailable(_) => Reason::Unavailable,
        Error::Fenced(_) => Reason::LeadershipLost,
        Error::Invalid(_) => Reason::Invalid,
        Error::Refused { by, .. } => match by {
            Refusal::OrganizationPolicy { .. } => Reason::OrganizationPolicy,
            Refusal::Perimeter { .. } => Reason::Perimeter,
            Refusal::ApiDisabled { .. } => Reason::ApiDisabled,
            Refusal::CredentialRejected { .. } => Reason::CredentialRejected,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_the_fence_stopped_is_tried_again_soon() {
        let stopped = namesake_gcp::Failure {
            what: "change a policy".to_owned(),
            message: "this replica does not lead any more".to_owned(),
        };
        let failure = StepFailure::from(Error::Fenced(stopped));
        assert!(matches!(failure.retry, Retry::Backoff(_)));
    }
}
