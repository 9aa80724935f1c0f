//! The part of an object that admission reads.

use namesake_core::Text;
use serde::Deserialize;

use crate::review::pod::Spec;
use crate::review::text::{Pairs, objects_only, or_default};

/// The part of a pod or a parent that is read of every review.
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
    /// Prefix of the name that the API server generates.
    #[serde(borrow, default)]
    pub generate_name: Option<Text<'a>>,
    /// UID.
    #[serde(borrow, default)]
    pub uid: Option<Text<'a>>,
    /// When it was created, RFC 3339.
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
    pub owner_references: Option<Vec<OwnerReference<'a>>>,
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

    /// Whether it has a name, or the prefix of one.
    #[must_use]
    pub fn is_named(&self) -> bool {
        let names = [&self.name, &self.generate_name];
        names.into_iter().flatten().any(|name| !name.is_empty())
    }

    /// The owner that is its controller. The API server allows one at most.
    #[must_use]
    pub fn controller(&self) -> Option<&OwnerReference<'_>> {
        let mut owners = self.owner_references.iter().flatten();
        owners.find(|o| o.controller == Some(true))
    }
}

/// One owner reference.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct OwnerReference<'a> {
    /// Group and version.
    #[serde(borrow, default)]
    pub api_version: Text<'a>,
    /// Kind.
    #[serde(borrow, default)]
    pub kind: Text<'a>,
    /// Name.
    #[serde(borrow, default)]
    pub name: Text<'a>,
    /// UID: the only part that identifies the object.
    #[serde(borrow, default)]
    pub uid: Text<'a>,
    /// Whether it is the controller.
    #[serde(default)]
    pub controller: Option<bool>,
}

impl OwnerReference<'_> {
    /// API group; empty for the core group.
    #[must_use]
    pub fn api_group(&self) -> &str {
        let parts = self.api_version.split_once('/');
        parts.map_or("", |(group, _)| group)
    }
}

objects_only!(Object, Metadata, OwnerReference);
