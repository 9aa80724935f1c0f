//! One writer for each policy. Changes that come while it writes wait, and go together into the next write; everybody
//! learns what became of their own. A change that Google refuses does not take the others with it.

mod batch;
mod blame;
mod pace;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use namesake_gcp::{Edit, Error, Failure, Gcp, Policy, Resource, WriteOptions};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

pub use batch::Room;
use batch::{Change, Verdict, apply, split};
use blame::Next;
use pace::Pace;
pub use pace::Spacing;

/// A policy of which less than this share is used is not worth remembering.
const REMEMBERED: usize = 20;

/// What became of a change.
#[derive(Clone, Debug)]
pub struct Written {
    /// Whether the policy was otherwise before.
    pub changed: bool,
    /// The policy as it is now.
    pub policy: Arc<Policy>,
}

/// How full a policy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Members, each occurrence counted.
    pub principals: usize,
    /// Bytes, as JSON.
    pub bytes: usize,
}

/// Writes policies. Cheap to clone.
#[derive(Clone)]
pub struct Policies(Arc<Inner>);

struct Inner {
    gcp: Gcp,
    spacing: Spacing,
    room: Room,
    queues: Mutex<HashMap<Resource, Vec<Waiting>>>,
    sizes: Mutex<HashMap<Resource, Size>>,
}

/// A change, and who wants to know what became of it.
struct Waiting {
    change: Change,
    answer: oneshot::Sender<Result<Written, Error>>,
}

impl Policies {
    /// A writer that has written nothing yet.
    #[must_use]
    pub fn new(gcp: Gcp, spacing: Spacing, room: Room) -> Self {
        Self(Arc::new(Inner {
            gcp,
            spacing,
            room,
            queues: Mutex::default(),
            sizes: Mutex::default(),
        }))
    }

    /// Makes these changes of one policy, all or none. Whoever stops waiting gives up the answer, not the change.
    ///
    /// # Errors
    /// `PolicyFull` when the policy has no room for it; what Google says to this change, or to all that were in its write.
    pub async fn change(&self, resource: &Resource, edits: Vec<Edit>) -> Result<Written, Error> {
        let change = Change {
            edits,
            confirmed: false,
        };
        self.make(resource, change).await
    }

    /// As [`Policies::change`], for what is forgotten afterwards: written even when the policy is read as being so already.
    ///
    /// # Errors
    /// As [`Policies::change`].
    pub async fn confirm(&self, resource: &Resource, edits: Vec<Edit>) -> Result<Written, Error> {
        let change = Change {
            edits,
            confirmed: true,
        };
        self.make(resource, change).await
    }

    async fn make(&self, resource: &Resource, change: Change) -> Result<Written, Error> {
        let (answer, outcome) = oneshot::channel();
        let waiting = Waiting { change, answer };
        if self.queue(resource, waiting) {
            tokio::spawn(Arc::clone(&self.0).work(resource.clone()));
        }
        outcome.await.unwrap_or_else(|_| {
            Err(Error::Unavailable(Failure {
                what: format!("change the policy of {resource}"),
                message: "the broker is stopping".to_owned(),
            }))
        })
    }

    /// Policies that fill up, as they were when they were last written or read here.
    #[must_use]
    pub fn sizes(&self) -> Vec<(Resource, Size)> {
        let sizes = lock(&self.0.sizes);
        let mut all: Vec<_> = sizes.iter().map(|(r, size)| (r.clone(), *size)).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// What a policy may hold.
    #[must_use]
    pub fn room(&self) -> Room {
        self.0.room
    }

    /// Puts it into the queue; true for the first, whose caller starts the writer.
    fn queue(&self, resource: &Resource, waiting: Waiting) -> bool {
        let mut queues = lock(&self.0.queues);
        if let Some(queue) = queues.get_mut(resource) {
            queue.push(waiting);
            return false;
        }
        queues.insert(resource.clone(), vec![waiting]);
        true
    }
}

impl Inner {
    /// Writes whatever waits, until nothing does and the pause after the last write is over.
    async fn work(self: Arc<Self>, resource: Resource) {
        let mut pace = Pace::of(&resource, self.spacing);
        loop {
            sleep_until(pace.next()).await;
            let Some(waiting) = self.take(&resource) else {
                return;
            };
            pace.begins(waiting.len());
            self.settle(&resource, waiting, &mut pace).await;
        }
    }

    /// All that waits; nothing, and the queue is gone, when nobody does.
    fn take(&self, resource: &Resource) -> Option<Vec<Waiting>> {
        let mut queues = lock(&self.queues);
        let waiting = std::mem::take(queues.get_mut(resource)?);
        if waiting.is_empty() {
            queues.remove(resource);
            return None;
        }
        Some(waiting)
    }

    /// One write for all; more only when Google refuses one of them.
    async fn settle(&self, resource: &Resource, all: Vec<Waiting>, pace: &mut Pace) {
        let mut groups = vec![all];
        while let Some(group) = groups.pop() {
            if group.is_empty() {
                continue;
            }
            sleep_until(pace.earliest()).await;
            let written = self.write(resource, &group).await;
            pace.wrote(Instant::now());
            match written {
                Ok((policy, verdicts)) => self.tell(resource, &policy, group, verdicts),
                Err(Failed { error, before }) if error.refusal().is_some() => {
                    let others = refused(group, &error, &before);
                    debug!(%resource, %error, others = others.len(), "the organization refuses a write of a policy");
                    groups.extend(others);
                }
                Err(Failed { error, .. }) if is_refusal(&error) && group.len() > 1 => {
                    let (refused, others) = divide(group, &error);
                    debug!(%resource, %error, refused = refused.len(), "a change was refused: the others go on");
                    match others {
                        Others::One(rest) => {
                            fail(refused, &error);
                            groups.push(rest);
                        }
                        Others::Halves(other) => groups.extend([refused, other]),
                    }
                }
                Err(Failed { error, .. }) => fail(group, &error),
            }
        }
    }

    async fn write(
        &self,
        resource: &Resource,
        group: &[Waiting],
    ) -> Result<(Policy, Vec<Verdict>), Failed> {
        let changes: Vec<&Change> = group.iter().map(|waiting| &waiting.change).collect();
        let (verdicts, before) = (Mutex::new(Vec::new()), Mutex::new(Policy::default()));
        let change = |policy: &mut Policy| {
            lock(&before).clone_from(policy);
            *lock(&verdicts) = apply(policy, &changes, self.room);
        };
        let options = WriteOptions {
            // Nothing is made to take something away from it.
            create_folder: changes.iter().any(|change| change.adds()),
            always_write: changes.iter().any(|change| change.confirmed),
        };
        let written = self.gcp.modify_policy_with(options, resource, change).await;
        let verdicts = verdicts.into_inner();
        let before = before.into_inner();
        match written {
            Ok(policy) => Ok((policy, verdicts.unwrap_or_else(PoisonError::into_inner))),
            Err(error) => Err(Failed {
                error,
                before: before.unwrap_or_else(PoisonError::into_inner),
            }),
        }
    }

    fn tell(
        &self,
        resource: &Resource,
        policy: &Policy,
        group: Vec<Waiting>,
        verdicts: Vec<Verdict>,
    ) {
        self.remember(resource, policy);
        let policy = Arc::new(policy.clone());
        for (waiting, verdict) in group.into_iter().zip(verdicts) {
            let answer = match verdict {
                Verdict::Full(message) => Err(Error::PolicyFull(Failure {
                    what: format!("change the policy of {resource}"),
                    message,
                })),
                changed => Ok(Written {
                    changed: changed == Verdict::Changed,
                    policy: Arc::clone(&policy),
                }),
            };
            // Whoever does not wait any more does not want to know.
            let _ = waiting.answer.send(answer);
        }
    }

    fn remember(&self, resource: &Resource, policy: &Policy) {
        let size = Size {
            principals: policy.member_count(),
            bytes: policy.bytes(),
        };
        let mut sizes = lock(&self.sizes);
        if self.room.share(size) * REMEMBERED < 100 {
            sizes.remove(resource);
        } else {
            sizes.insert(resource.clone(), size);
        }
    }
}

/// A write that failed, and the policy as it was read for it.
struct Failed {
    error: Error,
    before: Policy,
}

/// Tells those whom the organization refuses, and gives back the groups that are to be written now.
fn refused(group: Vec<Waiting>, error: &Error, before: &Policy) -> Vec<Vec<Waiting>> {
    let changes: Vec<&Change> = group.iter().map(|waiting| &waiting.change).collect();
    let next = error
        .refusal()
        .map_or(Next::Nothing, |refusal| blame::next(&changes, refusal));
    let (failed, others) = match next {
        Next::Nothing => (group, Vec::new()),
        Next::Without(blamed) => {
            let (failed, others) = parted(group, blamed);
            (failed, vec![others])
        }
        Next::Apart(first) => {
            let (first, others) = parted(group, first);
            (Vec::new(), vec![others, first])
        }
    };
    for waiting in failed {
        let error = blame::explain(error, before, &waiting.change);
        let _ = waiting.answer.send(Err(error));
    }
    others
}

fn parted(group: Vec<Waiting>, marked: Vec<bool>) -> (Vec<Waiting>, Vec<Waiting>) {
    let mut marked = marked.into_iter();
    group
        .into_iter()
        .partition(|_| marked.next().unwrap_or_default())
}

/// What is left after a refusal: those that it is not about, or one of two halves.
enum Others {
    One(Vec<Waiting>),
    Halves(Vec<Waiting>),
}

fn divide(group: Vec<Waiting>, error: &Error) -> (Vec<Waiting>, Others) {
    let changes: Vec<&Change> = group.iter().map(|waiting| &waiting.change).collect();
    let blamed = split(&changes, &error.failure().message);
    let Some(blamed) = blamed else {
        let mut first = group;
        let second = first.split_off(first.len() / 2);
        return (first, Others::Halves(second));
    };
    let (refused, others) = parted(group, blamed);
    (refused, Others::One(others))
}

fn fail(group: Vec<Waiting>, error: &Error) {
    for waiting in group {
        let _ = waiting.answer.send(Err(error.clone()));
    }
}

/// Whether Google refuses what is to be written, and not the write.
const fn is_refusal(error: &Error) -> bool {
    matches!(
        error,
        Error::Invalid(_) | Error::NotYetVisible(_) | Error::PoolMissing(_)
    )
}

// Never held across an await. A panic elsewhere leaves nothing half-done in here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
