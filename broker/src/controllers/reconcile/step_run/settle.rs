//! The status after some steps: what they found, and how much of the plan remains. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use namesake_api::conditions::Status;
use namesake_api::{Identity, IdentityStatus};

use crate::controllers::reconcile::memory::Memory;
use crate::controllers::reconcile::outcome::StepOutcome;
use crate::google::recorded;
use crate::identity::conditions;
use crate::identity::finding::holds;
use crate::identity::plan::change::Change;
use crate::identity::plan::observed::ServiceAccountState;
use crate::identity::plan::{Desired, Goal, plan};
use crate::identity::progress::progress;

/// Most entries of what an offboarded user still has in the status.
const LEFTOVERS: usize = 20;

/// The remaining changes of the plan, if the status is this.
pub(crate) fn remaining_changes(
    identity: &Identity,
    status: &IdentityStatus,
    memory: &Memory,
    goal: Goal,
    account: ServiceAccountState,
) -> Vec<Change> {
    let desired = Desired::of(&identity.spec).with_goal(goal);
    let observed = memory.observed(identity, status, account);
    plan(&desired, &observed)
}

/// Writes the outcomes of steps into a status. Returns whether anything changed.
pub(crate) fn settle<'a>(
    current: &Identity,
    status: &mut IdentityStatus,
    outcomes: impl Iterator<Item = &'a StepOutcome>,
    memory: &Memory,
    goal: Goal,
    account: ServiceAccountState,
    now: Timestamp,
) -> bool {
    let before = status.clone();
    let (generation, mode) = (current.metadata.generation, current.spec.mode);
    let changes_conditions = !memory.found_no_drift();
    let mut repaired = false;
    for outcome in outcomes {
        record(current, status, outcome, now);
        repaired |= outcome.repaired;
        if changes_conditions {
            conditions::record(status, generation, mode, &outcome.findings, now);
        }
        if let Some(finding) = &outcome.foreign_members {
            let finding = std::slice::from_ref(finding);
            conditions::record(status, generation, mode, finding, now);
        }
    }
    if changes_conditions {
        let remaining = remaining_changes(current, status, memory, goal, account);
        let mut progress = progress(goal, &remaining);
        // A check does not undo a condition that holds unless it has found something missing: the deadline of verifications
        // counts from when it began to hold.
        if memory.checking && !repaired {
            progress.retain(|finding| {
                finding.status == Status::True || !holds(status, generation, finding.condition)
            });
        }
        conditions::record(status, generation, mode, &progress, now);
    }
    *status != before
}

/// Records what a step found, apart from conditions.
fn record(current: &Identity, status: &mut IdentityStatus, outcome: &StepOutcome, now: Timestamp) {
    if let Some(uid) = &outcome.service_account_uid {
        conditions::record_service_account(current, status, uid, now);
        // It was created for a pod.
        status.last_used_time.get_or_insert(Time(now));
    }
    if let Some(id) = &outcome.google_account_id {
        status.google_service_account_id = Some(id.clone());
    }
    if outcome.service_account_deleted {
        status.service_account_uid = None;
    }
    if outcome.google_account_dropped {
        status.google_service_account_id = None;
    }
    if let Some(members) = &outcome.to_record {
        recorded::add(current, status, members);
    }
    recorded::remove(status, &outcome.revoked);
    if let Some(leftovers) = &outcome.leftovers {
        status.left = leftovers.iter().take(LEFTOVERS).cloned().collect();
    }
    if outcome.in_use {
        status.last_used_time = Some(Time(now));
    }
}
