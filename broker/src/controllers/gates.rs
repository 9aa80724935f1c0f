//! Opens the scheduling gates of pods whose identity works, and fails pods that waited too long. One watch of pods and of managed
//! KSAs for each namespace that opted in.

pub mod decide;
pub mod identity_changes;
mod namespace;
pub mod patience;
pub mod service_accounts;
mod waiting_pods;

use std::collections::HashMap;
use std::sync::Arc;

use futures::channel::mpsc;
use kube::Client;
use kube::runtime::reflector::ObjectRef;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, info, info_span};

use crate::cluster::events::Events;
use crate::cluster::namespaces::Namespaces;
use crate::controllers::gates::identity_changes::IdentityChanges;
use crate::controllers::gates::service_accounts::ServiceAccounts;
use crate::identity::store::{Identities, PackedIdentity};
use crate::server::config::Config;
use crate::server::metrics::Metrics;
use crate::server::rules::CurrentRules;

/// What the watches of all namespaces share.
pub struct Gates {
    /// Client for the API server.
    pub client: Client,
    /// The configuration.
    pub config: Config,
    /// The rules in force: they name the stack.
    pub rules: Arc<CurrentRules>,
    /// Namespaces that opted in.
    pub namespaces: Arc<Namespaces>,
    /// Identities of all namespaces.
    pub identities: Identities,
    /// Which Identities have changed.
    pub changes: IdentityChanges,
    /// Where the watches write which managed KSAs exist.
    pub accounts: Arc<ServiceAccounts>,
    /// Requests to reconcile an Identity whose KSA has changed.
    pub reconcile_requests: mpsc::UnboundedSender<ObjectRef<PackedIdentity>>,
    /// Events on pods.
    pub events: Events,
    /// The metrics.
    pub metrics: Arc<Metrics>,
}

/// Watches all namespaces that have opted in. Ends only when it is dropped; its watches end with it.
pub async fn run(gates: Arc<Gates>) {
    let mut watches: HashMap<String, AbortOnDropHandle<()>> = HashMap::new();
    let mut namespaces = gates.namespaces.changes();
    let mut rules = gates.rules.changes();
    loop {
        let stack = gates.rules.current().map(|rules| rules.stack().to_owned());
        let wanted = stack.map(|stack| gates.namespaces.in_stack(&stack));
        let wanted = wanted.unwrap_or_default();
        watches.retain(|namespace, _| wanted.contains(namespace));
        for namespace in wanted {
            watches.entry(namespace).or_insert_with_key(|namespace| {
                info!(%namespace, "watching the gates of a namespace");
                let span = info_span!("gates", %namespace);
                let watch = namespace::watch(Arc::clone(&gates), namespace.clone());
                AbortOnDropHandle::new(tokio::spawn(watch.instrument(span)))
            });
        }
        // Both senders live as long as `gates`.
        tokio::select! {
            _ = namespaces.changed() => {}
            _ = rules.changed() => {}
        }
    }
}
