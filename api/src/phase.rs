//! The phase of an identity.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The phase of an identity in its lifecycle. Only the broker changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// KSA, GSA, binding and grants are being created.
    Provisioning,
    /// They are created; Google is distributing them, and the identity is being verified.
    Verifying,
    /// It works.
    InUse,
    /// It works, and no pod has used it for a while.
    Idle,
    /// An admin has suspended it: no pod can act as it.
    Suspended,
    /// It gets no new pods, and is removed after its last pod.
    Draining,
    /// Its user is offboarded: it is being removed.
    Offboarding,
    /// Its user was offboarded and has returned: it is being restored.
    Returning,
    /// Its user is offboarded, and it is removed. The name stays reserved, so that no later user of this name gets it.
    Gone,
}

impl Phase {
    /// All phases.
    pub const ALL: [Self; 9] = [
        Self::Provisioning,
        Self::Verifying,
        Self::InUse,
        Self::Idle,
        Self::Suspended,
        Self::Draining,
        Self::Offboarding,
        Self::Returning,
        Self::Gone,
    ];

    /// Whether new pods can use it. In other phases the broker refuses it with the reason, or restores it.
    #[must_use]
    pub const fn accepts_new_pods(self) -> bool {
        !matches!(
            self,
            Self::Suspended | Self::Draining | Self::Offboarding | Self::Gone
        )
    }

    /// Whether pods that run already may still act as it.
    #[must_use]
    pub const fn serves_running_pods(self) -> bool {
        !matches!(self, Self::Suspended | Self::Offboarding | Self::Gone)
    }

    /// As `kubectl get` shows it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "Provisioning",
            Self::Verifying => "Verifying",
            Self::InUse => "InUse",
            Self::Idle => "Idle",
            Self::Suspended => "Suspended",
            Self::Draining => "Draining",
            Self::Offboarding => "Offboarding",
            Self::Returning => "Returning",
            Self::Gone => "Gone",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
