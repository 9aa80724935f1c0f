//! Where an identity is in its life.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where an identity is in its life. The broker alone moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// KSA, GSA, binding and grants are being made.
    Provisioning,
    /// They are made; Google is learning them.
    Verifying,
    /// It works.
    InUse,
    /// It works, and no pod has used it for a while.
    Idle,
    /// An admin has suspended it: nobody acts as it.
    Suspended,
    /// It gets no new pods and is taken down when its last pod is gone.
    Draining,
    /// Its user has left: it is being taken down.
    Offboarding,
    /// Its user has left and is back: it is being brought back.
    Returning,
    /// Its user has left, and it is taken down. The name stays taken, so that nobody inherits it.
    Gone,
}

impl Phase {
    /// Whether pods may be given it. In the other phases the broker says why not, or brings it back.
    #[must_use]
    pub const fn serves(self) -> bool {
        !matches!(
            self,
            Self::Suspended | Self::Draining | Self::Offboarding | Self::Gone
        )
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
