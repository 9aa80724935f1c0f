//! AdmissionReview v1 as the API server sends it: parsed once, borrowing, and only what admission reads of it.
//!
//! The object itself is never rebuilt, so fields that this program has never heard of pass through untouched.

pub mod patch;
mod pod;
pub mod reason;
pub mod text;
pub mod verdict;

use std::time::Duration;

use namesake_core::Text;
use namesake_service::parse_duration;
use serde::Deserialize;
use serde::de::IgnoredAny;
use thiserror::Error;

use crate::review::text::{Pairs, objects_only, or_default};

pub use pod::{Container, Gate, Spec};

/// Largest review that is read, in bytes. The API server's own limit on a request is 3 MiB, and UPDATE carries two objects.
pub const MAX_REVIEW_BYTES: usize = 8 * 1024 * 1024;
/// The only `apiVersion` of a review that is understood.
pub const REVIEW_VERSION: &str = "admission.k8s.io/v1";
/// The only `kind` of a review that is understood.
pub const REVIEW_KIND: &str = "AdmissionReview";

/// A body that is not a review; it is answered with HTTP 400.
#[derive(Debug, Error)]
pub enum Malformed {
    /// Not JSON, or not of a review's shape.
    #[error("the body is not an AdmissionReview that can be read: {0}")]
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
        "the AdmissionReview has no request with a uid: only the API server should call this address"
    )]
    NoRequest,
}

#[derive(Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
#[serde(bound(deserialize = "O: Deserialize<'de>"))]
struct Review<'a, O> {
    #[serde(borrow, default)]
    api_version: Text<'a>,
    #[serde(borrow, default)]
    kind: Text<'a>,
    #[serde(borrow)]
    request: Option<Request<'a, O>>,
}

/// One admission request; `O` is the part of the object that is read.
#[derive(Debug, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
#[serde(bound(deserialize = "O: Deserialize<'de>"))]
pub struct Request<'a, O = Object<'a>> {
    /// Echoed in the answer.
    #[serde(borrow, default)]
    pub uid: Text<'a>,
    /// Kind of the object, as the webhook configuration asked for it.
    #[serde(borrow, default)]
    pub kind: GroupVersionKind<'a>,
    /// `status`, `scale`, … or empty.
    #[serde(borrow, default)]
    pub sub_resource: Option<Text<'a>>,
    /// CREATE, UPDATE, DELETE or CONNECT.
    #[serde(borrow, default)]
    pub operation: Text<'a>,
    /// Namespace of the object; empty when it has none.
    #[serde(borrow, default)]
    pub namespace: Text<'a>,
    /// Name, if it is known already (it is not when `generateName` is used).
    #[serde(borrow, default)]
    pub name: Option<Text<'a>>,
    /// Who asks.
    #[serde(borrow, default)]
    pub user_info: UserInfo<'a>,
    /// The object as it would be written; absent on DELETE.
    pub object: Option<O>,
    /// The object as it is; absent on CREATE.
    pub old_object: Option<O>,
    /// Nothing will be written, so nothing may be made.
    #[serde(default)]
    pub dry_run: Option<bool>,
}

impl<O> Request<'_, O> {
    /// Whether nothing will be written.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        self.dry_run == Some(true)
    }
}

/// Group, version and kind.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self")]
pub struct GroupVersionKind<'a> {
    /// API group; empty for the core group.
    #[serde(borrow, default)]
    pub group: Text<'a>,
    /// Version.
    #[serde(borrow, default)]
    pub version: Text<'a>,
    /// Kind.
    #[serde(borrow, default)]
    pub kind: Text<'a>,
}

/// Who the API server says asks.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self")]
pub struct UserInfo<'a> {
    /// Name of the person, service account or node.
    #[serde(borrow, default)]
    pub username: Text<'a>,
    /// Groups.
    #[serde(borrow, default)]
    pub groups: Option<Vec<Text<'a>>>,
    /// What the authenticator adds.
    #[serde(borrow, default)]
    pub extra: Option<Extra<'a>>,
}

/// The part of `userInfo.extra` that is read.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self")]
pub struct Extra<'a> {
    #[serde(rename = "authentication.kubernetes.io/credential-id", default)]
    credential_id: Option<Vec<IgnoredAny>>,
    #[serde(borrow, rename = "authentication.kubernetes.io/pod-name", default)]
    pod_name: Option<Vec<Text<'a>>>,
    #[serde(borrow, rename = "authentication.kubernetes.io/pod-uid", default)]
    pod_uid: Option<Vec<Text<'a>>>,
}

impl UserInfo<'_> {
    /// Whether the request shows a credential of its own. An impersonated request has none.
    #[must_use]
    pub fn has_credential_id(&self) -> bool {
        self.extra.as_ref().is_some_and(|e| shows(&e.credential_id))
    }

    /// Whether the credential is one that a pod was given.
    #[must_use]
    pub fn is_pod(&self) -> bool {
        self.pod().is_some()
    }

    /// Name and UID of the pod that the credential was given to.
    #[must_use]
    pub fn pod(&self) -> Option<(&str, &str)> {
        let extra = self.extra.as_ref().filter(|_| self.has_credential_id())?;
        let name = extra.pod_name.as_ref()?.first()?.as_str();
        Some((name, extra.pod_uid.as_ref()?.first()?.as_str()))
    }
}

fn shows(values: &Option<Vec<IgnoredAny>>) -> bool {
    values.as_ref().is_some_and(|values| !values.is_empty())
}

/// The part of a pod or a parent that admission reads at once.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self")]
pub struct Object<'a> {
    /// Metadata.
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub metadata: Metadata<'a>,
    /// Spec.
    #[serde(borrow, default)]
    pub spec: Option<Spec<'a>>,
}

/// The part of an object's metadata that admission reads.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct Metadata<'a> {
    /// Name.
    #[serde(borrow, default)]
    pub name: Option<Text<'a>>,
    /// Prefix of the name that the API server will make.
    #[serde(borrow, default)]
    pub generate_name: Option<Text<'a>>,
    /// UID.
    #[serde(borrow, default)]
    pub uid: Option<Text<'a>>,
    /// When it was written first, RFC 3339.
    #[serde(borrow, default)]
    pub creation_timestamp: Option<Text<'a>>,
    /// Labels.
    #[serde(borrow, default)]
    pub labels: Option<Pairs<'a>>,
    /// Annotations.
    #[serde(borrow, default)]
    pub annotations: Option<Pairs<'a>>,
    /// Owners.
    #[serde(borrow, default)]
    pub owner_references: Option<Vec<Owner<'a>>>,
}

impl Metadata<'_> {
    /// Value of an annotation.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(key)
    }

    /// Value of a label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.as_ref()?.get(key)
    }

    /// Whether it has a name, or the beginning of one.
    #[must_use]
    pub fn is_named(&self) -> bool {
        let names = [&self.name, &self.generate_name];
        names.into_iter().flatten().any(|name| !name.is_empty())
    }

    /// The owner that is its controller. The API server allows one at most.
    #[must_use]
    pub fn controller(&self) -> Option<&Owner<'_>> {
        let mut owners = self.owner_references.iter().flatten();
        owners.find(|o| o.controller == Some(true))
    }
}

/// One owner reference.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct Owner<'a> {
    /// Group and version.
    #[serde(borrow, default)]
    pub api_version: Text<'a>,
    /// Kind.
    #[serde(borrow, default)]
    pub kind: Text<'a>,
    /// Name.
    #[serde(borrow, default)]
    pub name: Text<'a>,
    /// UID: the only part that says which object it is.
    #[serde(borrow, default)]
    pub uid: Text<'a>,
    /// Whether it is the controller.
    #[serde(default)]
    pub controller: Option<bool>,
}

objects_only!(
    Review<O>,
    Request<O>,
    GroupVersionKind,
    UserInfo,
    Extra,
    Object,
    Metadata,
    Owner
);

/// Reads a review. What the object is made of is the caller's choice of `O`.
///
/// # Errors
/// Whatever makes the body not a review; nothing in it makes this panic.
pub fn parse<'a, O: Deserialize<'a>>(body: &'a [u8]) -> Result<Request<'a, O>, Malformed> {
    let review: Review<'a, O> = serde_json::from_slice(body)?;
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

/// The time that the API server gives this request: `timeout` of the query, such as `10s`.
#[must_use]
pub fn timeout(query: Option<&str>) -> Option<Duration> {
    let pairs = query?.split('&').filter_map(|p| p.split_once('='));
    let (_, value) = pairs.into_iter().find(|(key, _)| *key == "timeout")?;
    parse_duration(value).ok().filter(|d| !d.is_zero())
}

#[cfg(test)]
mod tests;
