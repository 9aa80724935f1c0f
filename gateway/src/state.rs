//! What the authorizer decides from: rules, Identities, owners of runs. It is in memory; [`watch`] keeps it current.

mod cluster;
mod cluster_keys;
mod metrics;
mod owners;
mod synced;
pub(crate) mod watch;

use jiff::Timestamp;
use namesake_service::{ByName, RulesInForce};

pub use cluster::{Cluster, WaitingPod};
pub use cluster_keys::ClusterKeys;
pub use metrics::{Metrics, Outcome};
pub use owners::{Owners, OwnersError};
pub use synced::Synced;

use crate::caller::KnownIdentity;
use crate::config::Config;

/// Seconds since 1970.
pub type Clock = Box<dyn Fn() -> i64 + Send + Sync>;

/// The state of one replica.
pub struct State {
    /// gateway.yaml.
    pub config: Config,
    /// Rules in force.
    pub rules: RulesInForce,
    /// Identities, as the watch sees them.
    pub identities: ByName<KnownIdentity>,
    /// Whose each run is.
    pub owners: Owners,
    /// The keys of the cluster's tokens.
    pub cluster_keys: ClusterKeys,
    /// The parts that have been loaded since the start.
    pub synced: Synced,
    /// Metrics.
    pub metrics: Metrics,
    cluster: Option<Cluster>,
    clock: Clock,
}

impl State {
    /// An empty state: not ready, and without an API server.
    #[must_use]
    pub fn new(config: Config, owners: Owners, clock: Clock) -> Self {
        Self {
            synced: Synced::new(config.cluster.is_some()),
            config,
            rules: RulesInForce::default(),
            identities: ByName::default(),
            owners,
            cluster_keys: ClusterKeys::default(),
            metrics: Metrics::default(),
            cluster: None,
            clock,
        }
    }

    /// With an API server, of which the page asks what is not in memory.
    #[must_use]
    pub fn with_cluster(mut self, cluster: Cluster) -> Self {
        self.cluster = Some(cluster);
        self
    }

    /// The API server, if there is one.
    #[must_use]
    pub fn cluster(&self) -> Option<&Cluster> {
        self.cluster.as_ref()
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn now(&self) -> i64 {
        (self.clock)()
    }
}

/// The system's clock.
#[must_use]
pub fn system_clock() -> Clock {
    Box::new(|| Timestamp::now().as_second())
}
