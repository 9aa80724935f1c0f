//! Finds garbage periodically, and deletes it after the grace period; unless the broker is configured to only report it.

mod google_accounts;
mod service_accounts;

use std::sync::Arc;

use namesake_core::Rules;
use namesake_gcp::{Edit, Error};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::{FirstSeen, InUse};
use crate::controllers::context::Context;
use crate::identity::derive;
use crate::identity::plan;
use crate::identity::step_failure::StepFailure;

/// Collects once in each `resync`. Ends only when it is dropped.
pub async fn run(context: Arc<Context>) {
    let mut tick = interval(context.config.timings.resync);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut collector = Collector {
        context,
        google_accounts: FirstSeen::default(),
        service_accounts: FirstSeen::default(),
    };
    loop {
        tick.tick().await;
        // Before the watch has listed all Identities, everything would look like garbage.
        if !collector.context.identities.wait_until_synced().await {
            return;
        }
        if let Some(rules) = collector.context.rules.current() {
            collector.collect(&rules).await;
        }
    }
}

struct Collector {
    context: Arc<Context>,
    google_accounts: FirstSeen,
    service_accounts: FirstSeen,
}

impl Collector {
    async fn collect(&mut self, rules: &Rules) {
        // By the rules of another cluster, everything of that cluster would look like garbage.
        if self.context.cluster_id.differs_from(rules.cluster()) {
            return;
        }
        let found = self.find_google_accounts(rules).await;
        // Read after the accounts were listed: every account in the list had its Identity before.
        let in_use = self.in_use().await;
        self.collect_google_accounts(rules, found, &in_use).await;
        self.collect_service_accounts(rules, &in_use).await;
    }

    async fn in_use(&self) -> InUse {
        let mut in_use = InUse::default();
        let identities = &self.context.identities;
        identities.for_each(|identity| in_use.add(&identity)).await;
        in_use
    }

    fn report<'a>(&self, kind: &'static str, found: impl ExactSizeIterator<Item = &'a String>) {
        self.context.metrics.set_garbage(kind, found.len());
        let collect = self.context.config.collect;
        for name in found {
            info!(
                kind,
                name, collect, "garbage: it has our mark and belongs to no Identity"
            );
        }
    }

    /// Revokes what today's classes may have granted to a member.
    async fn revoke(&self, rules: &Rules, name: &str, member: &str) -> Result<(), StepFailure> {
        for grant in derive::all_grants(rules, name) {
            let Some(resource) = plan::resource(&grant) else {
                continue;
            };
            let edits = vec![Edit::RemoveMember(member.to_owned())];
            match self.context.policies.change(&resource, edits).await {
                Ok(_) | Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Counts the outcome, and logs a failure.
    fn record_outcome(&self, kind: &'static str, name: &str, outcome: Result<(), StepFailure>) {
        let result = outcome
            .as_ref()
            .map_or_else(|failure| failure.reason.as_str(), |()| "ok");
        self.context.metrics.step_ended("Collect", result);
        if let Err(failure) = outcome {
            warn!(kind, name, message = %failure.message, "failed to collect garbage");
        }
    }
}
