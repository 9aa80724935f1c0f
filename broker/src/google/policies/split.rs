//! After a write of several changes failed: which of them fail, and which are written again in smaller groups.

use namesake_gcp::{Error, Resource};
use tracing::debug;

use super::batch::{PolicyChange, blamed};
use super::organization::{self, AfterRefusal};
use super::{FailedWrite, QueuedChange};

/// Reports the failure to the callers that it is about. Returns the groups to be written again; the last one comes first.
pub(super) fn after_failure(
    resource: &Resource,
    group: Vec<QueuedChange>,
    failed: &FailedWrite,
) -> Vec<Vec<QueuedChange>> {
    let error = &failed.error;
    let groups = if error.refusal().is_some() {
        after_organization_refusal(group, failed)
    } else if is_about_a_change(error) && group.len() > 1 {
        after_refused_change(group, error)
    } else {
        fail(group, error);
        Vec::new()
    };
    debug!(%resource, %error, groups = groups.len(), "a write of a policy failed");
    groups
}

fn after_organization_refusal(
    group: Vec<QueuedChange>,
    failed: &FailedWrite,
) -> Vec<Vec<QueuedChange>> {
    let refusal = failed.error.refusal();
    let next = refusal.map_or(AfterRefusal::Fail, |refusal| {
        organization::after_refusal(&changes(&group), refusal)
    });
    let (refused, groups) = match next {
        AfterRefusal::Fail => (group, Vec::new()),
        AfterRefusal::FailBlamed(blamed) => {
            let (refused, others) = partition(group, blamed);
            (refused, vec![others])
        }
        AfterRefusal::Separate(first) => {
            let (first, others) = partition(group, first);
            (Vec::new(), vec![others, first])
        }
    };
    for queued in refused {
        let error = organization::explain(&failed.error, &failed.before, &queued.change);
        queued.finish(Err(error));
    }
    groups
}

/// Fails the changes that Google names; if it names none, each half of the group is tried.
fn after_refused_change(group: Vec<QueuedChange>, error: &Error) -> Vec<Vec<QueuedChange>> {
    let Some(blamed) = blamed(&changes(&group), &error.failure().message) else {
        let mut first = group;
        let second = first.split_off(first.len() / 2);
        return vec![first, second];
    };
    let (refused, others) = partition(group, blamed);
    fail(refused, error);
    vec![others]
}

/// Whether Google refuses one of the changes, rather than the write as a whole.
const fn is_about_a_change(error: &Error) -> bool {
    matches!(
        error,
        Error::Invalid(_) | Error::NotYetVisible(_) | Error::PoolMissing(_)
    )
}

fn fail(group: Vec<QueuedChange>, error: &Error) {
    for queued in group {
        queued.finish(Err(error.clone()));
    }
}

fn changes(group: &[QueuedChange]) -> Vec<&PolicyChange> {
    group.iter().map(|queued| &queued.change).collect()
}

fn partition(
    group: Vec<QueuedChange>,
    marked: Vec<bool>,
) -> (Vec<QueuedChange>, Vec<QueuedChange>) {
    let mut marked = marked.into_iter();
    group
        .into_iter()
        .partition(|_| marked.next().unwrap_or_default())
}
