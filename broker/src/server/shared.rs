//! What the API, the watch of the rules and the controllers share.

use std::sync::Arc;

use crate::cluster::leader::{Fence, WriteLimiter};
use crate::cluster::namespaces::Namespaces;
use crate::identity::store::Identities;
use crate::server::config::Config;
use crate::server::metrics::Metrics;
use crate::server::ready::Ready;
use crate::server::rules::CurrentRules;

/// What the parts of one broker share. Cheap to clone.
#[derive(Clone)]
pub struct Shared {
    /// The configuration.
    pub config: Config,
    /// The rules in force.
    pub rules: Arc<CurrentRules>,
    /// The namespaces that opted in.
    pub namespaces: Arc<Namespaces>,
    /// The existing Identities.
    pub identities: Identities,
    /// Whether this replica can serve.
    pub ready: Arc<Ready>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Stops writes that only the leader may make.
    pub fence: Arc<Fence>,
    /// Limits how fast the leader writes, more so while a call of the API waits for its answer.
    pub leader_writes: Arc<WriteLimiter>,
}

impl Shared {
    /// No rules are in force yet, and this replica does not lead.
    #[must_use]
    pub fn new(
        config: Config,
        namespaces: Arc<Namespaces>,
        identities: Identities,
        ready: Arc<Ready>,
    ) -> Self {
        let (metrics, fence) = (Arc::<Metrics>::default(), Arc::default());
        let rules = Arc::<CurrentRules>::default();
        metrics.watch_identities(identities.clone(), Arc::clone(&rules));
        metrics.watch_fence(Arc::clone(&fence));
        Self {
            config,
            rules,
            namespaces,
            identities,
            ready,
            metrics,
            fence,
            leader_writes: Arc::default(),
        }
    }
}
