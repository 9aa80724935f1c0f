//! Waits until the broker's own watches are as far as its caller's.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use namesake_core::{Reason, Rules};
use tokio::time::timeout;

use crate::api::{ApiError, Broker, Result};

/// How long to wait for a watch that lags.
const LAG: Duration = Duration::from_secs(2);

/// The rules in force, which must be those by which the caller decided. If the broker lags, it waits; if the caller lags, it asks
/// again with newer rules.
pub(super) async fn for_rules(broker: &Broker, revision: Option<&str>) -> Result<Arc<Rules>> {
    let mut changes = broker.shared.rules.changes();
    let is_wanted = |rules: &Rules| revision.is_none_or(|wanted| wanted == rules.revision());
    let found = async {
        loop {
            match broker.shared.rules.current() {
                Some(rules) if is_wanted(&rules) => return rules,
                _ => drop(changes.changed().await),
            }
        }
    };
    if let Ok(rules) = timeout(LAG, found).await {
        return Ok(rules);
    }
    let Some(ours) = broker.shared.rules.current() else {
        let message =
            "no rules are in force yet: create the ConfigMap namesake-rules, or look at its Events";
        return Err(ApiError::new(Reason::RulesNotLoaded, message));
    };
    let message = format!(
        "the webhook decided by revision {} of the rules, and revision {} is in force in the broker: try again in a moment; if it lasts, one of the two does not accept the edited rules: look at the Events of the ConfigMap namesake-rules",
        revision.unwrap_or_default(),
        ours.revision()
    );
    Err(ApiError::new(Reason::RulesDiffer, message))
}

/// Refuses for a namespace that has not opted in.
pub(super) async fn for_opt_in(broker: &Broker, namespace: &str, stack: &str) -> Result<()> {
    let namespaces = &broker.shared.namespaces;
    let mut changes = namespaces.changes();
    let found = async {
        while !namespaces.is_opted_in(namespace, stack) {
            if changes.changed().await.is_err() {
                pending::<()>().await;
            }
        }
    };
    if timeout(LAG, found).await.is_ok() {
        return Ok(());
    }
    if !namespaces.is_synced() {
        let message = "the broker has just started and has not read the namespaces yet: try again in a moment";
        return Err(ApiError::new(Reason::NotSynced, message));
    }
    let message = namespaces.why_not(namespace, stack);
    Err(ApiError::new(Reason::NotOptedIn, message))
}
