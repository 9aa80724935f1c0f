//! The stable words that the broker writes: reasons of conditions, of Events, and of why pods wait. docs/reasons.md explains
//! each.

use namesake_gcp::{Error, Refusal};

namesake_core::reasons! {
    /// A reason of a condition, of an Event, or of why a pod waits.
    pub enum ConditionReason {
        /// Something of this name is there already at Google.
        AlreadyExists,
        /// An API of Google's is not enabled.
        ApiDisabled,
        /// The API server did not do what it was asked.
        ApiServerUnavailable,
        /// Binding and grants are written.
        Bound,
        /// A bucket of the grants does not exist.
        BucketMissing,
        /// Something of this name is not ours, or a policy was changed by others again and again.
        Conflict,
        /// The service account is there.
        Created,
        /// A workload identity provider rejects the token by its attribute condition.
        CredentialRejected,
        /// The identity could not be proven within the time that Google needs.
        DeadlineExceeded,
        /// The Google service account is deleted.
        Deleted,
        /// The Identity is being deleted.
        Deleting,
        /// The Google service account is disabled.
        Disabled,
        /// The Google service account is about to be disabled.
        Disabling,
        /// No new pods; it goes with its last pod.
        Draining,
        /// The spec was edited by hand, and is as the rules make it again.
        Edited,
        /// The identity goes on in mode direct, because the project is full.
        FallenOver,
        /// This replica does not lead any more.
        Fenced,
        /// The API server does not allow it to the broker.
        Forbidden,
        /// Others have a role on the identity's Google account.
        ForeignMembers,
        /// The user has left, and the identity is taken down.
        Gone,
        /// A pod waited in vain at its gate, and was ended.
        IdentityFailed,
        /// Google does not take a request as it is, or the spec is not one that the rules derive.
        Invalid,
        /// What was there before is still being deleted.
        Leaving,
        /// A grant could not be taken back.
        Left,
        /// The pinned account does not exist, or is disabled.
        Missing,
        /// The service account of a pod has no Identity.
        NoIdentity,
        /// The operating system gave no random bytes.
        NoRandomBytes,
        /// Not at Google.
        NotFound,
        /// Mode direct needs no Google service account.
        NotNeeded,
        /// A bucket of the grants has no uniform bucket-level access.
        NotUniform,
        /// A Google account that was just made is not shown everywhere yet.
        NotYetVisible,
        /// The user has left.
        Offboarding,
        /// Nobody else has a role on the identity's Google account.
        OnlyOurs,
        /// An organization policy of Google's forbids it.
        OrganizationPolicy,
        /// The rules name another cluster than this one.
        OtherCluster,
        /// About to be done.
        Pending,
        /// A perimeter of VPC Service Controls refuses the call.
        Perimeter,
        /// Google does not allow it to the broker.
        PermissionDenied,
        /// A policy at Google holds no more.
        PolicyFull,
        /// The workload identity pool is not there.
        PoolMissing,
        /// Google is learning a change.
        Propagating,
        /// Something is used up soon.
        QuotaNearlyUsedUp,
        /// The project holds no more service accounts.
        QuotaExhausted,
        /// Google says that a count is used up.
        QuotaUsedUp,
        /// Others go first: as many as Google allows in a minute.
        Queued,
        /// The identity works.
        Ready,
        /// The service account was made anew.
        Recreated,
        /// The service account and its RoleBindings are gone.
        Removed,
        /// Something was changed by somebody else, and was put back.
        Repaired,
        /// An identity that worked is refused by Google.
        Revoked,
        /// What the rules no longer give is taken back.
        Revoking,
        /// The class gives a role that the broker may not give.
        RoleNotAllowed,
        /// The rules as edited are not accepted.
        RulesRejected,
        /// The spec has changed, and the condition is checked again.
        SpecChanged,
        /// An admin has suspended the identity.
        Suspended,
        /// There is nothing to prove.
        TakenDown,
        /// Too many requests at Google.
        Throttled,
        /// A step took too long.
        Timeout,
        /// Google refuses the broker's own credentials.
        Unauthenticated,
        /// Google does not answer.
        Unavailable,
        /// About to be taken from the identity.
        Unbinding,
        /// Nobody acts as the identity.
        Unbound,
        /// The identity was used at the last moment.
        Used,
        /// A pod's full path to Google was verified.
        Verified,
        /// The Google service account is there.
        Visible,
        /// The Google service account was made, and is not shown everywhere yet.
        WaitingUntilVisible,
    }
}

impl ConditionReason {
    /// Reasons that do not pass by themselves: a person has to do something first.
    const LASTING: [Self; 22] = [
        Self::ApiDisabled,
        Self::BucketMissing,
        Self::Conflict,
        Self::CredentialRejected,
        Self::DeadlineExceeded,
        Self::Deleting,
        Self::Gone,
        Self::Invalid,
        Self::Missing,
        Self::NoIdentity,
        Self::NotUniform,
        Self::Offboarding,
        Self::OrganizationPolicy,
        Self::OtherCluster,
        Self::Perimeter,
        Self::PermissionDenied,
        Self::PolicyFull,
        Self::PoolMissing,
        Self::QuotaExhausted,
        Self::QuotaUsedUp,
        Self::RoleNotAllowed,
        Self::Suspended,
    ];

    /// Whether the reason of this name does not pass by itself.
    #[must_use]
    pub fn is_lasting(name: &str) -> bool {
        Self::LASTING.iter().any(|lasting| lasting.as_str() == name)
    }
}

impl From<&Error> for ConditionReason {
    fn from(error: &Error) -> Self {
        match error {
            Error::AlreadyExists(_) => Self::AlreadyExists,
            Error::NotFound(_) => Self::NotFound,
            Error::PermissionDenied(_) => Self::PermissionDenied,
            Error::Unauthenticated(_) => Self::Unauthenticated,
            Error::Conflict(_) => Self::Conflict,
            Error::Throttled { .. } => Self::Throttled,
            Error::Queued { .. } => Self::Queued,
            Error::QuotaUsedUp(_) => Self::QuotaUsedUp,
            Error::PolicyFull(_) => Self::PolicyFull,
            Error::NotYetVisible(_) => Self::NotYetVisible,
            Error::PoolMissing(_) => Self::PoolMissing,
            Error::Unavailable(_) => Self::Unavailable,
            Error::Fenced(_) => Self::Fenced,
            Error::Refused { by, .. } => match by {
                Refusal::OrganizationPolicy { .. } => Self::OrganizationPolicy,
                Refusal::Perimeter { .. } => Self::Perimeter,
                Refusal::ApiDisabled { .. } => Self::ApiDisabled,
                Refusal::CredentialRejected { .. } => Self::CredentialRejected,
            },
            Error::Invalid(_) => Self::Invalid,
        }
    }
}
