//! The identity controller: brings the cluster and Google in line with each Identity, one bounded step at a time. Every step can be
//! repeated, and a restart loses nothing: status and Google show where to go on.

mod advance;
mod cleanup;
mod drift_check;
pub(super) mod memories;
mod memory;
mod outcome;
mod phase_change;
pub(crate) mod step;
mod step_run;
mod write;

use std::sync::Arc;

use futures::channel::mpsc;
use futures::{FutureExt, Stream, StreamExt};
use kube::runtime::applier;
use kube::runtime::controller::{self, Action, ReconcileRequest};
use kube::runtime::finalizer::{self, finalizer};
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};
use namesake_api::Identity;
use namesake_api::names::FINALIZER;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, warn};

use crate::cluster::requests::namespace_and_name;
use crate::controllers::context::Context;
use crate::identity::store::{IdentityChange, PackedIdentity, requests};

/// Identities that are reconciled at the same time. Most of them wait for their turn at Google, or for a write of a policy that they
/// share: with fewer, such a write would carry fewer changes.
const CONCURRENCY: u16 = 512;

/// Why a reconcile failed. It is tried again.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// A step, or a write of the status, failed for the reason that the message gives.
    #[error("{0}")]
    Step(String),
    /// The finalizer could not be added or removed, or what it guards failed.
    #[error(transparent)]
    Finalizer(#[from] Box<finalizer::Error<ReconcileError>>),
}

type Result<T, E = ReconcileError> = std::result::Result<T, E>;

/// Brings one Identity closer to its goal.
///
/// # Errors
/// When the API server refuses, or a deletion cannot be finished yet.
pub async fn reconcile(packed: Arc<PackedIdentity>, context: Arc<Context>) -> Result<Action> {
    let Some(identity) = packed.unpack() else {
        return Ok(Action::await_change());
    };
    let (namespace, name) = namespace_and_name(&identity);
    context.changes.notify(&namespace, &name);
    let Some(rules) = context.rules.current() else {
        return Ok(Action::requeue(context.config.timings.retry.1));
    };
    if rules.stack() != identity.spec.stack {
        return Ok(Action::await_change());
    }
    let is_at_rest = identity.is_ready();
    let work = apply_or_clean_up(identity, context);
    if is_at_rest {
        return work.await;
    }
    in_own_task(work).await
}

async fn apply_or_clean_up(identity: Identity, context: Arc<Context>) -> Result<Action> {
    let namespace = identity.namespace().unwrap_or_default();
    let api: Api<Identity> = Api::namespaced(context.client.clone(), &namespace);
    let done = finalizer(&api, FINALIZER, Arc::new(identity), |event| async {
        match event {
            finalizer::Event::Apply(identity) => advance::apply(&identity, &context).await,
            finalizer::Event::Cleanup(identity) => cleanup::cleanup(&identity, &context).await,
        }
    });
    done.await
        .map_err(|error| ReconcileError::Finalizer(Box::new(error)))
}

/// Runs a reconcile as a task, which is aborted when nobody waits for it any more. Otherwise the controller would poll hundreds of
/// reconciles whenever one of them can go on.
async fn in_own_task(
    work: impl Future<Output = Result<Action>> + Send + 'static,
) -> Result<Action> {
    let task = AbortOnDropHandle::new(tokio::spawn(work.in_current_span()));
    match task.await {
        Ok(done) => done,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Backs off after each failure of the same Identity.
fn error_policy(identity: &Identity, error: &ReconcileError, context: &Context) -> Action {
    let mut memory = context.memories.get(identity);
    memory.failures = memory.failures.saturating_add(1);
    let uid = identity.uid().unwrap_or_default();
    let wait = context.config.timings.backoff(memory.failures, &uid);
    context.memories.put(identity, memory);
    let (namespace, name) = namespace_and_name(identity);
    warn!(%error, %name, %namespace, wait_ms = wait.as_millis(), "reconcile failed");
    Action::requeue(wait)
}

/// All Identities, each time that the rules change.
fn on_rules_change(context: &Context) -> impl Stream<Item = IdentityChange> + Send + 'static {
    futures::stream::unfold(context.rules.changes(), |mut changes| async move {
        changes.changed().await.ok()?;
        Some((IdentityChange::All, changes))
    })
}

/// Reconciles until `shutdown`: all existing Identities, those that change, and those that others request.
pub async fn run(
    context: Arc<Context>,
    changes: impl Stream<Item = IdentityChange> + Send + 'static,
    requested: mpsc::UnboundedReceiver<ObjectRef<PackedIdentity>>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let changes = futures::stream::select(changes, on_rules_change(&context));
    let changed = requests(context.identities.clone(), changes);
    let requested = requested.map(|object| Ok(ReconcileRequest::from(object)));
    let queue =
        futures::stream::select(changed.boxed(), requested.boxed()).take_until(shutdown.boxed());
    let config = controller::Config::default().concurrency(CONCURRENCY);
    let policy = |packed: Arc<PackedIdentity>, error: &ReconcileError, context: Arc<Context>| {
        packed
            .unpack()
            .map_or_else(Action::await_change, |identity| {
                error_policy(&identity, error, &context)
            })
    };
    let reconciler = |packed, context| reconcile(packed, context).boxed();
    let store = context.identities.store();
    applier(reconciler, policy, context, store, queue, config)
        .for_each(|result| async move {
            match result {
                // The Identity was deleted meanwhile, or `error_policy` has logged the error.
                Ok(_)
                | Err(
                    controller::Error::ObjectNotFound(_) | controller::Error::ReconcilerFailed(..),
                ) => {}
                Err(error) => warn!(%error, "the queue of Identities failed"),
            }
        })
        .await;
}

#[cfg(test)]
mod tests;
