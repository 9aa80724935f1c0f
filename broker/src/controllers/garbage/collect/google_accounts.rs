//! Garbage at Google: service accounts without an Identity.

use namesake_core::Rules;
use namesake_gcp::ServiceAccount;
use tracing::{info, warn};

use super::{Collector, InUse};
use crate::cluster::ensure;
use crate::controllers::garbage::{Found, is_google_garbage, our_mark, texts};
use crate::google::list_accounts::list_accounts;
use crate::identity::step_failure::StepFailure;

const KIND: &str = "Google service account";

impl Collector {
    /// Accounts that are garbage by the Identities known before the list, by project.
    pub(super) async fn find_google_accounts(&self, rules: &Rules) -> Found<ServiceAccount> {
        let mut found = Found::new();
        // Of thousands of accounts, only those that may be garbage are kept in memory.
        let in_use = self.in_use().await;
        for project in rules.projects() {
            let mut garbage = Vec::new();
            let visit = |account| {
                if is_google_garbage(rules, &account, &in_use) {
                    garbage.push(account);
                }
            };
            let (gcp, budget) = (&self.context.gcp, &self.context.list_budget);
            let listed = list_accounts(gcp, budget, project, visit).await;
            if let Err(error) = &listed {
                warn!(%error, project, "failed to list the service accounts of a project for garbage");
            }
            found.insert(project.to_owned(), listed.is_ok().then_some(garbage));
        }
        found
    }

    pub(super) async fn collect_google_accounts(
        &mut self,
        rules: &Rules,
        mut found: Found<ServiceAccount>,
        in_use: &InUse,
    ) {
        for accounts in found.values_mut().flatten() {
            accounts.retain(|account| is_google_garbage(rules, account, in_use));
        }
        let all = self.remember(texts(&found, |account| account.email.clone()));
        self.report(KIND, all.iter());
        let ids = texts(&found, |account| account.unique_id.clone());
        let (now, grace) = (self.context.now(), self.context.config.collect_after);
        let due = self.google_accounts.due(now, grace, &ids);
        for (project, accounts) in &found {
            for account in accounts.iter().flatten() {
                if self.context.config.collect && due.contains(&account.unique_id) {
                    let outcome = self.collect_one(rules, project, account).await;
                    self.record_outcome(KIND, &account.email, outcome);
                }
            }
        }
    }

    /// Keeps the e-mail addresses for the report about quotas, and those from before where nothing could be listed. Returns all.
    fn remember(&self, emails: Found<String>) -> Vec<String> {
        let mut known = self.context.garbage.lock();
        known.retain(|project, _| emails.contains_key(project));
        let listed = emails.into_iter();
        known.extend(listed.filter_map(|(project, all)| Some((project, all?))));
        known.values().flatten().cloned().collect()
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
