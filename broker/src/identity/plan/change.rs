//! The steps that a plan consists of.

use namesake_gcp::Resource;

/// One bounded step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Create the KSA.
    CreateServiceAccount,
    /// Restore what was changed on the KSA.
    RepairServiceAccount,
    /// Make the Identity the owner of the KSA that was created together with it.
    SetServiceAccountOwner,
    /// Find the GSA; enable, undelete or create it if needed.
    EnsureGoogleAccount,
    /// Read the GSA once more, to see whether Google shows it everywhere.
    ConfirmGoogleAccount,
    /// Let the KSA act as the GSA.
    Bind,
    /// Grant the roles on one resource.
    Grant(Resource),
    /// Record in the status what is about to be written at Google.
    Record,
    /// Revoke what is recorded and not wanted any more.
    Revoke,
    /// Delete the GSA.
    DeleteGoogleAccount,
    /// Act as a pod once: token, exchange, impersonation, permissions.
    Verify,
    /// The same for an identity that worked: what else may refuse it than binding and grants shows in no policy.
    VerifyAgain,
    /// Let nobody act as the identity.
    Unbind,
    /// Disable the GSA.
    DisableGoogleAccount,
    /// Check that every replica of the webhook knows that it gets no more pods, and that the last pod is gone.
    Drain,
    /// Delete the KSA and its RoleBindings.
    DeleteServiceAccount,
    /// Delete the Identity; its finalizer deletes the rest before that.
    DeleteIdentity,
}

impl Change {
    /// Its name in metrics and Events.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::CreateServiceAccount => "CreateServiceAccount",
            Self::RepairServiceAccount => "RepairServiceAccount",
            Self::SetServiceAccountOwner => "SetServiceAccountOwner",
            Self::EnsureGoogleAccount => "EnsureGoogleAccount",
            Self::ConfirmGoogleAccount => "ConfirmGoogleAccount",
            Self::Bind => "Bind",
            Self::Grant(_) => "Grant",
            Self::Record => "Record",
            Self::Revoke => "Revoke",
            Self::DeleteGoogleAccount => "DeleteGoogleAccount",
            Self::Verify => "Verify",
            Self::VerifyAgain => "VerifyAgain",
            Self::Unbind => "Unbind",
            Self::DisableGoogleAccount => "DisableGoogleAccount",
            Self::Drain => "Drain",
            Self::DeleteServiceAccount => "DeleteServiceAccount",
            Self::DeleteIdentity => "DeleteIdentity",
        }
    }

    /// Whether it takes an identity down, so that it stays done when the plan is finished.
    #[must_use]
    pub const fn takes_down(&self) -> bool {
        matches!(
            self,
            Self::Unbind
                | Self::DisableGoogleAccount
                | Self::Drain
                | Self::Revoke
                | Self::DeleteGoogleAccount
        )
    }

    /// Whether it changes the cluster only, and so never waits for Google.
    #[must_use]
    pub const fn is_in_cluster(&self) -> bool {
        matches!(
            self,
            Self::CreateServiceAccount
                | Self::RepairServiceAccount
                | Self::SetServiceAccountOwner
                | Self::DeleteServiceAccount
                | Self::DeleteIdentity
        )
    }

    /// Whether it calls Google.
    #[must_use]
    pub const fn is_at_google(&self) -> bool {
        !self.is_in_cluster() && !matches!(self, Self::Record | Self::Drain)
    }
}
