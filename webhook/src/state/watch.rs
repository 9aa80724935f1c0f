//! Watches that keep the state in step with the cluster: rules, opted-in namespaces, Identities, and parents' metadata.

mod identities;
mod installation;
mod installed;
mod namespaces;
mod parents;
mod rules;

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
use crate::state::metrics::WatchLabels;

/// Runs every watch; never returns. Watches start again by themselves, with growing pauses.
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

/// Feeds each event to `on`; failures are counted, and logged once until the watch works again.
async fn follow<K>(
    what: &'static str,
    state: &State,
    events: impl Stream<Item = Result<Event<K>, Error>>,
    mut on: impl FnMut(Option<Event<K>>),
) {
    let mut events = std::pin::pin!(events.backoff(WatchBackoff::default()));
    let mut failing = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                failing = false;
                on(Some(event));
            }
            Err(error) => {
                let labels = WatchLabels { watch: what };
                state.metrics.watch_failures.get_or_create(&labels).inc();
                if !failing {
                    tracing::warn!(watch = what, error = %error, "watch failed; what is in memory stays in use");
                }
                failing = true;
                on(None);
            }
        }
    }
}
