//! Following a watch: what it says is applied, and a failure changes nothing that is in memory.

use std::collections::HashSet;
use std::hash::Hash;

use futures::{Stream, StreamExt};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Error, Event};
use namesake_api::WatchBackoff;

/// A change of what is watched.
#[derive(Debug)]
pub enum WatchEvent<K, Id> {
    /// An object that is new or changed.
    Apply(K),
    /// An object that is gone.
    Delete(K),
    /// A complete list has been applied: objects that it does not contain no longer exist.
    Listed(HashSet<Id>),
    /// The watch failed; what is in memory stays in use.
    Failed,
}

/// Passes each change to `handle`, which returns the id of an object that it keeps. The watch restarts by itself, with growing
/// pauses. `failed` is called at each failure; the log has the first one until the watch works again.
pub async fn follow<K, Id: Eq + Hash>(
    watch: &'static str,
    events: impl Stream<Item = Result<Event<K>, Error>>,
    failed: impl Fn(),
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
                failed();
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
