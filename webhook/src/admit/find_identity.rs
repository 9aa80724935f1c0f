//! Finds an Identity: in memory, or with one GET while this replica has not read all of them.

use std::time::Instant;

use namesake_core::Reason;

use super::find_parent::get_within;
use crate::decide::known::KnownIdentity;
use crate::review::refused::Refused;
use crate::state::{State, watch};

/// The Identity of this name; `None` if this stack has none. So a replica is ready long before it has read all of them.
///
/// # Errors
/// When it is not known, because not all have been read yet, and the API server did not answer.
pub(super) async fn find(
    state: &State,
    (stack, namespace, name): (&str, &str, &str),
    deadline: Instant,
) -> Result<Option<KnownIdentity>, Refused> {
    let are_all_read = state.synced.identities.is_set();
    let known = state.identities.get(namespace, name);
    if known.is_some() || are_all_read {
        return Ok(known);
    }
    let refused = |why: &str| {
        let text = format!(
            "this replica of namesake-webhook has just started, and Identity {name} could not be read: {why}; try again in a moment; if \
             it lasts, ask the platform team to look at the log of namesake-webhook"
        );
        Refused::new(Reason::NotSynced, text)
    };
    let Some(client) = &state.cluster else {
        return Err(refused("there is no API server"));
    };
    state.metrics.identity_fetches.inc();
    let fetch = watch::fetch_identity(client, stack, namespace, name);
    let found = get_within(deadline, fetch).await;
    Ok(found.map_err(|error| refused(&error))?.flatten())
}
