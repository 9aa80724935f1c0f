//! Metadata of the Jobs of one namespace, slim.

use std::collections::HashSet;
use std::sync::Arc;

use k8s_openapi::api::batch::v1::Job;
use kube::api::{ObjectMeta, PartialObjectMeta};
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client};
use namesake_api::names::STAMP_ANNOTATION;

use crate::state::{Parent, State};

/// Keeps the Jobs of a namespace in memory; never returns. A first failure settles the namespace too: one namespace
/// without rights must not keep the others waiting, and its pods cost one GET each.
pub(super) async fn run(client: Client, namespace: String, state: Arc<State>) {
    let api = Api::<PartialObjectMeta<Job>>::namespaced(client, &namespace);
    let events = watcher(api, Config::default());
    let mut listed = HashSet::new();
    super::follow("parents", &state, events, |event| {
        match event {
            Some(Event::Init) => listed.clear(),
            Some(Event::InitApply(job)) => {
                listed.extend(apply(&state, &namespace, job.metadata));
            }
            Some(Event::InitDone) => {
                state.parents.keep_only(&namespace, &listed);
                listed = HashSet::new();
                state.synced.settle_parents(&namespace);
            }
            Some(Event::Apply(job)) => {
                apply(&state, &namespace, job.metadata);
            }
            Some(Event::Delete(job)) => {
                state
                    .parents
                    .delete(&namespace, &job.metadata.uid.unwrap_or_default());
            }
            None => state.synced.settle_parents(&namespace),
        }
        state.count_cached();
    })
    .await;
}

fn apply(state: &State, namespace: &str, metadata: ObjectMeta) -> Option<String> {
    let (uid, parent) = parent_of(metadata)?;
    state.parents.apply(namespace, &uid, parent);
    Some(uid)
}

// What is kept of a parent's metadata, with its UID.
fn parent_of(metadata: ObjectMeta) -> Option<(String, Parent)> {
    let stamp = metadata
        .annotations
        .and_then(|mut all| all.remove(STAMP_ANNOTATION));
    let parent = Parent {
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
    namespace: &str,
    name: &str,
) -> Result<Option<(String, Parent)>, kube::Error> {
    let api = Api::<PartialObjectMeta<Job>>::namespaced(client.clone(), namespace);
    let found = api.get_opt(name).await?;
    Ok(found.and_then(|job| parent_of(job.metadata)))
}
