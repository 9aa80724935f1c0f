//! AdmissionReview v1 as the API server sends it, parsed without copying, and only what admission reads of it; and what is
//! answered to it.
//!
//! The object itself is never rebuilt, so fields that this program does not know pass through untouched.

mod object;
pub mod outcome;
pub mod patch;
mod pod;
pub mod refused;
pub mod text;
pub(crate) mod trace;
mod user_info;
pub mod verdict;

use namesake_core::Text;
use serde::Deserialize;
use thiserror::Error;

use crate::review::text::objects_only;

pub use object::{Metadata, Object, OwnerReference};
pub use pod::{Container, Gate, Spec};
pub(crate) use pod::{Mount, Volume};
pub use user_info::{Extra, UserInfo};

/// Largest review that is read, in bytes. The API server's own limit on a request is 3 MiB, and UPDATE carries two objects.
pub const MAX_REVIEW_BYTES: usize = 8 * 1024 * 1024;
/// The only `apiVersion` of a review that is understood.
pub const REVIEW_VERSION: &str = "admission.k8s.io/v1";
/// The only `kind` of a review that is understood.
pub const REVIEW_KIND: &str = "AdmissionReview";

/// Why a body is not a review; it is answered with HTTP 400.
#[derive(Debug, Error)]
pub enum Malformed {
    /// Not JSON, or not with the members of a review.
    #[error("the body is not a valid AdmissionReview: {0}")]
    Json(#[from] serde_json::Error),
    /// Another version or kind.
    #[error(
        "expected apiVersion {REVIEW_VERSION} and kind {REVIEW_KIND}, got apiVersion {version:?} and kind {kind:?}: \
         set admissionReviewVersions to [v1] in the webhook configuration"
    )]
    Version {
        /// `apiVersion` of the body.
        version: String,
        /// `kind` of the body.
        kind: String,
    },
    /// No `request`, or one without a uid.
    #[error(
        "the AdmissionReview has no request with a uid: only the API server should call this URL"
    )]
    NoRequest,
}

#[derive(Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
#[serde(bound(deserialize = "'de: 'a, O: Deserialize<'de>"))]
struct Review<'a, O> {
    #[serde(default)]
    api_version: Text<'a>,
    #[serde(default)]
    kind: Text<'a>,
    request: Option<Request<'a, O>>,
}

/// One admission request; `O` is the part of the object that is read.
#[derive(Debug, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
#[serde(bound(deserialize = "'de: 'a, O: Deserialize<'de>"))]
pub struct Request<'a, O = Object<'a>> {
    /// Echoed in the answer.
    #[serde(default)]
    pub uid: Text<'a>,
    /// Kind of the object, as the webhook configuration requests it.
    #[serde(default)]
    pub kind: GroupVersionKind<'a>,
    /// `status`, `scale`, … or empty.
    pub sub_resource: Option<Text<'a>>,
    /// CREATE, UPDATE, DELETE or CONNECT.
    #[serde(default)]
    pub operation: Text<'a>,
    /// Namespace of the object; empty when it has none.
    #[serde(default)]
    pub namespace: Text<'a>,
    /// Name, if it is known yet (it is not with `generateName`).
    pub name: Option<Text<'a>>,
    /// The requester.
    #[serde(default)]
    pub user_info: UserInfo<'a>,
    /// The object as it would be stored; absent on DELETE.
    pub object: Option<O>,
    /// The object as it is; absent on CREATE.
    pub old_object: Option<O>,
    /// Nothing will be stored, so nothing may be created for it.
    pub dry_run: Option<bool>,
}

impl<O> Request<'_, O> {
    /// Whether it is about the object itself, not about a subresource.
    #[must_use]
    pub fn is_whole_object(&self) -> bool {
        self.sub_resource.as_ref().is_none_or(|sub| sub.is_empty())
    }

    /// Whether nothing will be stored.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        self.dry_run == Some(true)
    }
}

/// Group, version and kind.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", default, bound(deserialize = "'de: 'a"))]
pub struct GroupVersionKind<'a> {
    /// API group; empty for the core group.
    pub group: Text<'a>,
    /// Version.
    pub version: Text<'a>,
    /// Kind.
    pub kind: Text<'a>,
}

objects_only!(Review<O>, Request<O>, GroupVersionKind);

/// Parses a review; the caller chooses as what the object is read.
///
/// # Errors
/// Why the body is not a review.
pub fn parse<'a, O: Deserialize<'a>>(body: &'a [u8]) -> Result<Request<'a, O>, Malformed> {
    // Checking once that the whole body is UTF-8 is faster than checking each string, as `from_slice` does. A body that is not
    // is left to `from_slice`, which says where.
    let review: Review<'a, O> = match std::str::from_utf8(body) {
        Ok(text) => serde_json::from_str(text)?,
        Err(_) => serde_json::from_slice(body)?,
    };
    if review.api_version.as_str() != REVIEW_VERSION || review.kind.as_str() != REVIEW_KIND {
        return Err(Malformed::Version {
            version: review.api_version.to_string(),
            kind: review.kind.to_string(),
        });
    }
    let request = review.request.ok_or(Malformed::NoRequest)?;
    if request.uid.is_empty() {
        return Err(Malformed::NoRequest);
    }
    Ok(request)
}

#[cfg(test)]
mod tests;
