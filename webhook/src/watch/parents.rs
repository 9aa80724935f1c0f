//! Metadata of the parents in one namespace, slim: a watch per kind that the cluster has.

use std::collections::HashSet;
use std::sync::Arc;

use futures::future::join_all;
use kube::api::{DynamicObject, ObjectMeta, PartialObjectMeta};
use kube::core::ApiResource;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client};
use namesake_api::names::STAMP_ANNOTATION;

use crate::kinds::{self, Kind, Scope};
use crate::state::{Parent, State};

/// Parents in one page of a list. Metadata alone may be as large as an object gets (1.5 MiB), and whoever writes it must
/// not decide how much memory a start needs.
const PAGE: u32 = 20;

type Metadata = PartialObjectMeta<DynamicObject>;

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
            Some(resource) => tokio::select! {
                () = follow(client, namespace, kind, resource, state) => {}
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
async fn follow(
    client: &Client,
    namespace: &str,
    kind: &'static Kind,
    resource: &ApiResource,
    state: &State,
) {
    let api = Api::<Metadata>::namespaced_with(client.clone(), namespace, resource);
    let events = watcher(api, Config::default().page_size(PAGE));
    let mut listed = HashSet::new();
    super::follow("parents", state, events, |event| {
        match event {
            Some(Event::Init) => listed.clear(),
            Some(Event::InitApply(object)) => {
                listed.extend(apply(state, namespace, kind, object.metadata));
            }
            Some(Event::InitDone) => {
                state.parents.keep_only(namespace, kind.name, &listed);
                listed = HashSet::new();
                state.synced.settle_parents(namespace, kind.name);
            }
            Some(Event::Apply(object)) => {
                apply(state, namespace, kind, object.metadata);
            }
            Some(Event::Delete(object)) => {
                let uid = object.metadata.uid.unwrap_or_default();
                state.parents.delete(namespace, &uid);
            }
            None => state.synced.settle_parents(namespace, kind.name),
        }
        state.count_cached();
    })
    .await;
}

fn apply(
    state: &State,
    namespace: &str,
    kind: &'static Kind,
    metadata: ObjectMeta,
) -> Option<String> {
    let (uid, parent) = parent_of(kind, metadata)?;
    state.parents.apply(namespace, &uid, parent);
    Some(uid)
}

// What is kept of a parent's metadata, with its UID.
fn parent_of(kind: &'static Kind, metadata: ObjectMeta) -> Option<(String, Parent)> {
    let stamp = metadata
        .annotations
        .and_then(|mut all| all.remove(STAMP_ANNOTATION));
    let parent = Parent {
        kind: kind.name,
        name: metadata.name?.into(),
        generate_name: metadata.generate_name.map(Into::into),
        created: metadata.creation_timestamp?.0.as_second(),
        stamp: stamp.map(Into::into),
    };
    Some((metadata.uid?, parent))
}

/// Fetches one parent's metadata by name; `None` when there is none.
///
/// # Errors
/// When the API server refuses or does not answer.
pub(crate) async fn fetch(
    client: &Client,
    kind: &'static Kind,
    resource: &ApiResource,
    namespace: &str,
    name: &str,
) -> Result<Option<(String, Parent)>, kube::Error> {
    let client = client.clone();
    let api = match kind.scope {
        Scope::Namespaced => Api::<Metadata>::namespaced_with(client, namespace, resource),
        Scope::Cluster => Api::<Metadata>::all_with(client, resource),
    };
    let found = api.get_opt(name).await?;
    Ok(found.and_then(|object| parent_of(kind, object.metadata)))
}
