//! Refusals: why a pod gets no identity, as a sentence for the person who reads it.

/// A refusal for a person: which rule, who asked, what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The rule that refused, if one did.
    pub rule: Option<String>,
    /// The kind of refusal, for metrics, Events and conditions.
    pub reason: Reason,
    /// Whole sentences: which rule, who asked, what to do.
    pub message: String,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, message: String) -> Refusal {
        Refusal {
            rule: None,
            reason,
            message,
        }
    }

    pub(crate) fn by_rule(rule: &str, reason: Reason, message: String) -> Refusal {
        Refusal {
            rule: Some(rule.to_owned()),
            reason,
            message,
        }
    }
}

crate::reasons! {
    /// Why the rules refuse.
    pub enum Reason {
        /// The API server named no requester.
        EmptyRequester,
        /// No entry of `users` matches the requester.
        UnknownRequester,
        /// A service account that the rules know, impersonated by somebody.
        Impersonated,
        /// The requester, or what it maps to, is not a legal user.
        IllegalUser,
        /// The requester speaks for others and did not say for whom.
        MissingClaim,
        /// The requester may not speak for this user.
        ClaimNotAllowed,
        /// Somebody shows the name of a managed KSA, and no token that was issued to one of its pods.
        NotAPod,
        /// A managed KSA that no identity here has.
        UnknownIdentity,
        /// A managed KSA that is more than one user's.
        SharedIdentity,
        /// The user has left.
        Offboarded,
        /// A rule with `deny` matched.
        DeniedByRule,
        /// No rule matched, and the rules say `noMatch: deny`.
        NoMatch,
        /// The class is not for this user, or not in this namespace.
        NotEntitled,
        /// The rules have no class of this name.
        UnknownClass,
        /// The class makes one identity per something that the pod does not name.
        MissingValue,
        /// A value of `per` is not legal.
        IllegalValue,
        /// The values of `per` are not the ones that the class asks for.
        WrongValues,
    }
}
