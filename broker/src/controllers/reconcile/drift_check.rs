//! When a working identity is next checked for drift.

use std::time::Duration;

use kube::ResourceExt;
use namesake_api::{Identity, IdentitySpec};
use tokio::time::Instant;

use super::memory::Memory;
use crate::controllers::context::Context;
use crate::google::drift_budget;
use crate::google::recorded;
use crate::server::config::Timings;

/// Schedules the next drift check, and starts it if it is due and within the budget. Returns when to reconcile again: within
/// `resync` in any case, because phases depend on the time.
pub(super) fn schedule(identity: &Identity, context: &Context, memory: &mut Memory) -> Duration {
    let timings = &context.config.timings;
    let reads = reads(&identity.spec);
    let known = context.identities.len();
    let budget = &context.drift_budget;
    let period = drift_budget::period(timings.resync, known, reads, budget.reads_per_minute());
    // After a start the first checks are spread over the period; later each identity is checked periodically.
    let next = if memory.checking {
        period
    } else {
        Timings::first_check(period, &identity.uid().unwrap_or_default())
    };
    // What could not be revoked is tried again sooner.
    let status = identity.status.as_ref();
    let has_stale = status.is_some_and(|status| !recorded::stale(identity, status).is_empty());
    memory.finish(if has_stale {
        next.min(timings.refused)
    } else {
        next
    });
    let now = Instant::now();
    let due = memory.next_check.filter(|due| *due > now);
    let mut wait = due.map_or(Duration::ZERO, |due| due - now);
    if wait.is_zero() && !memory.check_reserved {
        wait = budget.reserve(reads, now);
        memory.reserve_check(wait);
    }
    if wait.is_zero() {
        memory.start_check();
    }
    wait.clamp(Duration::from_millis(1), timings.resync)
}

/// Reads of Google in one check: the GSA and its policy, at most one policy for each grant, and a verification, which takes a
/// token and a test for each grant.
fn reads(spec: &IdentitySpec) -> u32 {
    let grants = u32::try_from(spec.grants.len()).unwrap_or(u32::MAX);
    grants.saturating_mul(2).saturating_add(3)
}
