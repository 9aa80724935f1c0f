//! All that admission looks at: rules, namespaces, Identities, parents, keys. In memory, and read without waiting.

pub mod broker;
mod identities;
pub mod installation;
mod installed;
pub mod metrics;
mod namespaces;
mod parents;
mod rules;
mod synced;
pub(crate) mod watch;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use kube::Client;
use namesake_core::KeyRing;

use crate::decide::mode::Mode;
use crate::state::broker::{Answer, Broker, Failure, Flights, Question};
use crate::state::metrics::{Metrics, ModeLabels};

pub use identities::Identities;
pub use installed::Installed;
pub use namespaces::{Namespaces, OptedIn};
pub use parents::Parents;
pub use rules::{Offer, RulesInForce};
pub use synced::Synced;

/// How long an answer of the broker counts before our own watch shows the same.
const KEEP_ANSWER: Duration = Duration::from_secs(5);
/// How long a failure of the broker is not asked about again.
const KEEP_FAILURE: Duration = Duration::from_millis(500);

/// Seconds since 1970.
pub type Clock = Box<dyn Fn() -> i64 + Send + Sync>;

/// The state of one replica.
pub struct State {
    /// Rules in force.
    pub rules: RulesInForce,
    /// Identities, as the watch sees them.
    pub identities: Identities,
    /// Parents, as the watches see them.
    pub parents: Parents,
    /// Which kinds of parents the cluster has.
    pub installed: Installed,
    /// Opted-in namespaces, as the watch sees them.
    pub namespaces: Namespaces,
    /// What has been loaded since the start.
    pub synced: Synced,
    /// Metrics.
    pub metrics: Metrics,
    keys: ArcSwapOption<KeyRing>,
    cluster: Option<Client>,
    broker: Option<Arc<Broker>>,
    flights: Flights<Question, Answer, Failure>,
    clock: Clock,
}

impl State {
    /// An empty state: not ready, without API server and broker.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            rules: RulesInForce::default(),
            identities: Identities::default(),
            parents: Parents::default(),
            installed: Installed::default(),
            namespaces: Namespaces::default(),
            synced: Synced::default(),
            metrics: Metrics::default(),
            keys: ArcSwapOption::empty(),
            cluster: None,
            broker: None,
            flights: Flights::new(KEEP_ANSWER, KEEP_FAILURE),
            clock,
        }
    }

    /// Fetches parents that the watch has not seen yet from here.
    #[must_use]
    pub fn with_cluster(mut self, client: Client) -> Self {
        self.cluster = Some(client);
        self
    }

    /// Asks this broker for identities that do not exist yet.
    #[must_use]
    pub fn with_broker(mut self, broker: Arc<Broker>) -> Self {
        self.broker = Some(broker);
        self
    }

    /// Signs and verifies with these keys from now on.
    pub fn set_keys(&self, keys: KeyRing) {
        self.keys.store(Some(Arc::new(keys)));
        self.synced.set_keys();
    }

    /// Keys of stamps and resolutions.
    #[must_use]
    pub fn keys(&self) -> Option<Arc<KeyRing>> {
        self.keys.load_full()
    }

    /// The API server, if there is one.
    #[must_use]
    pub fn cluster(&self) -> Option<&Client> {
        self.cluster.as_ref()
    }

    /// The broker, if there is one.
    #[must_use]
    pub fn broker(&self) -> Option<&Arc<Broker>> {
        self.broker.as_ref()
    }

    /// Calls of the broker under way.
    #[must_use]
    pub fn flights(&self) -> &Flights<Question, Answer, Failure> {
        &self.flights
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn now(&self) -> i64 {
        (self.clock)()
    }

    /// Writes how many namespaces are in which mode into the metrics.
    pub fn count_modes(&self) {
        for (label, mode) in [("enforce", Mode::Enforce), ("shadow", Mode::Shadow)] {
            let count = i64::try_from(self.namespaces.count(mode)).unwrap_or(i64::MAX);
            let labels = ModeLabels { mode: label };
            self.metrics.namespaces.get_or_create(&labels).set(count);
        }
    }

    /// Writes the sizes of the caches into the metrics.
    pub fn count_cached(&self) {
        let size = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.metrics.identities.set(size(self.identities.len()));
        self.metrics.parents.set(size(self.parents.len()));
    }
}

/// The system's clock.
#[must_use]
pub fn system_clock() -> Clock {
    Box::new(|| Timestamp::now().as_second())
}
