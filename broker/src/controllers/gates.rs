//! Opens the gates of pods whose identity works, and ends the pods that wait in vain. One watch of pods and of managed KSAs for each namespace that opted in.

mod accounts;
mod changes;
mod decide;
mod end;
mod namespace;
mod waiting;

use std::collections::HashMap;
use std::sync::Arc;

use futures::channel::mpsc;
use kube::Client;
use kube::runtime::reflector::ObjectRef;
use tokio::task::JoinHandle;
use tracing::{Instrument, info, info_span};

pub use accounts::Accounts;
pub use changes::Changes;
pub use decide::{Gated, Verdict, decide};
pub use end::{ENDED, Patience, Waited, ends, is_lasting};

use crate::cluster::events::Events;
use crate::cluster::namespaces::Namespaces;
use crate::identity::store::{Identities, Kept};
use crate::server::config::Config;
use crate::server::metrics::Metrics;
use crate::server::rules::CurrentRules;

/// What the watches of all namespaces share.
pub struct Gates {
    /// The API server, as the broker.
    pub client: Client,
    /// What the broker was told.
    pub config: Config,
    /// The rules in force: they name the stack.
    pub rules: Arc<CurrentRules>,
    /// Namespaces that opted in.
    pub namespaces: Arc<Namespaces>,
    /// Identities of all namespaces.
    pub identities: Identities,
    /// Says which Identity has changed.
    pub changed: Changes,
    /// Is told which managed KSAs there are.
    pub accounts: Arc<Accounts>,
    /// Asks for a reconcile: the KSA of that Identity has changed.
    pub asked: mpsc::UnboundedSender<ObjectRef<Kept>>,
    /// Events on pods.
    pub events: Events,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// Watches every namespace that has opted in, and no other. Ends only when it is dropped; its watches end with it.
pub async fn run(gates: Arc<Gates>) {
    let mut rooms: HashMap<String, Room> = HashMap::new();
    let mut namespaces = gates.namespaces.changes();
    let mut rules = gates.rules.changes();
    loop {
        let stack = gates.rules.current().map(|rules| rules.stack().to_owned());
        let wanted = stack
            .map(|stack| gates.namespaces.of_stack(&stack))
            .unwrap_or_default();
        rooms.retain(|namespace, _| wanted.contains(namespace));
        for namespace in wanted {
            rooms.entry(namespace).or_insert_with_key(|namespace| {
                info!(%namespace, "watching the gates of a namespace");
                let span = info_span!("gates", %namespace);
                let task = namespace::watch(Arc::clone(&gates), namespace.clone()).instrument(span);
                Room(tokio::spawn(task))
            });
        }
        // Both senders live as long as `gates`.
        tokio::select! {
            _ = namespaces.changed() => {}
            _ = rules.changed() => {}
        }
    }
}

/// The watch of one namespace; it ends when this is dropped.
struct Room(JoinHandle<()>);

impl Drop for Room {
    fn drop(&mut self) {
        self.0.abort();
    }
}
