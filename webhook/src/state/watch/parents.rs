//! The parents in one namespace, slim: a watch per kind that the cluster has, of metadata where that is all that is kept.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;

use futures::future::join_all;
use kube::api::{DynamicObject, PartialObjectMeta};
use kube::core::{ApiResource, DynamicResourceScope};
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use namesake_api::names::STAMP_ANNOTATION;
use namesake_core::Digest;
use serde::de::DeserializeOwned;

use crate::decide::kinds::{self, Kind, Parts, Role, Runs, Scope};
use crate::decide::known::KnownParent;
use crate::state::State;

/// Parents in one page of a list. Metadata alone may be as large as an object gets (1.5 MiB), and whoever writes it must
/// not decide how much memory a start needs.
const PAGE: u32 = 20;

/// What is read of a parent.
trait Read:
    Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + 'static
{
    /// What its pods run.
    fn runs(&self, kind: &Kind) -> Option<Digest>;
}

/// Of most kinds: its stamp says what its pods run.
type Metadata = PartialObjectMeta<DynamicObject>;

impl Read for Metadata {
    fn runs(&self, _: &Kind) -> Option<Digest> {
        None
    }
}

/// Of a kind whose pods run what the object itself says.
impl Read for DynamicObject {
    fn runs(&self, kind: &Kind) -> Option<Digest> {
        let own = of_itself(kind)?;
        let parts = Parts::deserialize(&self.data).ok()?;
        Some(own(&parts))
    }
}

// How a kind whose pods run what the object itself says shows what that is.
fn of_itself(kind: &Kind) -> Option<fn(&Parts<'_>) -> Digest> {
    match kind.role {
        Role::Parent(kinds::Parent {
            runs: Runs::Itself { own },
            ..
        }) => Some(own),
        _ => None,
    }
}

/// The kinds that are watched in each namespace.
pub(super) fn watched() -> impl Iterator<Item = (&'static Kind, &'static kinds::Parent)> {
    kinds::parents().filter(|(kind, _)| kind.scope == Scope::Namespaced)
}

/// Keeps the parents of a namespace in memory; never returns.
pub(super) async fn run(client: Client, namespace: String, state: Arc<State>) {
    let all = watched().map(|(kind, _)| of_kind(&client, &namespace, kind, &state));
    join_all(all).await;
}

// Watches while the kind is installed; while it is not, nothing holds the namespace up.
async fn of_kind(client: &Client, namespace: &str, kind: &'static Kind, state: &State) {
    loop {
        let resource = state.installed.looked(kind).await;
        let changed = state.installed.changed(kind, resource.as_ref());
        match &resource {
            Some(resource) if of_itself(kind).is_some() => tokio::select! {
                () = follow::<DynamicObject>(client, namespace, kind, resource, state) => {}
                () = changed => {}
            },
            Some(resource) => tokio::select! {
                () = follow::<Metadata>(client, namespace, kind, resource, state) => {}
                () = changed => {}
            },
            None => {
                state.synced.settle_parents(namespace, kind.name);
                changed.await;
            }
        }
    }
}

// A first failure settles the namespace too: one namespace without rights must not keep the others waiting, and what
// carriers make in it costs one GET each.
async fn follow<K: Read>(
    client: &Client,
    namespace: &str,
    kind: &'static Kind,
    resource: &ApiResource,
    state: &State,
) {
    let api = Api::<K>::namespaced_with(client.clone(), namespace, resource);
    let events = watcher(api, Config::default().page_size(PAGE));
    let mut listed = HashSet::new();
    super::follow("parents", state, events, |event| {
        match event {
            Some(Event::Init) => listed.clear(),
            Some(Event::InitApply(object)) => {
                listed.extend(apply(state, namespace, kind, &object));
            }
            Some(Event::InitDone) => {
                state.parents.keep_only(namespace, kind.name, &listed);
                listed = HashSet::new();
                state.synced.settle_parents(namespace, kind.name);
            }
            Some(Event::Apply(object)) => {
                apply(state, namespace, kind, &object);
            }
            Some(Event::Delete(object)) => {
                let uid = object.uid().unwrap_or_default();
                state.parents.delete(namespace, &uid);
            }
            None => state.synced.settle_parents(namespace, kind.name),
        }
        state.count_cached();
    })
    .await;
}

fn apply<K: Read>(
    state: &State,
    namespace: &str,
    kind: &'static Kind,
    object: &K,
) -> Option<String> {
    let (uid, parent) = parent_of(kind, object)?;
    state.parents.apply(namespace, &uid, parent);
    Some(uid)
}

// What is kept of a parent, with its UID.
fn parent_of<K: Read>(kind: &'static Kind, object: &K) -> Option<(String, KnownParent)> {
    let metadata = object.meta();
    let stamp = object.annotations().get(STAMP_ANNOTATION);
    let parent = KnownParent {
        kind: kind.name,
        name: metadata.name.as_deref()?.into(),
        generate_name: metadata.generate_name.as_deref().map(Into::into),
        created: metadata.creation_timestamp.as_ref()?.0.as_second(),
        stamp: stamp.map(|stamp| stamp.as_str().into()),
        runs: object.runs(kind),
    };
    Some((metadata.uid.clone()?, parent))
}

/// Fetches one parent by name; `None` when there is none.
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
    if of_itself(kind).is_some() {
        fetch_as::<DynamicObject>(client, kind, resource, namespace, name).await
    } else {
        fetch_as::<Metadata>(client, kind, resource, namespace, name).await
    }
}

async fn fetch_as<K: Read>(
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
