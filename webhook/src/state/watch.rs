//! Watches that keep the state in step with the cluster: rules, opted-in namespaces, Identities, and parents.

mod identities;
mod installation;
mod installed;
mod namespaces;
mod parents;
mod rules;

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use futures::future::{join, join5};
use futures::{Stream, StreamExt};
use kube::Client;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Error, Event};
use namesake_api::WatchBackoff;

pub(crate) use installed::served;
pub(crate) use parents::fetch;

use crate::state::State;

/// Runs every watch; never returns. Watches restart by themselves, with growing pauses.
pub(crate) async fn run(client: Client, namespace: &str, state: Arc<State>) {
    let watches = join5(
        rules::current(client.clone(), namespace, state.clone()),
        rules::accepted(client.clone(), namespace, state.clone()),
        identities::run(client.clone(), state.clone()),
        installed::run(client.clone(), state.clone()),
        namespaces::run(client.clone(), state.clone()),
    );
    join(watches, installation::run(client, namespace, state.clone())).await;
}

/// A change of what is watched.
enum WatchEvent<K, Id> {
    /// An object that is new or changed.
    Apply(K),
    /// An object that is gone.
    Delete(K),
    /// A complete list has been applied: objects that it does not contain no longer exist.
    Listed(HashSet<Id>),
    /// The watch failed; what is in memory stays in use.
    Failed,
}

/// Passes each change to `handle`, which returns the id of an object that it keeps. Failures are counted, and logged once until the
/// watch works again.
async fn follow<K, Id: Eq + Hash>(
    watch: &'static str,
    state: &State,
    events: impl Stream<Item = Result<Event<K>, Error>>,
    mut handle: impl FnMut(WatchEvent<K, Id>) -> Option<Id>,
) {
    let mut events = std::pin::pin!(events.backoff(WatchBackoff::default()));
    let mut listed = HashSet::new();
    let mut is_failing = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object)) => listed.extend(handle(WatchEvent::Apply(object))),
            Ok(Event::InitDone) => {
                handle(WatchEvent::Listed(std::mem::take(&mut listed)));
            }
            Ok(Event::Apply(object)) => {
                handle(WatchEvent::Apply(object));
            }
            Ok(Event::Delete(object)) => {
                handle(WatchEvent::Delete(object));
            }
            Err(error) => {
                state.metrics.count_watch_failure(watch);
                if !is_failing {
                    tracing::warn!(watch, %error, "watch failed; what is in memory stays in use");
                }
                is_failing = true;
                handle(WatchEvent::Failed);
                continue;
            }
        }
        is_failing = false;
    }
}
