//! The one writer of each policy. Changes that arrive during a write wait and share the next one; each caller gets the outcome of
//! its own change. A change that Google refuses does not fail the others.

mod batch;
mod organization;
mod schedule;
mod split;

use std::collections::HashMap;
use std::sync::Arc;

use namesake_gcp::{Edit, Error, Failure, Gcp, Policy, Resource, WriteOptions};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use batch::{ChangeResult, PolicyChange, apply};
use schedule::WriteSchedule;

pub use batch::{PolicyLimits, PolicySize};
pub use schedule::WriteSpacing;

/// The size of a policy is remembered from this share of its limits on, in per cent.
const REMEMBERED_PERCENT: usize = 5;

/// The outcome of a change.
#[derive(Clone, Debug)]
pub struct Written {
    /// Whether the policy was different before.
    pub changed: bool,
    /// The policy after the write.
    pub policy: Arc<Policy>,
}

/// Writes policies. Cheap to clone.
#[derive(Clone)]
pub struct Policies(Arc<Writer>);

struct Writer {
    gcp: Gcp,
    spacing: WriteSpacing,
    limits: PolicyLimits,
    queues: Mutex<HashMap<Resource, Vec<QueuedChange>>>,
    sizes: Mutex<HashMap<Resource, PolicySize>>,
}

/// A change, and the caller that waits for its outcome.
struct QueuedChange {
    change: PolicyChange,
    outcome: oneshot::Sender<Result<Written, Error>>,
}

impl QueuedChange {
    fn finish(self, outcome: Result<Written, Error>) {
        // An error means that the caller has stopped waiting.
        let _ = self.outcome.send(outcome);
    }
}

/// A write that failed, and the policy that was read for it.
struct FailedWrite {
    error: Error,
    before: Policy,
}

impl Policies {
    /// A writer that has written nothing yet.
    #[must_use]
    pub fn new(gcp: Gcp, spacing: WriteSpacing, limits: PolicyLimits) -> Self {
        Self(Arc::new(Writer {
            gcp,
            spacing,
            limits,
            queues: Mutex::default(),
            sizes: Mutex::default(),
        }))
    }

    /// Makes all or none of these edits of one policy. A caller that stops waiting does not cancel the change.
    ///
    /// # Errors
    /// `PolicyFull` when the policy has no room for it; Google's error for this change, or for the write that it was part of.
    pub async fn change(&self, resource: &Resource, edits: Vec<Edit>) -> Result<Written, Error> {
        self.change_confirmed(resource, edits, false).await
    }

    /// As [`Policies::change`]; if `confirmed`, it writes even if the policy seems to be right already, because the record of it is
    /// removed afterwards.
    ///
    /// # Errors
    /// As [`Policies::change`].
    pub async fn change_confirmed(
        &self,
        resource: &Resource,
        edits: Vec<Edit>,
        confirmed: bool,
    ) -> Result<Written, Error> {
        let (sender, outcome) = oneshot::channel();
        let queued = QueuedChange {
            change: PolicyChange { edits, confirmed },
            outcome: sender,
        };
        if self.0.push(resource, queued) {
            tokio::spawn(Arc::clone(&self.0).write_queued(resource.clone()));
        }
        outcome.await.unwrap_or_else(|_| {
            Err(Error::Unavailable(Failure {
                what: format!("change the policy of {resource}"),
                message: "the broker is shutting down".to_owned(),
            }))
        })
    }

    /// Policies that fill up, with the size that they had when they were last written.
    #[must_use]
    pub fn sizes(&self) -> Vec<(Resource, PolicySize)> {
        let sizes = self.0.sizes.lock();
        let mut all: Vec<_> = sizes.iter().map(|(r, size)| (r.clone(), *size)).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// Largest size of a policy.
    #[must_use]
    pub fn limits(&self) -> PolicyLimits {
        self.0.limits
    }
}

impl Writer {
    /// Queues a change. True if no task writes this policy: then the caller starts one.
    fn push(&self, resource: &Resource, change: QueuedChange) -> bool {
        let mut queues = self.queues.lock();
        if let Some(queue) = queues.get_mut(resource) {
            queue.push(change);
            return false;
        }
        queues.insert(resource.clone(), vec![change]);
        true
    }

    /// Writes what is queued, until the queue is empty after the pause that follows a write.
    async fn write_queued(self: Arc<Self>, resource: Resource) {
        let mut schedule = WriteSchedule::new(&resource, self.spacing);
        loop {
            sleep_until(schedule.next()).await;
            let Some(changes) = self.take(&resource) else {
                return;
            };
            schedule.begin(changes.len());
            self.write_all(&resource, changes, &mut schedule).await;
        }
    }

    /// All queued changes. `None`, and the queue is removed, if there are none.
    fn take(&self, resource: &Resource) -> Option<Vec<QueuedChange>> {
        let mut queues = self.queues.lock();
        let changes = std::mem::take(queues.get_mut(resource)?);
        if changes.is_empty() {
            queues.remove(resource);
            return None;
        }
        Some(changes)
    }

    /// One write for all changes; more only if Google refuses some of them.
    async fn write_all(
        &self,
        resource: &Resource,
        all: Vec<QueuedChange>,
        schedule: &mut WriteSchedule,
    ) {
        let mut groups = vec![all];
        while let Some(group) = groups.pop() {
            if group.is_empty() {
                continue;
            }
            sleep_until(schedule.earliest()).await;
            let written = self.write(resource, &group).await;
            schedule.wrote(Instant::now());
            match written {
                Ok((policy, results)) => self.finish(resource, policy, group, results),
                Err(failed) => groups.extend(split::after_failure(resource, group, &failed)),
            }
        }
    }

    async fn write(
        &self,
        resource: &Resource,
        group: &[QueuedChange],
    ) -> Result<(Policy, Vec<ChangeResult>), FailedWrite> {
        let changes: Vec<&PolicyChange> = group.iter().map(|queued| &queued.change).collect();
        let (results, before) = (Mutex::new(Vec::new()), Mutex::new(Policy::default()));
        let change = |policy: &mut Policy| {
            before.lock().clone_from(policy);
            *results.lock() = apply(policy, &changes, self.limits);
        };
        let options = WriteOptions {
            // A managed folder is not created in order to remove something from it.
            create_folder: changes.iter().any(|change| change.adds()),
            always_write: changes.iter().any(|change| change.confirmed),
        };
        match self.gcp.modify_policy_with(options, resource, change).await {
            Ok(policy) => Ok((policy, results.into_inner())),
            Err(error) => Err(FailedWrite {
                error,
                before: before.into_inner(),
            }),
        }
    }

    fn finish(
        &self,
        resource: &Resource,
        policy: Policy,
        group: Vec<QueuedChange>,
        results: Vec<ChangeResult>,
    ) {
        self.remember_size(resource, &policy);
        let policy = Arc::new(policy);
        for (queued, result) in group.into_iter().zip(results) {
            queued.finish(match result {
                Ok(changed) => Ok(Written {
                    changed,
                    policy: Arc::clone(&policy),
                }),
                Err(message) => Err(Error::PolicyFull(Failure {
                    what: format!("change the policy of {resource}"),
                    message,
                })),
            });
        }
    }

    fn remember_size(&self, resource: &Resource, policy: &Policy) {
        let size = PolicySize::of(policy);
        let mut sizes = self.sizes.lock();
        if self.limits.percent(size) < REMEMBERED_PERCENT {
            sizes.remove(resource);
        } else {
            sizes.insert(resource.clone(), size);
        }
    }
}

#[cfg(test)]
mod tests;
