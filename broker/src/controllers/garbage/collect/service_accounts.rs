//! Garbage in the cluster: KSAs without an Identity.

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use namesake_api::names;
use namesake_core::Rules;
use tracing::{info, warn};

use super::{Collector, InUse};
use crate::cluster::ensure::{self, KIND};
use crate::cluster::requests::{delete_this_version, namespace_and_name};
use crate::controllers::garbage::{Found, is_garbage, texts};
use crate::google::principal;
use crate::identity::step_failure::StepFailure;

/// KSAs of one page.
const PAGE: u32 = 500;

impl Collector {
    pub(super) async fn collect_service_accounts(&mut self, rules: &Rules, in_use: &InUse) {
        let mut found = Found::new();
        for namespace in self.context.namespaces.in_stack(rules.stack()) {
            let is_garbage = |account: &ServiceAccount| is_garbage(rules, account, in_use);
            let listed = self.find_in(&namespace, is_garbage).await;
            if let Err(error) = &listed {
                warn!(%error, namespace, "failed to list service accounts for garbage");
            }
            found.insert(namespace, listed.ok());
        }
        let accounts = || found.values().flatten().flatten();
        let names: Vec<_> = accounts().map(ResourceExt::name_any).collect();
        self.report(KIND, names.iter());
        let uids = texts(&found, |account| account.uid().unwrap_or_default());
        let (now, grace) = (self.context.now(), self.context.config.collect_after);
        let due = self.service_accounts.due(now, grace, &uids);
        for account in accounts() {
            let Some(uid) = account.uid().filter(|uid| due.contains(uid)) else {
                continue;
            };
            if self.context.config.collect {
                let outcome = self.delete(rules, account, &uid).await;
                self.record_outcome(KIND, &account.name_any(), outcome);
            }
        }
    }

    async fn find_in(
        &self,
        namespace: &str,
        is_garbage: impl Fn(&ServiceAccount) -> bool,
    ) -> Result<Vec<ServiceAccount>, kube::Error> {
        let api = Api::<ServiceAccount>::namespaced(self.context.client.clone(), namespace);
        let labels = format!("{}={}", names::MANAGED_BY, names::MANAGED_BY_VALUE);
        let mut params = ListParams::default().labels(&labels).limit(PAGE);
        let mut found = Vec::new();
        loop {
            let page = api.list(&params).await?;
            found.extend(page.items.into_iter().filter(&is_garbage));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(found),
            }
        }
    }

    /// Deletes a KSA, after revoking what it was granted itself in mode direct.
    async fn delete(
        &self,
        rules: &Rules,
        account: &ServiceAccount,
        uid: &str,
    ) -> Result<(), StepFailure> {
        let (namespace, name) = namespace_and_name(account);
        let client = &self.context.client;
        let identity = ensure::get_identity(client, &namespace, &name).await?;
        if identity.is_some() {
            return Ok(());
        }
        // The broker may read the cluster's project only if a class needs that.
        if rules.can_use_direct_mode() {
            let project = principal::cluster_project(rules.cluster());
            let number = self.context.gcp.project_number(project).await?;
            let member = principal::member_by_uid(&number, project, uid);
            self.revoke(rules, &name, &member).await?;
        }
        info!(%namespace, %name, "deleting garbage: a service account");
        Ok(ensure::delete(client, KIND, account, &delete_this_version(account)).await?)
    }
}
