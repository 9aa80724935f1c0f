//! Garbage at Google: service accounts without an Identity.

use namesake_core::Rules;
use namesake_gcp::ServiceAccount;
use tracing::{info, warn};

use super::{Collector, InUse};
use crate::cluster::ensure;
use crate::controllers::garbage::{is_google_garbage, our_mark};
use crate::google::list_accounts::list_accounts;
use crate::identity::step_failure::StepFailure;

const KIND: &str = "Google service account";

/// An account, and the project that it is in.
pub(super) type Found = (String, ServiceAccount);

impl Collector {
    /// Accounts that are garbage by the Identities known before the list. `None` if an account of one project could not be listed.
    pub(super) async fn find_google_accounts(&self, rules: &Rules) -> Option<Vec<Found>> {
        let mut found = Vec::new();
        // Of thousands of accounts, only those that may be garbage are kept in memory.
        let in_use = self.in_use().await;
        for project in rules.projects() {
            let visit = |account| {
                if is_google_garbage(rules, &account, &in_use) {
                    found.push((project.to_owned(), account));
                }
            };
            let (gcp, budget) = (&self.context.gcp, &self.context.list_budget);
            if let Err(error) = list_accounts(gcp, budget, project, visit).await {
                warn!(%error, project, "failed to list the service accounts of a project for garbage");
                return None;
            }
        }
        Some(found)
    }

    pub(super) async fn collect_google_accounts(
        &mut self,
        rules: &Rules,
        mut found: Vec<Found>,
        in_use: &InUse,
    ) {
        found.retain(|(_, account)| is_google_garbage(rules, account, in_use));
        self.report(KIND, found.iter().map(|(_, account)| &account.email));
        let ids = found.iter().map(|(_, account)| account.unique_id.clone());
        let ids: Vec<_> = ids.collect();
        let (now, grace) = (self.context.now(), self.context.config.collect_after);
        let due = self.google_accounts.due(now, grace, &ids);
        for (project, account) in found {
            if self.context.config.collect && due.contains(&account.unique_id) {
                let outcome = self.collect_one(rules, &project, &account).await;
                self.record_outcome(KIND, &account.email, outcome);
            }
        }
    }

    /// Revokes the grants and disables the account; deletes it in the next round.
    async fn collect_one(
        &self,
        rules: &Rules,
        project: &str,
        account: &ServiceAccount,
    ) -> Result<(), StepFailure> {
        let Some(mark) = our_mark(rules, &account.description) else {
            return Ok(());
        };
        let client = &self.context.client;
        // The watch may lag, so the API server is asked.
        if let Some(identity) = ensure::get_identity(client, mark.namespace(), mark.name()).await?
            && identity.spec.google_service_account.as_ref() == Some(&account.email)
        {
            return Ok(());
        }
        let (gcp, id) = (&self.context.gcp, &account.unique_id);
        // The list may be old: right before the write the account must be the same.
        let current = gcp.get_service_account(project, id).await?;
        if current.as_ref() != Some(account) {
            return Ok(());
        }
        if account.disabled {
            info!(email = %account.email, "deleting garbage: a Google service account");
            gcp.delete_service_account(project, id).await?;
            self.context.quotas.add_deleted(project);
            return Ok(());
        }
        let member = format!("serviceAccount:{}", account.email);
        self.revoke(rules, mark.name(), &member).await?;
        info!(email = %account.email, "disabling garbage: a Google service account, which is deleted in the next round");
        Ok(gcp.disable_service_account(project, id).await?)
    }
}
