//! An Identity as the watch reads it. The rest of the object, `metadata.managedFields` above all, would take most of the time and
//! memory of a start with many identities.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta, Time};
use kube::Resource;
use kube::core::NamespaceResourceScope;
use namesake_api::{Identity, Phase};
use serde::{Deserialize, Deserializer};

/// An Identity.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct WatchedIdentity {
    /// Name, namespace, generation, resource version and time of deletion; nothing else.
    #[serde(deserialize_with = "metadata")]
    pub(super) metadata: ObjectMeta,
    pub(super) spec: WatchedSpec,
    pub(super) status: Option<WatchedStatus>,
}

/// Desired state of an identity.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct WatchedSpec {
    pub(super) stack: String,
    pub(super) class: Box<str>,
    pub(super) user: Box<str>,
}

/// Observed state of an identity.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WatchedStatus {
    pub(super) phase: Option<Phase>,
    pub(super) service_account_uid: Option<Box<str>>,
    pub(super) conditions: Vec<Condition>,
}

fn metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        name: Option<String>,
        namespace: Option<String>,
        generation: Option<i64>,
        resource_version: Option<String>,
        deletion_timestamp: Option<Time>,
    }
    let read = Metadata::deserialize(deserializer)?;
    Ok(ObjectMeta {
        name: read.name,
        namespace: read.namespace,
        generation: read.generation,
        resource_version: read.resource_version,
        deletion_timestamp: read.deletion_timestamp,
        ..ObjectMeta::default()
    })
}

impl Resource for WatchedIdentity {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        Identity::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        Identity::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        Identity::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        Identity::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
