//! The rounds of the collector. Without leave to collect it only says what it would take.

use std::sync::Arc;

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::ServiceAccount as Account;
use kube::api::{DeleteParams, ListParams, Preconditions};
use kube::{Api, ResourceExt};
use namesake_api::names;
use namesake_core::Rules;
use namesake_gcp::{Edit, Error as Google, ServiceAccount};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::{Ours, Seen, Wanted};
use crate::cluster::ensure;
use crate::controllers::reconcile::Context;
use crate::google::listing;
use crate::google::principal;
use crate::identity::derive;
use crate::identity::failure::Failure;
use crate::identity::plan;
use crate::identity::store::Identities;

/// Service accounts of one page.
const PAGE: u32 = 500;

/// Collects for ever, a round in each `resync`. Ends only when it is dropped.
pub async fn run(context: Arc<Context>, identities: Identities) {
    let mut collector = Collector {
        context,
        identities,
        google: Seen::default(),
        accounts: Seen::default(),
    };
    let mut tick = interval(collector.context.config.timings.resync);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        // Before the watch has shown everything, everything would look like nobody's.
        if !collector.identities.are_listed().await {
            return;
        }
        if let Some(rules) = collector.context.rules.current() {
            collector.round(&rules).await;
        }
    }
}

struct Collector {
    context: Arc<Context>,
    identities: Identities,
    google: Seen,
    accounts: Seen,
}

impl Collector {
    async fn round(&mut self, rules: &Rules) {
        let ours = Ours {
            stack: rules.stack().to_owned(),
            cluster: rules.cluster().to_owned(),
        };
        // With another cluster's rules everything of that cluster would look like nobody's.
        if self.context.place.is_not(rules.cluster()) {
            return;
        }
        let mut found = Vec::new();
        // Of thousands, only what may be garbage is kept.
        let before = self.wanted().await;
        for project in rules.projects() {
            let (gcp, turns) = (&self.context.gcp, &self.context.listings);
            let see = |account| {
                if ours.is_dead_google_account(&account, &before) {
                    found.push((project.to_owned(), account));
                }
            };
            if let Err(error) = listing::accounts(gcp, turns, project, see).await {
                warn!(%error, project, "the accounts of a project cannot be listed for garbage");
                return;
            }
        }
        drop(before);
        // Listed after Google was: an account that is made meanwhile has its Identity already.
        let wanted = self.wanted().await;
        found.retain(|(_, account)| ours.is_dead_google_account(account, &wanted));
        let dead: Vec<_> = found.iter().map(|(_, a)| a.unique_id.clone()).collect();
        self.report(
            "Google service account",
            found.iter().map(|(_, a)| &a.email),
        );
        let (now, grace) = (self.context.now(), self.grace());
        let due = self.google.due(now, grace, &dead);
        for (project, account) in found {
            if self.context.config.collect && due.contains(&account.unique_id) {
                let taken = self.take_google(rules, &ours, &project, &account).await;
                self.took("a Google service account", &account.email, taken);
            }
        }
        self.accounts_round(rules, &ours, &wanted).await;
    }

    async fn wanted(&self) -> Wanted {
        let mut wanted = Wanted::default();
        self.identities.each(|identity| wanted.add(&identity)).await;
        wanted
    }

    fn grace(&self) -> SignedDuration {
        let grace = SignedDuration::try_from(self.context.config.collect_after);
        grace.unwrap_or(SignedDuration::MAX)
    }

    fn report<'a>(&self, kind: &'static str, found: impl ExactSizeIterator<Item = &'a String>) {
        self.context.metrics.garbage(kind, found.len());
        let collect = self.context.config.collect;
        for name in found {
            info!(
                kind,
                name, collect, "it carries our mark and belongs to no Identity"
            );
        }
    }

    /// Takes a GSA away: what it has, then, a round later, itself. Between the two it is only disabled.
    async fn take_google(
        &self,
        rules: &Rules,
        ours: &Ours,
        project: &str,
        account: &ServiceAccount,
    ) -> Result<(), Failure> {
        let Some(mark) = ours.mark(&account.description) else {
            return Ok(());
        };
        let client = &self.context.client;
        // Our watch may be behind: the API server knows.
        if let Some(identity) = ensure::find(client, mark.namespace(), mark.name()).await?
            && identity.spec.google_service_account.as_ref() == Some(&account.email)
        {
            return Ok(());
        }
        let gcp = &self.context.gcp;
        // The list may be old: right before the write it has to be what it was.
        let now = gcp.get_service_account(project, &account.unique_id).await?;
        if now.as_ref() != Some(account) {
            return Ok(());
        }
        if account.disabled {
            info!(email = %account.email, "garbage is deleted");
            let deleted = gcp
                .delete_service_account(project, &account.unique_id)
                .await;
            deleted?;
            self.context.quota.deleted(project);
            return Ok(());
        }
        let member = format!("serviceAccount:{}", account.email);
        self.revoke(rules, mark.name(), &member).await?;
        info!(email = %account.email, "garbage is disabled, and deleted in the next round");
        Ok(gcp
            .disable_service_account(project, &account.unique_id)
            .await?)
    }

    /// Takes away what the classes of today may have given to it.
    async fn revoke(&self, rules: &Rules, name: &str, member: &str) -> Result<(), Failure> {
        for grant in derive::all_grants(rules, name) {
            let Some(resource) = plan::resource(&grant) else {
                continue;
            };
            let edits = vec![Edit::RemoveMember(member.to_owned())];
            match self.context.policies.change(&resource, edits).await {
                Ok(_) | Err(Google::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn accounts_round(&mut self, rules: &Rules, ours: &Ours, wanted: &Wanted) {
        let labels = format!("{}={}", names::MANAGED_BY, names::MANAGED_BY_VALUE);
        let mut found = Vec::new();
        for namespace in self.context.namespaces.of_stack(rules.stack()) {
            let api = Api::<Account>::namespaced(self.context.client.clone(), &namespace);
            let mut page = ListParams::default().labels(&labels).limit(PAGE);
            loop {
                let all = match api.list(&page).await {
                    Ok(all) => all,
                    Err(error) => {
                        warn!(%error, namespace, "service accounts cannot be listed for garbage");
                        break;
                    }
                };
                let next = all.metadata.continue_.filter(|token| !token.is_empty());
                let dead = all.items.into_iter();
                found.extend(dead.filter(|account| ours.is_dead_account(account, wanted)));
                match next {
                    Some(token) => page = page.continue_token(&token),
                    None => break,
                }
            }
        }
        let names: Vec<_> = found.iter().map(ResourceExt::name_any).collect();
        self.report("service account", names.iter());
        let uids: Vec<_> = found.iter().filter_map(ResourceExt::uid).collect();
        let (now, grace) = (self.context.now(), self.grace());
        let due = self.accounts.due(now, grace, &uids);
        for account in found {
            let Some(uid) = account.uid().filter(|uid| due.contains(uid)) else {
                continue;
            };
            if self.context.config.collect {
                let taken = self.take_account(rules, &account, uid).await;
                self.took("a service account", &account.name_any(), taken);
            }
        }
    }

    /// Takes a KSA away: first what it was given as itself, in mode direct.
    async fn take_account(
        &self,
        rules: &Rules,
        account: &Account,
        uid: String,
    ) -> Result<(), Failure> {
        let (namespace, name) = (account.namespace().unwrap_or_default(), account.name_any());
        let client = &self.context.client;
        if ensure::find(client, &namespace, &name).await?.is_some() {
            return Ok(());
        }
        // The right to read the cluster's project is there only if a class needs it.
        if rules.can_use_direct_mode() {
            let project = principal::cluster_project(rules.cluster());
            let number = self.context.gcp.project_number(project).await?;
            let member = principal::by_uid(&number, project, &uid);
            self.revoke(rules, &name, &member).await?;
        }
        let api = Api::<Account>::namespaced(client.clone(), &namespace);
        let exactly = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(uid),
                resource_version: account.resource_version(),
            }),
            ..DeleteParams::default()
        };
        info!(%namespace, %name, "garbage is deleted: a service account");
        match api.delete(&name, &exactly).await {
            Ok(_) => Ok(()),
            Err(error) if ensure::is_gone(&error) => Ok(()),
            Err(source) => {
                let what = format!("the deletion of service account {namespace}/{name}");
                Err(ensure::Error::kube(what)(source).into())
            }
        }
    }

    /// Counts how it went, and says what did not.
    fn took(&self, kind: &'static str, name: &str, taken: Result<(), Failure>) {
        let outcome = taken
            .as_ref()
            .map_or_else(|failure| failure.reason, |()| "ok");
        self.context.metrics.step("Collect", outcome);
        if let Err(failure) = taken {
            warn!(kind, name, message = %failure.message, "garbage could not be collected");
        }
    }
}
