//! Finds the kinds of parents that the cluster has, every minute, so that one that is installed later works without a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kube::core::ApiResource;
use kube::{Client, Error, discovery};

use crate::decide::kinds::{self, Kind};
use crate::state::State;

/// Between two lookups.
const PAUSE: Duration = Duration::from_secs(60);
/// After a failed lookup.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// Keeps the installed kinds in memory; never returns.
pub(super) async fn run(client: Client, state: Arc<State>) {
    let mut is_failing = false;
    loop {
        match served(&client).await {
            Ok(resources) => {
                is_failing = false;
                let new = state.installed.set(resources);
                if !new.is_empty() {
                    tracing::info!(kinds = new.join(" "), "parents of these kinds are watched");
                }
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => {
                state.metrics.count_watch_failure("installed");
                if !is_failing {
                    tracing::warn!(%error, "failed to look up which kinds are installed; what is in memory stays in use");
                }
                is_failing = true;
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }
}

/// The kinds of parents that the API server serves, by the names of this crate, and how each is read.
///
/// # Errors
/// The API server does not say it.
pub async fn served(client: &Client) -> Result<BTreeMap<&'static str, ApiResource>, Error> {
    let kinds: Vec<&'static Kind> = kinds::parents().map(|(kind, _)| kind).collect();
    let groups: BTreeSet<&str> = kinds.iter().map(|kind| kind.group).collect();
    let served = client.list_api_groups().await?.groups;
    let mut found = BTreeMap::new();
    for group in groups {
        if !served.iter().any(|g| g.name == group) {
            continue;
        }
        let group = discovery::group(client, group).await?;
        let here = kinds.iter().filter(|kind| kind.group == group.name());
        for kind in here {
            if let Some((resource, _)) = group.recommended_kind(kind.kind) {
                found.insert(kind.name, resource);
            }
        }
    }
    Ok(found)
}
