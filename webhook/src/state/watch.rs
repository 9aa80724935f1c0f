//! Watches that keep the state in step with the cluster: rules, opted-in namespaces, Identities, and parents.

mod identities;
mod installation;
mod installed;
mod namespaces;
mod parents;
mod rules;

use std::hash::Hash;
use std::sync::Arc;

use futures::Stream;
use futures::future::{join, join4};
use kube::Client;
use kube::runtime::watcher::{Error, Event};
use namesake_core::Glob;
use namesake_service::WatchEvent;

pub(crate) use identities::fetch as fetch_identity;
pub use installed::served;
pub(crate) use parents::fetch;

use crate::state::State;

/// Runs every watch; never returns. Watches restart by themselves, with growing pauses.
///
/// `trusted` are names of MutatingWebhookConfigurations that an admin lets change pods after this webhook.
pub(crate) async fn run(client: Client, namespace: &str, trusted: &[Glob], state: Arc<State>) {
    // Identities and namespaces of other stacks are not ours to know, and their namespaces not ours to read.
    let of_stack = state.rules.for_stack(async |stack: &str| {
        join(
            identities::run(client.clone(), stack, state.clone()),
            namespaces::run(client.clone(), stack, state.clone()),
        )
        .await;
    });
    join4(
        rules::run(client.clone(), namespace, &state),
        of_stack,
        installed::run(client.clone(), state.clone()),
        installation::run(client.clone(), namespace, trusted, state.clone()),
    )
    .await;
}

// Follows a watch, and counts its failures.
async fn follow<K, Id: Eq + Hash>(
    watch: &'static str,
    state: &State,
    events: impl Stream<Item = Result<Event<K>, Error>>,
    handle: impl FnMut(WatchEvent<K, Id>) -> Option<Id>,
) {
    let failed = || state.metrics.count_watch_failure(watch);
    namesake_service::follow(watch, events, failed, handle).await;
}
