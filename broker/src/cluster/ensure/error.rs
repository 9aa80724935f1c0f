//! Why an object of an identity could not be created.

use kube::ResourceExt;
use namesake_api::MarkError;
use namesake_core::Reason;

use crate::cluster::requests::{described, is_forbidden};
use crate::identity::objects::judgement::Judgement;

/// The result of a call that creates, changes or deletes an object of an identity.
pub(crate) type Result<T, E = EnsureError> = std::result::Result<T, E>;

/// Why an object of an identity could not be created, changed or deleted.
#[derive(Debug, thiserror::Error)]
pub enum EnsureError {
    /// Another object has the name.
    #[error(
        "{object} exists and does not belong to this identity: {why}: delete it, or rename what needs it; Namesake never takes over an object that it did not create"
    )]
    Conflict {
        /// Kind, namespace and name of that object.
        object: String,
        /// How it differs.
        why: String,
    },
    /// An object of an earlier identity is being deleted; the same call works after that.
    #[error("{0} of an earlier identity is still being deleted: wait until it is gone")]
    Terminating(String),
    /// Stack, cluster, namespace and name do not fit into a mark.
    #[error(transparent)]
    Mark(#[from] MarkError),
    /// The operating system returned no random bytes.
    #[error("the operating system returned no random bytes: check getrandom on the node")]
    Random,
    /// The API server refused or did not answer.
    #[error("the API server did not accept {what}: {source}{}", remedy(source))]
    Kube {
        /// The request.
        what: String,
        /// Its answer.
        source: kube::Error,
    },
}

impl EnsureError {
    /// For `map_err`: the API server did not accept this request.
    pub(crate) fn kube(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        move |source| Self::Kube { what, source }
    }

    pub(super) fn conflict(kind: &'static str, object: &impl ResourceExt, why: String) -> Self {
        let object = described(kind, object);
        Self::Conflict { object, why }
    }

    /// The stable word for it.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Conflict { .. } => Reason::Conflict,
            Self::Terminating(_) => Reason::Terminating,
            Self::Mark(_) => Reason::Invalid,
            Self::Random => Reason::NoRandomBytes,
            Self::Kube { source, .. } if is_forbidden(source) => Reason::Forbidden,
            Self::Kube { .. } => Reason::ApiServerUnavailable,
        }
    }
}

/// What a person can do about an answer of the API server.
fn remedy(error: &kube::Error) -> &'static str {
    if is_forbidden(error) {
        ": an admin gives the broker its permissions in the namespace: apply manifests/opt-in there"
    } else {
        ""
    }
}

/// The judgement, or an error if the object cannot be used.
pub(super) fn usable(
    kind: &'static str,
    existing: &impl ResourceExt,
    judgement: Judgement,
) -> Result<Judgement> {
    match judgement {
        Judgement::Foreign(why) => Err(EnsureError::conflict(kind, existing, why)),
        Judgement::Leftover => Err(EnsureError::Terminating(described(kind, existing))),
        ours => Ok(ours),
    }
}
