//! Why a step failed, for the condition that it was to bring about: a word, a sentence, and when to try again.

use std::time::Duration;

use namesake_api::IdentitySpec;
use namesake_api::conditions::Status;

use crate::cluster::ensure;
use crate::identity::conditions::{Finding, condition};
use crate::identity::plan::Change;
use crate::identity::reason::ConditionReason;

/// When the step is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It may pass by itself: with growing waits, at least this long.
    Soon(Duration),
    /// Others go before, and nothing else is wrong: when its turn comes, after this long.
    Turn(Duration),
    /// A person has to do something first: slowly.
    Slowly,
    /// An administrator of the organization has to do something first: more and more slowly.
    Rarely,
}

impl Retry {
    /// Whether it does not pass by itself.
    #[must_use]
    pub const fn needs_a_person(self) -> bool {
        matches!(self, Self::Slowly | Self::Rarely)
    }
}

/// A step that did not do what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// CamelCase word.
    pub reason: &'static str,
    /// What is so and what to do.
    pub message: String,
    /// When to try again.
    pub retry: Retry,
    /// Whether an identity that worked until now does not any more. Google being away proves nothing about it.
    pub breaks: bool,
    /// Whether it is Google's no to an identity that worked, and not somebody being away.
    pub revokes: bool,
    /// What is in the message, and is another one in each answer of Google although nothing else has changed.
    pub changing_id: Option<String>,
}

impl Failure {
    /// Something in the way that only a person can remove.
    #[must_use]
    pub fn lasting(reason: ConditionReason, message: impl Into<String>) -> Self {
        Self {
            reason: reason.as_str(),
            message: message.into(),
            retry: Retry::Slowly,
            breaks: true,
            revokes: false,
            changing_id: None,
        }
    }

    /// Something that may pass by itself.
    #[must_use]
    pub fn passing(reason: ConditionReason, message: impl Into<String>) -> Self {
        Self {
            reason: reason.as_str(),
            message: message.into(),
            retry: Retry::Soon(Duration::ZERO),
            breaks: false,
            revokes: false,
            changing_id: None,
        }
    }

    /// Whether a message says the same as this failure, but for an id that is another one in each answer.
    #[must_use]
    pub fn says_the_same_as(&self, message: &str) -> bool {
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

    /// Whether the organization around the project refuses it: a verdict of Google's, however often it is asked.
    #[must_use]
    pub const fn is_of_the_organization(&self) -> bool {
        matches!(self.retry, Retry::Rarely)
    }

    /// Says whose grants these are, where Google says that they make no sense.
    #[must_use]
    pub(crate) fn of_grants(mut self, spec: &IdentitySpec) -> Self {
        if self.reason == ConditionReason::Invalid.as_str() {
            let class = &spec.class;
            self.message += &format!(": see the grants of class {class} in the rules");
        }
        self
    }

    /// As the condition that `change` was to bring about says it.
    #[must_use]
    pub fn finding(&self, change: &Change) -> Finding {
        Finding {
            condition: condition(change),
            status: Status::False,
            reason: self.reason.into(),
            message: self.message.clone(),
        }
    }
}

impl From<namesake_gcp::Error> for Failure {
    fn from(error: namesake_gcp::Error) -> Self {
        // A fence that was shut for a moment: whoever leads, and be it this one again, goes on at once.
        let fenced = matches!(error, namesake_gcp::Error::Fenced(_));
        let retry = match error {
            namesake_gcp::Error::Queued { wait, .. } => Retry::Turn(wait),
            namesake_gcp::Error::Refused { .. } => Retry::Rarely,
            _ if fenced || error.is_retryable() => {
                Retry::Soon(error.retry_after().unwrap_or_default())
            }
            _ => Retry::Slowly,
        };
        Self {
            reason: ConditionReason::from(&error).as_str(),
            message: error.to_string(),
            retry,
            breaks: false,
            revokes: false,
            changing_id: error
                .refusal()
                .and_then(namesake_gcp::Refusal::changing_id)
                .map(str::to_owned),
        }
    }
}

impl From<ensure::Error> for Failure {
    fn from(error: ensure::Error) -> Self {
        let message = error.to_string();
        match error {
            ensure::Error::Conflict { .. } => Self::lasting(ConditionReason::Conflict, message),
            ensure::Error::Mark(_) => Self::lasting(ConditionReason::Invalid, message),
            ensure::Error::Leaving { .. } => Self::passing(ConditionReason::Leaving, message),
            ensure::Error::Random => Self::passing(ConditionReason::NoRandomBytes, message),
            ensure::Error::Kube { source, .. } if ensure::is_forbidden(&source) => {
                Self::passing(ConditionReason::Forbidden, message)
            }
            ensure::Error::Kube { .. } => {
                Self::passing(ConditionReason::ApiServerUnavailable, message)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_fence_has_stopped_is_tried_again_soon() {
        let stopped = namesake_gcp::Failure {
            what: "change a policy".to_owned(),
            message: "this replica does not lead any more".to_owned(),
        };
        let failure = Failure::from(namesake_gcp::Error::Fenced(stopped));
        assert!(matches!(failure.retry, Retry::Soon(_)));
    }
}
