//! Counts on a slow cycle, and says what it found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ObjectReference, ServiceAccount};
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::{Api, Client};
use namesake_api::names;
use namesake_gcp::{Gcp, Resource};
use serde::de::DeserializeOwned;
use tracing::{debug, warn};

use super::Quota;
use super::births::Births;
use super::report::{Line, Of, config_map, name};
use crate::cluster::events::Events;
use crate::cluster::namespaces::Namespaces;
use crate::google::drift_budget::Looks;
use crate::google::listing;
use crate::google::policies::{Policies, Size};
use crate::identity::reason::ConditionReason;
use crate::identity::store::Identities;
use crate::server::config::Config;
use crate::server::metrics::Metrics;
use crate::server::rules::CurrentRules;

/// Objects of one page, where the API server does not say how many are left.
const PAGE: u32 = 500;
/// Policies that are shown: the fullest.
const POLICIES: usize = 40;

/// What the cycle works with.
pub struct Counting {
    /// The API server, as the broker.
    pub client: Client,
    /// Google.
    pub gcp: Gcp,
    /// What the broker was told.
    pub config: Config,
    /// The rules in force: they name the projects.
    pub rules: Arc<CurrentRules>,
    /// Namespaces that opted in.
    pub namespaces: Arc<Namespaces>,
    /// Identities of all namespaces: when each was made.
    pub identities: Identities,
    /// Turns for pages of accounts.
    pub listings: Arc<Looks>,
    /// Knows how full policies are.
    pub policies: Policies,
    /// Is told what was counted.
    pub quota: Arc<Quota>,
    /// Shows it.
    pub metrics: Arc<Metrics>,
    /// Says so.
    pub events: Events,
}

/// Counts again and again, until it is dropped.
pub async fn run(counting: Counting) {
    let mut said = BTreeSet::new();
    loop {
        let lines = counting.lines().await;
        counting.metrics.quota(&lines);
        counting.show(&lines).await;
        counting.warn(&lines, &mut said).await;
        let mut rules = counting.rules.changes();
        rules.mark_unchanged();
        tokio::select! {
            () = tokio::time::sleep(counting.config.timings.count) => {}
            // The first rules, or another project in them.
            _ = rules.changed() => {}
        }
    }
}

impl Counting {
    async fn lines(&self) -> Vec<Line> {
        let now = (self.config.clock)();
        let mut sizes = self.policies.sizes();
        let room = self.policies.room();
        sizes.sort_by_key(|(_, size)| std::cmp::Reverse(room.share(*size)));
        sizes.truncate(POLICIES);
        let rules = self.rules.current();
        let projects = rules.as_ref().map(|rules| rules.projects());
        let projects: Vec<_> = projects.into_iter().flatten().collect();
        let policies = sizes.iter().map(|(resource, _)| resource.clone());
        let mut births = Births::of(projects.iter().copied(), policies);
        self.identities.each(|identity| births.add(&identity)).await;
        let mut lines = Vec::new();
        for project in projects {
            lines.extend(self.accounts(project, &births, now).await);
        }
        lines.extend(self.policies(sizes, &births, now));
        lines.extend(self.cluster(&births, now).await);
        lines
    }

    async fn accounts(&self, project: &str, births: &Births, now: Timestamp) -> Option<Line> {
        let mut used = 0_u64;
        let counted = listing::accounts(&self.gcp, &self.listings, project, |_| used += 1).await;
        match counted {
            Ok(()) => self.quota.counted(project, used),
            Err(error) => {
                debug!(%error, project, "the accounts of a project could not be counted");
            }
        }
        let (used, found) = self.quota.used(project);
        let limit = self.config.accounts_per_project.or(found);
        Some(Line::new(
            Of::GoogleAccounts,
            project,
            used?,
            limit,
            1,
            (births.in_project(project), now),
        ))
    }

    fn policies(&self, sizes: Vec<(Resource, Size)>, births: &Births, now: Timestamp) -> Vec<Line> {
        let room = self.policies.room();
        let wide = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let mut lines = Vec::new();
        for (resource, size) in sizes {
            let made = births.in_policy(&resource);
            let each = size.bytes / size.principals.max(1);
            let line = |of, used, limit, each| {
                let (used, limit) = (wide(used), Some(wide(limit)));
                Line::new(of, name(&resource), used, limit, each, (made, now))
            };
            lines.push(line(
                Of::PolicyPrincipals,
                size.principals,
                room.principals,
                1,
            ));
            lines.push(line(Of::PolicyBytes, size.bytes, room.bytes, wide(each)));
        }
        lines
    }

    /// Accounts of the namespaces that opted in, and one for each other namespace: more the broker may not see.
    async fn cluster(&self, births: &Births, now: Timestamp) -> Option<Line> {
        let stack = self.rules.current()?.stack().to_owned();
        let ours = self.namespaces.of_stack(&stack);
        let counted = async {
            let all = count(&Api::<PartialObjectMeta<Namespace>>::all(
                self.client.clone(),
            ))
            .await?;
            let mut used = all.saturating_sub(u64::try_from(ours.len()).unwrap_or(0));
            for namespace in &ours {
                let accounts = namespaced::<ServiceAccount>(&self.client, namespace);
                used += count(&accounts).await?;
            }
            Ok::<_, kube::Error>(used)
        };
        let used = match counted.await {
            Ok(used) => used,
            Err(error) => {
                debug!(%error, "the service accounts of the cluster could not be counted");
                return None;
            }
        };
        let limit = Some(names::SERVICE_ACCOUNTS_PER_CLUSTER);
        Some(Line::new(
            Of::ServiceAccounts,
            "cluster",
            used,
            limit,
            1,
            (births.all(), now),
        ))
    }

    /// Writes the ConfigMap, as long as there is something new in it.
    async fn show(&self, lines: &[Line]) {
        let namespace = &self.config.namespace;
        let api = Api::<ConfigMap>::namespaced(self.client.clone(), namespace);
        let params = PatchParams::apply(names::FIELD_MANAGER_BROKER).force();
        let map = Patch::Apply(config_map(lines, namespace));
        // The API server writes nothing when nothing changes.
        if let Err(error) = api.patch(names::QUOTA_CONFIG_MAP, &params, &map).await {
            warn!(%error, "the API server did not take the ConfigMap {}", names::QUOTA_CONFIG_MAP);
        }
    }

    /// Says once what becomes urgent; again, when it was not in between.
    async fn warn(&self, lines: &[Line], said: &mut BTreeSet<(Of, String)>) {
        let urgent: BTreeMap<_, _> = lines
            .iter()
            .filter(|line| line.is_urgent())
            .map(|line| ((line.of, line.whose.clone()), line.words()))
            .collect();
        said.retain(|key| urgent.contains_key(key));
        let about = ObjectReference {
            api_version: Some("v1".into()),
            kind: Some("ConfigMap".into()),
            name: Some(names::QUOTA_CONFIG_MAP.into()),
            namespace: Some(self.config.namespace.clone()),
            ..ObjectReference::default()
        };
        for (key, words) in urgent {
            let note = format!("{} of {}: {words}", key.0.as_str(), key.1);
            if said.insert(key) {
                warn!(%note, "a quota is nearly used up");
                self.events
                    .warning(
                        &about,
                        "Count",
                        ConditionReason::QuotaNearlyUsedUp.as_str(),
                        &note,
                    )
                    .await;
            }
        }
    }
}

fn namespaced<K>(client: &Client, namespace: &str) -> Api<PartialObjectMeta<K>>
where
    K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    Api::namespaced(client.clone(), namespace)
}

/// How many there are, without reading them where the API server says how many follow the first.
async fn count<K>(api: &Api<K>) -> Result<u64, kube::Error>
where
    K: Clone + Debug + DeserializeOwned,
{
    let mut params = ListParams::default().limit(1);
    let mut counted = 0;
    loop {
        let page = api.list(&params).await?;
        counted += u64::try_from(page.items.len()).unwrap_or(0);
        let left = page.metadata.remaining_item_count;
        let token = page.metadata.continue_.filter(|token| !token.is_empty());
        match (left.and_then(|left| u64::try_from(left).ok()), token) {
            (Some(left), _) => return Ok(counted + left),
            (None, None) => return Ok(counted),
            (None, Some(token)) => {
                params = ListParams::default().limit(PAGE).continue_token(&token);
            }
        }
    }
}
