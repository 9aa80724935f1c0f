//! The part of an object that admission reads.

use namesake_core::Text;
use serde::Deserialize;

use crate::review::pod::Spec;
use crate::review::text::{Pairs, objects_only, or_default};

/// The part of a pod or a parent that is read of every review.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", default, bound(deserialize = "'de: 'a"))]
pub struct Object<'a> {
    /// Metadata.
    #[serde(deserialize_with = "or_default")]
    pub metadata: Metadata<'a>,
    /// Spec.
    pub spec: Option<Spec<'a>>,
}

/// The part of an object's metadata that admission reads.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", default, rename_all = "camelCase")]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct Metadata<'a> {
    /// Name.
    pub name: Option<Text<'a>>,
    /// Prefix of the name that the API server generates.
    pub generate_name: Option<Text<'a>>,
    /// UID.
    pub uid: Option<Text<'a>>,
    /// When it was created, RFC 3339.
    pub creation_timestamp: Option<Text<'a>>,
    /// Labels.
    pub labels: Option<Pairs<'a>>,
    /// Annotations.
    pub annotations: Option<Pairs<'a>>,
    /// Owners.
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
#[serde(remote = "Self", default, rename_all = "camelCase")]
#[serde(bound(deserialize = "'de: 'a"))]
pub struct OwnerReference<'a> {
    /// Group and version.
    pub api_version: Text<'a>,
    /// Kind.
    pub kind: Text<'a>,
    /// Name.
    pub name: Text<'a>,
    /// UID: the only part that identifies the object.
    pub uid: Text<'a>,
    /// Whether it is the controller.
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
