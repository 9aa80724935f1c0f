//! Opens the scheduling gates of pods whose identity works, and fails pods that waited too long. One watch of pods and of managed
//! KSAs for each namespace that opted in.

pub mod decide;
pub mod forecast;
pub mod identity_changes;
mod namespace;
pub mod patience;
pub mod service_accounts;
mod waiting_pods;
mod waiting_status;

use std::collections::HashMap;
use std::sync::Arc;

use futures::channel::mpsc;
use kube::runtime::reflector::ObjectRef;
use parking_lot::Mutex;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, info, info_span};

use crate::controllers::context::Context;
use crate::controllers::gates::forecast::RecentWaits;
use crate::identity::store::PackedIdentity;

/// What the watches of all namespaces share.
pub struct Gates {
    /// What the controllers share.
    pub context: Arc<Context>,
    /// Requests to reconcile an Identity whose KSA has changed.
    pub reconcile_requests: mpsc::UnboundedSender<ObjectRef<PackedIdentity>>,
    /// How long pods waited lately.
    pub waits: Mutex<RecentWaits>,
}

/// Watches all namespaces that have opted in. Ends only when it is dropped; its watches end with it.
pub async fn run(gates: Arc<Gates>) {
    let mut watches: HashMap<String, AbortOnDropHandle<()>> = HashMap::new();
    let context = &gates.context;
    let mut namespaces = context.namespaces.changes();
    let mut rules = context.rules.changes();
    loop {
        let stack = context
            .rules
            .current()
            .map(|rules| rules.stack().to_owned());
        let wanted = stack.map(|stack| context.namespaces.in_stack(&stack));
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
