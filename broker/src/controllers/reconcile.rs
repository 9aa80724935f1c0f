//! The identity controller: brings the cluster and Google in line with each Identity, one bounded step at a time. Every step
//! is repeatable, and nothing is remembered that a restart would miss: `status` and Google say where to go on.

mod advance;
mod allowed;
mod cleanup;
mod google;
mod leave;
mod leftovers;
mod memory;
mod phase_change;
mod run_step;
mod step;

use std::sync::Arc;

use futures::channel::mpsc;
use futures::{FutureExt, Stream, StreamExt};
use jiff::Timestamp;
use kube::runtime::applier;
use kube::runtime::controller::{self, Action, ReconcileRequest};
use kube::runtime::finalizer::{self, finalizer};
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Client, ResourceExt};
use namesake_api::Identity;
use namesake_api::names::FINALIZER;
use namesake_gcp::Gcp;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, warn};

use crate::cluster::cluster_id::Place;
use crate::cluster::events::Events;
use crate::cluster::namespaces::Namespaces;
use crate::controllers::gates::{Accounts, Changes};
use crate::controllers::quota::Quota;
use crate::google::drift_budget::{Looks, shares};
use crate::google::policies::Policies;
use crate::google::precheck::buckets::Buckets;
use crate::google::precheck::rights::Rights;
use crate::google::refused::RefusedCreations;
use crate::google::verify::Proofs;
use crate::identity::conditions;
use crate::identity::store::{Identities, Kept, Touched, requests};
use crate::server::config::Config;
use crate::server::metrics::Metrics;
use crate::server::rules::CurrentRules;
pub(crate) use leave::take_down;
use memory::Memories;

/// Identities that are worked on at the same time. Most of them wait for their turn at Google, or for one write of a policy that
/// they share: fewer would leave that write half empty.
const CONCURRENCY: u16 = 512;

/// What reconciles share.
pub struct Context {
    /// The API server, as the broker.
    pub client: Client,
    /// Google.
    pub gcp: Gcp,
    /// What the broker was told.
    pub config: Config,
    /// The rules in force.
    pub rules: Arc<CurrentRules>,
    /// The namespaces that opted in.
    pub namespaces: Arc<Namespaces>,
    /// Events on Identities.
    pub events: Events,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Tells the gates which Identity has changed.
    pub changed: Changes,
    /// Managed KSAs, as the gates' watches show them.
    pub accounts: Arc<Accounts>,
    /// The one writer of each policy.
    pub policies: Policies,
    /// What is known about the accounts of each project.
    pub quota: Arc<Quota>,
    /// Which cluster this is.
    pub place: Arc<Place>,
    proofs: Proofs,
    buckets: Buckets,
    rights: Rights,
    refused_creations: RefusedCreations,
    looks: Looks,
    /// Turns for pages of accounts.
    pub listings: Arc<Looks>,
    memories: Memories,
}

impl Context {
    /// A context that remembers nothing yet.
    #[must_use]
    pub fn new(
        client: Client,
        gcp: &Gcp,
        config: Config,
        rules: Arc<CurrentRules>,
        namespaces: Arc<Namespaces>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let events = Events::new(client.clone());
        // One bounded step at a time: what takes longer is tried again, with a reason in the condition.
        let gcp = gcp.within(config.timings.step / 3);
        let (looks, listings) = shares(config.look_reads_per_minute);
        let proofs = Proofs::new(config.proofs_at_once, Arc::clone(&metrics));
        Self {
            policies: Policies::new(gcp.clone(), config.timings.policies, config.policy_room),
            quota: Arc::new(Quota::asking_again_in(config.timings.count)),
            gcp,
            client,
            config,
            rules,
            namespaces,
            events,
            metrics,
            changed: Changes::default(),
            accounts: Arc::default(),
            place: Arc::default(),
            proofs,
            buckets: Buckets::default(),
            rights: Rights::default(),
            refused_creations: RefusedCreations::default(),
            looks: Looks::per_minute(looks),
            listings: Arc::new(Looks::per_minute(listings)),
            memories: Memories::default(),
        }
    }

    /// Whether the rules still make this identity.
    fn is_wanted(&self, identity: &Identity) -> bool {
        let rules = self.rules.current();
        rules.is_none_or(|rules| crate::identity::derive::again(&rules, identity).is_ok())
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.config.clock)()
    }
}

/// Why a reconcile is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server did not do what it was asked.
    #[error("the API server did not take {what}: {source}")]
    Kube {
        /// What was asked.
        what: &'static str,
        /// Its answer.
        source: kube::Error,
    },
    /// Something at Google is still there.
    #[error("{0}")]
    Google(String),
    /// The finalizer could not be put on or taken off, or what it stands for failed.
    #[error(transparent)]
    Finalizer(#[from] Box<finalizer::Error<Error>>),
}

/// Brings one Identity a step further.
///
/// # Errors
/// When the API server refuses, or a deletion cannot be finished yet.
pub async fn reconcile(kept: Arc<Kept>, context: Arc<Context>) -> Result<Action, Error> {
    let Some(identity) = kept.unpack() else {
        return Ok(Action::await_change());
    };
    let namespace = identity.namespace().unwrap_or_default();
    context.changed.tell(&namespace, &identity.name_any());
    let Some(rules) = context.rules.current() else {
        return Ok(Action::requeue(context.config.timings.retry.1));
    };
    if rules.stack() != identity.spec.stack {
        return Ok(Action::await_change());
    }
    let at_rest = conditions::works(&identity);
    let work = finalized(identity, context);
    if at_rest {
        return work.await;
    }
    on_its_own(work).await
}

async fn finalized(identity: Identity, context: Arc<Context>) -> Result<Action, Error> {
    let namespace = identity.namespace().unwrap_or_default();
    let api: Api<Identity> = Api::namespaced(context.client.clone(), &namespace);
    let done = finalizer(&api, FINALIZER, Arc::new(identity), |event| async {
        match event {
            finalizer::Event::Apply(identity) => advance::apply(&identity, &context).await,
            finalizer::Event::Cleanup(identity) => cleanup::cleanup(&identity, &context).await,
        }
    });
    done.await
        .map_err(|error| Error::Finalizer(Box::new(error)))
}

/// A reconcile as a task, which ends when nobody waits for it any more. The controller polls all that are under way whenever one
/// can go on: hundreds of newcomers' would be entered each time.
async fn on_its_own(
    work: impl Future<Output = Result<Action, Error>> + Send + 'static,
) -> Result<Action, Error> {
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

/// Waits longer after each failure of the same Identity.
fn error_policy(identity: &Identity, error: &Error, context: &Context) -> Action {
    let mut memory = context.memories.of(identity);
    memory.failures = memory.failures.saturating_add(1);
    let wait = context
        .config
        .timings
        .backoff(memory.failures, &identity.uid().unwrap_or_default());
    context.memories.keep(identity, memory);
    let (name, namespace) = (
        identity.name_any(),
        identity.namespace().unwrap_or_default(),
    );
    warn!(%error, %name, %namespace, wait_ms = wait.as_millis(), "reconcile failed");
    Action::requeue(wait)
}

/// Every Identity, each time that the rules change: they say what it is.
fn on_rules(context: &Context) -> impl Stream<Item = Touched> + Send + 'static {
    futures::stream::unfold(context.rules.changes(), |mut changes| async move {
        changes.changed().await.ok()?;
        Some((Touched::All, changes))
    })
}

/// Reconciles until `shutdown`: all that are there, what `touched` says has changed, and what others ask for through `asked`.
pub async fn run(
    context: Arc<Context>,
    identities: Identities,
    touched: impl Stream<Item = Touched> + Send + 'static,
    asked: mpsc::UnboundedReceiver<ObjectRef<Kept>>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let touched = futures::stream::select(touched, on_rules(&context));
    let watched = requests(identities.clone(), touched);
    let asked = asked.map(|object| Ok(ReconcileRequest::from(object)));
    let queue =
        futures::stream::select(watched.boxed(), asked.boxed()).take_until(shutdown.boxed());
    let config = controller::Config::default().concurrency(CONCURRENCY);
    let policy = |kept: Arc<Kept>, error: &Error, context: Arc<Context>| match kept.unpack() {
        Some(identity) => error_policy(&identity, error, &context),
        None => Action::await_change(),
    };
    let reconciler = |kept, context| reconcile(kept, context).boxed();
    let store = identities.store();
    applier(reconciler, policy, context, store, queue, config)
        .for_each(|result| async move {
            match result {
                // Deleted between the request and the reconcile; or already said by `error_policy`.
                Ok(_)
                | Err(
                    controller::Error::ObjectNotFound(_) | controller::Error::ReconcilerFailed(..),
                ) => {}
                Err(error) => warn!(%error, "the watch of Identities broke and is started again"),
            }
        })
        .await;
}

#[cfg(test)]
mod tests;
