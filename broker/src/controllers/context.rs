//! What the controllers share.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use kube::{Client, Resource as _};
use namesake_api::Identity;
use namesake_core::Reason;
use namesake_gcp::Gcp;
use parking_lot::Mutex;

use super::reconcile::memories::Memories;
use crate::cluster::cluster_id::ClusterId;
use crate::cluster::events::Events;
use crate::cluster::namespaces::Namespaces;
use crate::controllers::gates::identity_changes::IdentityChanges;
use crate::controllers::gates::service_accounts::ServiceAccounts;
use crate::controllers::quota::ProjectQuotas;
use crate::google::drift_budget::{DriftBudget, shares};
use crate::google::policies::Policies;
use crate::google::precheck::buckets::BucketChecks;
use crate::google::precheck::permissions::PolicyPermissions;
use crate::google::precheck::refused_creations::RefusedCreations;
use crate::google::verify::VerificationLimiter;
use crate::identity::derive;
use crate::identity::store::Identities;
use crate::server::config::Config;
use crate::server::metrics::Metrics;
use crate::server::rules::CurrentRules;
use crate::server::shared::Shared;

/// What the controllers share.
pub struct Context {
    /// Client for the API server.
    pub client: Client,
    /// Client for Google.
    pub gcp: Gcp,
    /// The configuration.
    pub config: Config,
    /// The rules in force.
    pub rules: Arc<CurrentRules>,
    /// The namespaces that opted in.
    pub namespaces: Arc<Namespaces>,
    /// The existing Identities.
    pub identities: Identities,
    /// Writes Events.
    pub events: Events,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Notifies the gates which Identity has changed.
    pub changes: IdentityChanges,
    /// Managed KSAs, as the watches of the gates show them.
    pub accounts: Arc<ServiceAccounts>,
    /// The one writer of each policy.
    pub policies: Policies,
    /// What is known about the service accounts of each project.
    pub quotas: Arc<ProjectQuotas>,
    /// Which cluster this is.
    pub cluster_id: Arc<ClusterId>,
    /// Of each project, the Google service accounts that belong to no Identity; nothing until they were listed once.
    pub(super) garbage: Mutex<BTreeMap<String, Vec<String>>>,
    /// Limits lists of accounts.
    pub list_budget: Arc<DriftBudget>,
    pub(super) drift_budget: DriftBudget,
    pub(super) verifications: VerificationLimiter,
    pub(super) buckets: BucketChecks,
    pub(super) permissions: PolicyPermissions,
    pub(super) refused_creations: RefusedCreations,
    pub(super) memories: Memories,
}

impl Context {
    /// A context that remembers nothing yet.
    #[must_use]
    pub fn new(shared: &Shared, client: Client, gcp: &Gcp) -> Self {
        let Shared {
            config,
            rules,
            namespaces,
            identities,
            metrics,
            ..
        } = shared.clone();
        // Steps are bounded: a call that takes longer fails with a reason in the condition, and is tried again.
        let gcp = gcp.within(config.timings.step / 3);
        let (check_reads, list_reads) = shares(config.drift_reads_per_minute);
        Self {
            events: Events::new(client.clone()),
            changes: IdentityChanges::default(),
            accounts: Arc::default(),
            policies: Policies::new(gcp.clone(), config.timings.policies, config.policy_limits),
            quotas: Arc::new(ProjectQuotas::new(config.timings.count)),
            cluster_id: Arc::default(),
            garbage: Mutex::default(),
            list_budget: Arc::new(DriftBudget::per_minute(list_reads)),
            drift_budget: DriftBudget::per_minute(check_reads),
            verifications: VerificationLimiter::new(
                config.verifications_at_once,
                Arc::clone(&metrics),
            ),
            buckets: BucketChecks::default(),
            permissions: PolicyPermissions::default(),
            refused_creations: RefusedCreations::default(),
            memories: Memories::default(),
            client,
            gcp,
            config,
            rules,
            namespaces,
            identities,
            metrics,
        }
    }

    /// Whether the rules still derive this identity.
    pub(super) fn is_wanted(&self, identity: &Identity) -> bool {
        let rules = self.rules.current();
        rules.is_none_or(|rules| derive::rederive(&rules, identity).is_ok())
    }

    /// Reports in an Event on an Identity what needs a person, or time.
    pub(super) async fn warn(&self, identity: &Identity, action: &str, reason: Reason, note: &str) {
        let about = identity.object_ref(&());
        self.events.warning(&about, action, reason, note).await;
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.config.clock)()
    }
}
