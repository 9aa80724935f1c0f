//! The state that admission reads: rules, namespaces, Identities, parents, keys. It is in memory; [`watch`] keeps it current.

pub mod broker;
pub mod installation;
mod installed;
pub mod metrics;
mod namespaces;
mod parents;
mod synced;
pub(crate) mod watch;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;
use kube::Client;
use namesake_api::broker_api::IdentityAnswer;
use namesake_core::KeyRing;
use namesake_service::{ByName, RulesInForce, SingleFlight, gauge_value};

use crate::decide::known::KnownIdentity;
use crate::decide::mode::Mode;
use crate::state::broker::{Broker, Failure, Question};
use crate::state::metrics::Metrics;

pub use installed::Installed;
pub use namespaces::{Namespaces, OptedIn};
pub use parents::Parents;
pub use synced::{Flag, Synced};
pub use watch::served;

/// How long an answer of the broker is used until the watch shows the same.
const KEEP_ANSWER: Duration = Duration::from_secs(5);
/// How long after a failure the broker is not called again for the same identity.
const KEEP_FAILURE: Duration = Duration::from_millis(500);

/// Seconds since 1970.
pub type Clock = Box<dyn Fn() -> i64 + Send + Sync>;

/// The state of one replica.
pub struct State {
    /// Rules in force.
    pub rules: RulesInForce,
    /// Identities, as the watch sees them.
    pub identities: ByName<KnownIdentity>,
    /// Parents, as the watches see them.
    pub parents: Parents,
    /// The kinds of parents that the cluster has.
    pub installed: Installed,
    /// Opted-in namespaces, as the watch sees them.
    pub namespaces: Namespaces,
    /// The parts that have been loaded since the start.
    pub synced: Synced,
    /// Metrics.
    pub metrics: Metrics,
    /// The API server, if there is one.
    pub cluster: Option<Client>,
    /// The broker, if there is one.
    pub broker: Option<Arc<Broker>>,
    /// Calls of the broker in progress.
    pub broker_calls: SingleFlight<Question, IdentityAnswer, Failure>,
    keys: ArcSwapOption<KeyRing>,
    /// Namespaces in which nothing changes a pod after this webhook; empty while that is unknown.
    decides_last: ArcSwap<BTreeSet<String>>,
    clock: Clock,
}

impl State {
    /// An empty state: not ready, without an API server and a broker.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            rules: RulesInForce::default(),
            identities: ByName::default(),
            parents: Parents::default(),
            installed: Installed::default(),
            namespaces: Namespaces::default(),
            synced: Synced::default(),
            metrics: Metrics::default(),
            cluster: None,
            broker: None,
            broker_calls: SingleFlight::new(KEEP_ANSWER, KEEP_FAILURE),
            keys: ArcSwapOption::empty(),
            decides_last: ArcSwap::default(),
            clock,
        }
    }

    /// With an API server from which parents are read that the watch has not seen yet.
    #[must_use]
    pub fn with_cluster(mut self, client: Client) -> Self {
        self.cluster = Some(client);
        self
    }

    /// With a broker that creates identities which do not exist yet.
    #[must_use]
    pub fn with_broker(mut self, broker: Arc<Broker>) -> Self {
        self.broker = Some(broker);
        self
    }

    /// Signs and verifies with these keys from now on.
    pub fn set_keys(&self, keys: KeyRing) {
        self.keys.store(Some(Arc::new(keys)));
        self.synced.keys.set();
    }

    /// Keys of stamps and resolutions.
    #[must_use]
    pub fn keys(&self) -> Option<Arc<KeyRing>> {
        self.keys.load_full()
    }

    /// Sets the namespaces in which nothing changes a pod after this webhook.
    pub fn set_decides_last(&self, namespaces: BTreeSet<String>) {
        self.decides_last.store(Arc::new(namespaces));
    }

    /// Whether nothing changes the pods of a namespace after this webhook.
    #[must_use]
    pub fn decides_last(&self, namespace: &str) -> bool {
        self.decides_last.load().contains(namespace)
    }

    /// The mode of a namespace; `enforce` while no rules are in force.
    #[must_use]
    pub fn mode(&self, namespace: &str) -> Mode {
        let rules = self.rules.get();
        rules.map_or(Mode::Enforce, |rules| {
            self.namespaces.mode(namespace, rules.stack())
        })
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn now(&self) -> i64 {
        (self.clock)()
    }

    /// Updates the metrics of how many namespaces have which mode.
    pub fn count_modes(&self) {
        for (mode, label) in [(Mode::Enforce, "enforce"), (Mode::Shadow, "shadow")] {
            let gauge = self.metrics.namespaces.get_or_create(&[("mode", label)]);
            gauge.set(gauge_value(self.namespaces.count(mode)));
        }
    }

    /// Updates the metrics of how much is in memory.
    pub fn count_cached(&self) {
        let (identities, parents) = (self.identities.len(), self.parents.len());
        self.metrics.cached_identities.set(gauge_value(identities));
        self.metrics.cached_parents.set(gauge_value(parents));
    }
}

/// The system's clock.
#[must_use]
pub fn system_clock() -> Clock {
    Box::new(|| Timestamp::now().as_second())
}
