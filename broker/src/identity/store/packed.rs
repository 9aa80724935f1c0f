//! One Identity as it is kept in memory: its text, and not a tree of strings, which takes three times as much. Thousands are
//! kept, and few are looked at in a minute.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use kube::runtime::reflector::ObjectRef;
use namesake_api::{Identity, IdentitySpec, IdentityStatus, Phase, names};
use serde::{Deserialize, Deserializer, Serialize};
use tracing::error;

/// An Identity, packed. What nobody here asks for is left out: its labels, annotations that are not ours, and who wrote which field.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Name, namespace and version only: what a watch needs to go on.
    metadata: ObjectMeta,
    packed: Arc<[u8]>,
}

/// What is kept of its metadata beside its name.
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
struct Packed {
    metadata: Metadata,
    spec: IdentitySpec,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<IdentityStatus>,
}

/// What is counted of an Identity.
#[derive(Debug, Default, Deserialize)]
pub struct Glance<'a> {
    #[serde(borrow, default)]
    status: Counted<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Counted<'a> {
    phase: Option<Phase>,
    #[serde(borrow)]
    left: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    conditions: Vec<Held<'a>>,
}

/// Whether one condition holds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Held<'a> {
    /// Which one.
    #[serde(borrow, rename = "type")]
    pub condition: Cow<'a, str>,
    /// `True`, `False` or `Unknown`.
    #[serde(borrow)]
    pub status: Cow<'a, str>,
}

impl Glance<'_> {
    /// Where it is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.status.phase.unwrap_or(Phase::Provisioning)
    }

    /// How much a user who has left still has.
    #[must_use]
    pub fn left(&self) -> usize {
        self.status.left.len()
    }

    /// Its conditions.
    #[must_use]
    pub fn conditions(&self) -> &[Held<'_>] {
        &self.status.conditions
    }
}

impl Kept {
    fn pack(mut all: Packed) -> Result<Self, serde_json::Error> {
        let annotations = &mut all.metadata.annotations;
        let ours = [names::CREATION_ANNOTATION, names::RETRY_ANNOTATION];
        annotations.retain(|key, _| ours.contains(&key.as_str()));
        let metadata = ObjectMeta {
            name: all.metadata.name.take(),
            namespace: all.metadata.namespace.take(),
            resource_version: all.metadata.resource_version.take(),
            ..ObjectMeta::default()
        };
        let packed = serde_json::to_vec(&all)?.into();
        Ok(Self { metadata, packed })
    }

    /// The Identity. None only if it was packed wrongly, which is said.
    #[must_use]
    pub fn unpack(&self) -> Option<Identity> {
        let all: Packed = self.read()?;
        let Packed {
            metadata,
            spec,
            status,
        } = all;
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

    /// What is counted of it.
    #[must_use]
    pub fn glance(&self) -> Option<Glance<'_>> {
        self.read()
    }

    fn read<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        let read = serde_json::from_slice(&self.packed);
        let name = self.metadata.name.as_deref();
        read.inspect_err(|error| error!(%error, name, "an Identity cannot be unpacked"))
            .ok()
    }

    /// By name only: a reference is kept for each of them, in more than one place.
    #[must_use]
    pub fn reference(&self) -> ObjectRef<Self> {
        let named = ObjectRef::new(self.metadata.name.as_deref().unwrap_or_default());
        named.within(self.metadata.namespace.as_deref().unwrap_or_default())
    }

    pub(super) fn is_in(&self, namespace: &str) -> bool {
        self.metadata.namespace.as_deref() == Some(namespace)
    }
}

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all = Packed::deserialize(deserializer)?;
        Self::pack(all).map_err(serde::de::Error::custom)
    }
}

impl Resource for Kept {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind(dynamic: &()) -> Cow<'_, str> {
        Identity::kind(dynamic)
    }

    fn group(dynamic: &()) -> Cow<'_, str> {
        Identity::group(dynamic)
    }

    fn version(dynamic: &()) -> Cow<'_, str> {
        Identity::version(dynamic)
    }

    fn plural(dynamic: &()) -> Cow<'_, str> {
        Identity::plural(dynamic)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::fixtures;
    use crate::identity::conditions::{self, Finding, PARTS};
    use crate::identity::reason::ConditionReason;

    fn identity() -> Identity {
        let mut identity = fixtures::identity();
        let mut status = IdentityStatus {
            phase: Some(Phase::Offboarding),
            left: vec!["Job nightly".into()],
            service_account_uid: Some("u-1".into()),
            ..IdentityStatus::default()
        };
        let done =
            PARTS.map(|part| Finding::holds(part, ConditionReason::Created, "it is \"done\""));
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

    fn kept(identity: &Identity) -> Kept {
        serde_json::from_str(&sent(identity).to_string()).unwrap()
    }

    #[test]
    fn everything_but_labels_and_who_wrote_what_comes_back() {
        let mut identity = identity();
        let unpacked = kept(&identity).unpack().unwrap();
        identity.metadata.labels = None;
        assert!(identity.metadata.annotations.is_some());
        assert_eq!(unpacked, identity);
        identity.status = None;
        assert_eq!(kept(&identity).unpack().unwrap(), identity);
    }

    #[test]
    fn an_event_of_a_watch_is_read_as_a_list_is() {
        let event = json!({"type": "ADDED", "object": sent(&identity())});
        let event: kube::core::WatchEvent<Kept> = serde_json::from_str(&event.to_string()).unwrap();
        let kube::core::WatchEvent::Added(kept) = event else {
            panic!("{event:?}");
        };
        assert_eq!(kept.meta().resource_version.as_deref(), Some("7"));
        let reference = kept.reference();
        assert_eq!(
            (Some(reference.name), reference.namespace),
            (
                identity().metadata.name.clone(),
                identity().metadata.namespace.clone()
            )
        );
    }

    #[test]
    fn what_is_counted_is_seen_without_unpacking() {
        let kept = kept(&identity());
        let glance = kept.glance().unwrap();
        assert_eq!((glance.phase(), glance.left()), (Phase::Offboarding, 1));
        let conditions = identity().status.unwrap().conditions;
        let want: Vec<_> = conditions
            .iter()
            .map(|c| Held {
                condition: Cow::from(&c.type_),
                status: Cow::from(&c.status),
            })
            .collect();
        assert_eq!(glance.conditions(), want);
        let mut fresh = identity();
        fresh.status = None;
        let kept = super::tests::kept(&fresh);
        assert_eq!(kept.glance().unwrap().phase(), Phase::Provisioning);
    }

    #[test]
    fn one_takes_less_than_three_kilobytes() {
        let kept = kept(&identity());
        let size = size_of::<Kept>() + kept.packed.len();
        assert!(size < 3_000, "{size} bytes");
    }
}
