//! Counts quotas periodically, and shows the counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ObjectReference, ServiceAccount};
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::PartialObjectMeta;
use namesake_api::names;
use namesake_core::Reason;
use namesake_gcp::{Resource, ServiceAccount as ServiceAccountAtGoogle};
use serde::de::DeserializeOwned;
use tracing::{debug, warn};

use super::creation_times::CreationTimes;
use super::report::{QuotaKind, QuotaLine, Report, policy_name};
use super::rights::Rights;
use super::same_broker::SameBroker;
use crate::controllers::context::Context;
use crate::google::list_accounts::list_accounts;
use crate::google::policies::PolicySize;

/// Objects of one page, where the API server does not say how many remain.
const PAGE: u32 = 500;
/// Policies that are shown: the fullest ones.
const POLICIES: usize = 40;

/// Counts quotas.
pub struct QuotaCounter {
    /// What the controllers share.
    pub context: Arc<Context>,
}

impl QuotaCounter {
    /// Counts periodically, until it is dropped.
    pub async fn run(self) {
        let (mut warned, mut warned_of) = (BTreeSet::new(), BTreeSet::new());
        let mut rights = Rights::default();
        let mut changes = self.context.rules.changes();
        loop {
            // Before they are read: a change during the count, which may take minutes, must be noticed after it.
            changes.mark_unchanged();
            let mut same = BTreeSet::new();
            let lines = self.count_all(&mut same).await;
            self.report_same_brokers(same, &mut warned_of).await;
            let now = self.context.now();
            self.context.metrics.set_quotas(&lines, now);
            let rules = self.context.rules.current();
            let rights = match &rules {
                Some(rules) => rights.texts(&self.context.gcp, rules).await.clone(),
                None => BTreeMap::new(),
            };
            let report = Report {
                lines: &lines,
                rights,
                garbage: self.context.garbage.lock().clone(),
            };
            self.write_config_map(&report, now).await;
            self.warn(&lines, &mut warned).await;
            tokio::select! {
                () = tokio::time::sleep(self.context.config.timings.count) => {}
                // The first rules, or another project in them.
                _ = changes.changed() => {}
            }
        }
    }

    /// The counts, and the installations that show in the lists of accounts and may be the same broker to Google.
    async fn count_all(&self, same: &mut BTreeSet<SameBroker>) -> Vec<QuotaLine> {
        let now = self.context.now();
        let mut sizes = self.context.policies.sizes();
        let limits = self.context.policies.limits();
        sizes.sort_by_key(|(_, size)| std::cmp::Reverse(limits.percent(*size)));
        sizes.truncate(POLICIES);
        let rules = self.context.rules.current();
        let projects = rules.as_ref().map(|rules| rules.projects());
        let projects: Vec<_> = projects.into_iter().flatten().collect();
        let policies = sizes.iter().map(|(resource, _)| resource.clone());
        let mut times = CreationTimes::new(projects.iter().copied(), policies);
        self.context
            .identities
            .for_each(|identity| times.add(&identity))
            .await;
        let mut lines = Vec::new();
        for project in projects {
            lines.extend(self.count_google_accounts(project, &times, now, same).await);
        }
        lines.extend(self.policy_lines(sizes, &times, now));
        lines.extend(self.count_service_accounts(&times, now).await);
        lines
    }

    async fn count_google_accounts(
        &self,
        project: &str,
        times: &CreationTimes,
        now: Timestamp,
        same: &mut BTreeSet<SameBroker>,
    ) -> Option<QuotaLine> {
        let mut used = 0_u64;
        let (rules, home) = (
            self.context.rules.current()?,
            &self.context.config.namespace,
        );
        let visit = |account: ServiceAccountAtGoogle| {
            used += 1;
            same.extend(SameBroker::of(&account.description, &rules, home));
        };
        let (gcp, budget) = (&self.context.gcp, &self.context.list_budget);
        let listed = list_accounts(gcp, budget, project, visit).await;
        match listed {
            Ok(()) => self.context.quotas.set_count(project, used),
            Err(error) => {
                debug!(%error, project, "failed to count the service accounts of a project");
            }
        }
        let (used, full_at) = self.context.quotas.used(project);
        let limit = self.context.config.accounts_per_project.or(full_at);
        let line = QuotaLine::new(QuotaKind::GoogleAccounts, project, used?, limit);
        Some(line.with_forecast(times.in_project(project), now, 1))
    }

    fn policy_lines(
        &self,
        sizes: Vec<(Resource, PolicySize)>,
        times: &CreationTimes,
        now: Timestamp,
    ) -> Vec<QuotaLine> {
        let limits = self.context.policies.limits();
        let wide = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let mut lines = Vec::new();
        for (resource, size) in sizes {
            let bytes_each = size.bytes / size.principals.max(1);
            let line = |kind, used, limit, each| {
                let line =
                    QuotaLine::new(kind, policy_name(&resource), wide(used), Some(wide(limit)));
                line.with_forecast(times.in_policy(&resource), now, wide(each))
            };
            let (principals, bytes) = (QuotaKind::PolicyPrincipals, QuotaKind::PolicyBytes);
            lines.push(line(principals, size.principals, limits.principals, 1));
            lines.push(line(bytes, size.bytes, limits.bytes, bytes_each));
        }
        lines
    }

    /// KSAs of the namespaces that opted in, and one for each other namespace: the broker may not see more.
    async fn count_service_accounts(
        &self,
        times: &CreationTimes,
        now: Timestamp,
    ) -> Option<QuotaLine> {
        let stack = self.context.rules.current()?.stack().to_owned();
        let ours = self.context.namespaces.in_stack(&stack);
        let counted = async {
            let all: Api<PartialObjectMeta<Namespace>> = Api::all(self.context.client.clone());
            let ours_count = u64::try_from(ours.len()).unwrap_or(0);
            let mut used = count(&all).await?.saturating_sub(ours_count);
            for namespace in &ours {
                let accounts: Api<PartialObjectMeta<ServiceAccount>> =
                    Api::namespaced(self.context.client.clone(), namespace);
                used += count(&accounts).await?;
            }
            Ok::<_, kube::Error>(used)
        };
        match counted.await {
            Ok(used) => {
                let limit = Some(names::SERVICE_ACCOUNTS_PER_CLUSTER);
                let line = QuotaLine::new(QuotaKind::ServiceAccounts, "cluster", used, limit);
                Some(line.with_forecast(times.all(), now, 1))
            }
            Err(error) => {
                debug!(%error, "failed to count the service accounts of the cluster");
                None
            }
        }
    }

    /// Writes the ConfigMap, with the time: whoever reads it knows whether the broker still reports.
    async fn write_config_map(&self, report: &Report<'_>, now: Timestamp) {
        let namespace = &self.context.config.namespace;
        let api = Api::<ConfigMap>::namespaced(self.context.client.clone(), namespace);
        let params = PatchParams::apply(names::FIELD_MANAGER_BROKER).force();
        let map = Patch::Apply(report.config_map(namespace, now));
        if let Err(error) = api.patch(names::QUOTA_CONFIG_MAP, &params, &map).await {
            warn!(%error, "the API server did not accept the ConfigMap {}", names::QUOTA_CONFIG_MAP);
        }
    }

    /// Warns once about each installation that may be the same broker to Google.
    async fn report_same_brokers(
        &self,
        same: BTreeSet<SameBroker>,
        warned: &mut BTreeSet<SameBroker>,
    ) {
        self.context.metrics.set_same_brokers(same.len());
        let home = &self.context.config.namespace;
        let about = self.map_at_home(names::RULES_CONFIG_MAP);
        for one in same.difference(warned) {
            let (note, reason) = (one.text(home), Reason::SameBroker);
            warn!(%note, %reason, "another broker of the workload pool may be this one to Google");
            let events = &self.context.events;
            events.warning(&about, "Count", reason, &note).await;
        }
        *warned = same;
    }

    /// A ConfigMap of the broker's namespace, for Events about it.
    fn map_at_home(&self, name: &str) -> ObjectReference {
        ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("ConfigMap".to_owned()),
            name: Some(name.to_owned()),
            namespace: Some(self.context.config.namespace.clone()),
            ..ObjectReference::default()
        }
    }

    /// Warns once about each quota that is nearly exhausted, and again after it was not in between.
    async fn warn(&self, lines: &[QuotaLine], warned: &mut BTreeSet<(QuotaKind, String)>) {
        let urgent: BTreeMap<_, _> = lines
            .iter()
            .filter(|line| line.is_urgent())
            .map(|line| ((line.kind, line.whose.clone()), line.text()))
            .collect();
        warned.retain(|key| urgent.contains_key(key));
        let about = self.map_at_home(names::QUOTA_CONFIG_MAP);
        for (key, text) in urgent {
            let note = format!("{} of {}: {text}", key.0.as_str(), key.1);
            if warned.insert(key) {
                warn!(%note, "a quota is nearly exhausted");
                let (events, reason) = (&self.context.events, Reason::QuotaNearlyExhausted);
                events.warning(&about, "Count", reason, &note).await;
            }
        }
    }
}

/// Counts objects, without reading them where the API server says how many remain after the first.
async fn count<K>(api: &Api<K>) -> Result<u64, kube::Error>
where
    K: Clone + Debug + DeserializeOwned,
{
    let mut params = ListParams::default().limit(1);
    let mut counted = 0;
    loop {
        let page = api.list(&params).await?;
        counted += u64::try_from(page.items.len()).unwrap_or(0);
        let remaining = page.metadata.remaining_item_count;
        let token = page.metadata.continue_.filter(|token| !token.is_empty());
        match (remaining.and_then(|n| u64::try_from(n).ok()), token) {
            (Some(remaining), _) => return Ok(counted + remaining),
            (None, None) => return Ok(counted),
            (None, Some(token)) => {
                params = ListParams::default().limit(PAGE).continue_token(&token);
            }
        }
    }
}
