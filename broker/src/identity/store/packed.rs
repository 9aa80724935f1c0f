//! One Identity in memory, as JSON text: a tree of strings takes three times as much. Thousands are in memory, and few are read
//! in a minute.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use kube::runtime::reflector::ObjectRef;
use namesake_api::{Identity, IdentitySpec, IdentityStatus, Phase, names};
use serde::{Deserialize, Deserializer, Serialize};
use tracing::error;

/// An Identity as JSON text, without what the broker never reads: labels, annotations that are not ours, and managed fields.
#[derive(Clone, Debug, Resource)]
#[resource(inherit = Identity)]
pub struct PackedIdentity {
    /// Only name, namespace and resourceVersion, which a watch needs.
    metadata: ObjectMeta,
    text: Arc<[u8]>,
}

/// The metadata in the text.
#[derive(Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    #[serde(skip_serializing)]
    name: Option<String>,
    #[serde(skip_serializing)]
    namespace: Option<String>,
    #[serde(skip_serializing)]
    resource_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    creation_timestamp: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_timestamp: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finalizers: Option<Vec<String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize, Serialize)]
struct Content {
    metadata: Metadata,
    spec: IdentitySpec,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<IdentityStatus>,
}

/// What metrics count of an Identity.
#[derive(Debug, Default, Deserialize)]
pub struct IdentitySummary<'a> {
    #[serde(borrow, default)]
    spec: SpecSummary<'a>,
    #[serde(borrow, default)]
    status: StatusSummary<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SpecSummary<'a> {
    #[serde(borrow)]
    stack: Cow<'a, str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StatusSummary<'a> {
    phase: Option<Phase>,
    #[serde(borrow)]
    left: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    conditions: Vec<ConditionSummary<'a>>,
}

/// Type and status of one condition.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ConditionSummary<'a> {
    /// Its type.
    #[serde(borrow, rename = "type")]
    pub condition: Cow<'a, str>,
    /// `True`, `False` or `Unknown`.
    #[serde(borrow)]
    pub status: Cow<'a, str>,
}

impl IdentitySummary<'_> {
    /// Its stack.
    #[must_use]
    pub fn stack(&self) -> &str {
        &self.spec.stack
    }

    /// Its phase.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.status.phase.unwrap_or(Phase::Provisioning)
    }

    /// How many pods and scheduled objects its offboarded user still has.
    #[must_use]
    pub fn leftovers(&self) -> usize {
        self.status.left.len()
    }

    /// Its conditions.
    #[must_use]
    pub fn conditions(&self) -> &[ConditionSummary<'_>] {
        &self.status.conditions
    }
}

impl PackedIdentity {
    fn pack(mut content: Content) -> Result<Self, serde_json::Error> {
        let annotations = &mut content.metadata.annotations;
        let ours = [names::CREATION_ANNOTATION, names::RETRY_ANNOTATION];
        annotations.retain(|key, _| ours.contains(&key.as_str()));
        let metadata = ObjectMeta {
            name: content.metadata.name.take(),
            namespace: content.metadata.namespace.take(),
            resource_version: content.metadata.resource_version.take(),
            ..ObjectMeta::default()
        };
        let text = serde_json::to_vec(&content)?.into();
        Ok(Self { metadata, text })
    }

    /// The Identity. `None` only after a bug in packing, which is logged.
    #[must_use]
    pub fn unpack(&self) -> Option<Identity> {
        let Content {
            metadata,
            spec,
            status,
        } = self.read()?;
        let metadata = ObjectMeta {
            uid: metadata.uid,
            generation: metadata.generation,
            creation_timestamp: metadata.creation_timestamp,
            deletion_timestamp: metadata.deletion_timestamp,
            finalizers: metadata.finalizers,
            annotations: (!metadata.annotations.is_empty()).then_some(metadata.annotations),
            ..self.metadata.clone()
        };
        Some(Identity {
            metadata,
            spec,
            status,
        })
    }

    /// What metrics count of it.
    #[must_use]
    pub fn summary(&self) -> Option<IdentitySummary<'_>> {
        self.read()
    }

    fn read<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        let read = serde_json::from_slice(&self.text);
        let name = self.metadata.name.as_deref();
        read.inspect_err(|error| error!(%error, name, "an Identity cannot be unpacked"))
            .ok()
    }

    /// A reference by name only, because several places keep one for each Identity.
    #[must_use]
    pub fn reference(&self) -> ObjectRef<Self> {
        let named = ObjectRef::new(self.metadata.name.as_deref().unwrap_or_default());
        named.within(self.metadata.namespace.as_deref().unwrap_or_default())
    }

    pub(super) fn is_in(&self, namespace: &str) -> bool {
        self.metadata.namespace.as_deref() == Some(namespace)
    }
}

impl<'de> Deserialize<'de> for PackedIdentity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let content = Content::deserialize(deserializer)?;
        Self::pack(content).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::fixtures;
    use crate::identity::conditions;
    use crate::identity::finding::{Finding, READY_PARTS};
    use namesake_core::Reason;

    fn identity() -> Identity {
        let mut identity = fixtures::identity();
        let mut status = IdentityStatus {
            phase: Some(Phase::Offboarding),
            left: vec!["Job nightly".into()],
            service_account_uid: Some("u-1".into()),
            ..IdentityStatus::default()
        };
        let done = READY_PARTS.map(|part| Finding::holds(part, Reason::Created, "it is \"done\""));
        let (mode, now) = (identity.spec.mode, Timestamp::UNIX_EPOCH);
        conditions::record(&mut status, Some(1), mode, &done, now);
        identity.status = Some(status);
        let metadata = &mut identity.metadata;
        metadata.resource_version = Some("7".into());
        metadata.creation_timestamp = Some(Time(now));
        metadata.deletion_timestamp = Some(Time(now));
        let number = (names::CREATION_ANNOTATION.to_owned(), "1f".to_owned());
        metadata.annotations = Some(BTreeMap::from([number]));
        identity
    }

    /// As the API server sends it.
    fn sent(identity: &Identity) -> Value {
        let mut sent = json!(identity);
        sent["metadata"]["managedFields"] =
            json!([{"manager": "m", "fieldsV1": {"f:spec": {".": {}}}}]);
        sent["metadata"]["annotations"]["kubectl.kubernetes.io/x"] = json!("y");
        sent
    }

    fn packed(identity: &Identity) -> PackedIdentity {
        serde_json::from_str(&sent(identity).to_string()).unwrap()
    }

    #[test]
    fn everything_but_labels_and_managed_fields_comes_back() {
        let mut identity = identity();
        let unpacked = packed(&identity).unpack().unwrap();
        identity.metadata.labels = None;
        assert!(identity.metadata.annotations.is_some());
        assert_eq!(unpacked, identity);
        identity.status = None;
        assert_eq!(packed(&identity).unpack().unwrap(), identity);
    }

    #[test]
    fn a_watch_event_is_read_like_an_item_of_a_list() {
        let event = json!({"type": "ADDED", "object": sent(&identity())});
        let event: kube::core::WatchEvent<PackedIdentity> =
            serde_json::from_str(&event.to_string()).unwrap();
        let kube::core::WatchEvent::Added(packed) = event else {
            panic!("{event:?}");
        };
        assert_eq!(packed.meta().resource_version.as_deref(), Some("7"));
        let reference = packed.reference();
        assert_eq!(
            (Some(reference.name), reference.namespace),
            (
                identity().metadata.name.clone(),
                identity().metadata.namespace.clone()
            )
        );
    }

    #[test]
    fn the_summary_has_phase_leftovers_and_conditions() {
        let packed = packed(&identity());
        let summary = packed.summary().unwrap();
        assert_eq!(
            (summary.phase(), summary.leftovers()),
            (Phase::Offboarding, 1)
        );
        let conditions = identity().status.unwrap().conditions;
        let want: Vec<_> = conditions
            .iter()
            .map(|c| ConditionSummary {
                condition: Cow::from(&c.type_),
                status: Cow::from(&c.status),
            })
            .collect();
        assert_eq!(summary.conditions(), want);
        let mut new = identity();
        new.status = None;
        let packed = super::tests::packed(&new);
        assert_eq!(packed.summary().unwrap().phase(), Phase::Provisioning);
    }

    #[test]
    fn a_packed_identity_takes_less_than_three_kilobytes() {
        let packed = packed(&identity());
        let size = size_of::<PackedIdentity>() + packed.text.len();
        assert!(size < 3_000, "{size} bytes");
    }
}
