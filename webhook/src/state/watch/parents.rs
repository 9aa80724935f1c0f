//! The parents in one namespace: a watch for each kind that the cluster has, of metadata where no more is kept.

use std::fmt::Debug;
use std::sync::Arc;

use futures::future::join_all;
use kube::api::{DynamicObject, PartialObjectMeta};
use kube::core::{ApiResource, DynamicResourceScope};
use kube::runtime::watcher::{Config, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use namesake_api::names::STAMP_ANNOTATION;
use namesake_core::Digest;
use serde::de::DeserializeOwned;

use super::WatchEvent;
use crate::decide::kinds::{self, Kind, ParentKind, Parts, PodTemplates, Role, Runs, Scope};
use crate::decide::known::KnownParent;
use crate::state::State;

/// Parents in one page of a list. Metadata alone may be as large as an object can be (1.5 MiB), and its authors must not decide how
/// much memory a start needs.
const PAGE: u32 = 20;

/// The parts of a parent that are read.
trait Readable:
    Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + 'static
{
    /// The digest of what its pods run.
    fn runs(&self, kind: &Kind) -> Option<Digest>;

    /// Whether it has ended, if its status is read.
    fn has_ended(&self) -> bool;
}

/// Enough for most kinds: the stamp signs what the pods run.
type MetadataOnly = PartialObjectMeta<DynamicObject>;

impl Readable for MetadataOnly {
    fn runs(&self, _: &Kind) -> Option<Digest> {
        None
    }

    fn has_ended(&self) -> bool {
        false
    }
}

/// For a kind whose pods run the object's own pod template.
impl Readable for DynamicObject {
    fn runs(&self, kind: &Kind) -> Option<Digest> {
        let digest = own_digest(kind)?;
        let parts = Parts::deserialize(&self.data).ok()?;
        Some(digest(&parts))
    }

    fn has_ended(&self) -> bool {
        kinds::has_ended(&self.data)
    }
}

// Computes the digest of the pod template, for a kind whose pods run the object's own.
fn own_digest(kind: &Kind) -> Option<fn(&Parts<'_>) -> Digest> {
    match kind.role {
        Role::Parent(ParentKind {
            pods:
                Some(PodTemplates {
                    runs: Runs::Itself { own },
                    ..
                }),
            ..
        }) => Some(own),
        _ => None,
    }
}

/// The kinds that are watched in each namespace.
pub(super) fn watched() -> impl Iterator<Item = (&'static Kind, &'static ParentKind)> {
    kinds::parents().filter(|(kind, _)| kind.scope == Scope::Namespaced)
}

/// Keeps the parents of a namespace in memory; never returns.
pub(super) async fn run(client: Client, namespace: String, state: Arc<State>) {
    let all = watched().map(|(kind, _)| of_kind(&client, &namespace, kind, &state));
    join_all(all).await;
}

// Watches while the kind is installed; while it is not, readiness does not wait for it.
async fn of_kind(client: &Client, namespace: &str, kind: &'static Kind, state: &State) {
    loop {
        let resource = state.installed.wait_for(kind).await;
        let changed = state.installed.wait_for_change(kind, resource.as_ref());
        match &resource {
            Some(resource) if own_digest(kind).is_some() => tokio::select! {
                () = follow::<DynamicObject>(client, namespace, kind, resource, state) => {}
                () = changed => {}
            },
            Some(resource) => tokio::select! {
                () = follow::<MetadataOnly>(client, namespace, kind, resource, state) => {}
                () = changed => {}
            },
            None => {
                state.synced.settle_parents(namespace, kind.name);
                changed.await;
            }
        }
    }
}

// A first failure settles the namespace too: one namespace without permissions must not keep the others waiting, and what trusted
// controllers create in it costs one GET each.
async fn follow<K: Readable>(
    client: &Client,
    namespace: &str,
    kind: &'static Kind,
    resource: &ApiResource,
    state: &State,
) {
    let api = Api::<K>::namespaced_with(client.clone(), namespace, resource);
    let events = watcher(api, Config::default().page_size(PAGE));
    super::follow("parents", state, events, |update| {
        let kept = match update {
            WatchEvent::Apply(object) => apply(state, namespace, kind, &object),
            WatchEvent::Listed(listed) => {
                state.parents.keep_only(namespace, kind.name, &listed);
                state.synced.settle_parents(namespace, kind.name);
                None
            }
            WatchEvent::Delete(object) => {
                let uid = object.uid().unwrap_or_default();
                state.parents.delete(namespace, &uid);
                None
            }
            WatchEvent::Failed => {
                state.synced.settle_parents(namespace, kind.name);
                None
            }
        };
        state.count_cached();
        kept
    })
    .await;
}

fn apply<K: Readable>(
    state: &State,
    namespace: &str,
    kind: &'static Kind,
    object: &K,
) -> Option<String> {
    let (uid, parent) = parent_of(kind, object)?;
    state.parents.apply(namespace, &uid, parent);
    Some(uid)
}

// The UID of a parent, and what is kept of it.
fn parent_of<K: Readable>(kind: &'static Kind, object: &K) -> Option<(String, KnownParent)> {
    let metadata = object.meta();
    let stamp = object.annotations().get(STAMP_ANNOTATION);
    let parent = KnownParent {
        kind: kind.name,
        name: metadata.name.as_deref()?.into(),
        generate_name: metadata.generate_name.as_deref().map(Into::into),
        created: metadata.creation_timestamp.as_ref()?.0.as_second(),
        stamp: stamp.map(|stamp| stamp.as_str().into()),
        runs: object.runs(kind),
        is_child: kinds::is_child(object),
        has_ended: object.has_ended(),
    };
    Some((metadata.uid.clone()?, parent))
}

/// Reads one parent by name; `None` if it does not exist.
///
/// # Errors
/// When the API server refuses or does not answer.
pub(crate) async fn fetch(
    client: &Client,
    kind: &'static Kind,
    resource: &ApiResource,
    namespace: &str,
    name: &str,
) -> Result<Option<(String, KnownParent)>, kube::Error> {
    if own_digest(kind).is_some() {
        fetch_as::<DynamicObject>(client, kind, resource, namespace, name).await
    } else {
        fetch_as::<MetadataOnly>(client, kind, resource, namespace, name).await
    }
}

async fn fetch_as<K: Readable>(
    client: &Client,
    kind: &'static Kind,
    resource: &ApiResource,
    namespace: &str,
    name: &str,
) -> Result<Option<(String, KnownParent)>, kube::Error> {
    let client = client.clone();
    let api = match kind.scope {
        Scope::Namespaced => Api::<K>::namespaced_with(client, namespace, resource),
        Scope::Cluster => Api::<K>::all_with(client, resource),
    };
    let found = api.get_opt(name).await?;
    Ok(found.and_then(|object| parent_of(kind, &object)))
}
