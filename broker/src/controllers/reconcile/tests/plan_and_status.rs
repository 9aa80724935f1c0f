//! Plan, step, status, plan again: without Google and without a cluster.

use jiff::Timestamp;
use namesake_api::names::READY;
use namesake_api::{IdentityStatus, conditions};

use super::*;
use crate::controllers::reconcile::memory::Memory;
use crate::controllers::reconcile::step_run::settle::settle;
use crate::identity::plan::change::Change;
use crate::identity::plan::observed::{Observed, ServiceAccountState};
use crate::identity::plan::{Goal, VERIFICATIONS, plan};

/// An identity, the broker's memory of it, and its KSA.
struct Progress {
    identity: Identity,
    memory: Memory,
    account: ServiceAccountState,
}

impl Progress {
    fn new() -> Self {
        Self {
            identity: fixtures::identity(),
            memory: Memory::default(),
            account: ServiceAccountState::Absent,
        }
    }

    fn observed(&self) -> Observed {
        let status = self.identity.status.clone().unwrap_or_default();
        self.memory.observed(&self.identity, &status, self.account)
    }

    fn next(&self) -> Option<Change> {
        plan(&Desired::of(&self.identity.spec), &self.observed())
            .into_iter()
            .next()
    }

    /// Executes the next step, which succeeds.
    fn step(&mut self, repaired: bool) -> Option<Change> {
        let change = self.next()?;
        let mut done = StepOutcome {
            repaired,
            ..StepOutcome::default()
        };
        if change.is_in_cluster() {
            self.account = ServiceAccountState::Right;
            done.service_account = Some(ServiceAccountState::Right);
            done.service_account_uid = Some("u-1".into());
        }
        if matches!(change, Change::EnsureGoogleAccount | Change::Record) {
            done.to_record = Some(members(&self.identity));
        }
        self.memory.step_succeeded(&change, repaired);
        let mut status = self.identity.status.clone().unwrap_or_default();
        let now = Timestamp::UNIX_EPOCH;
        settle(
            &self.identity,
            &mut status,
            std::iter::once(&done),
            &self.memory,
            Goal::Serve,
            self.account,
            now,
        );
        self.identity.status = Some(status);
        Some(change)
    }

    fn finish(&mut self) -> Vec<Change> {
        std::iter::from_fn(|| self.step(false)).take(100).collect()
    }

    fn ready(&self) -> bool {
        self.identity.is_ready()
    }

    fn status(&mut self) -> &mut IdentityStatus {
        self.identity.status.get_or_insert_default()
    }
}

#[test]
fn an_identity_is_ready_only_after_its_last_verification() {
    let mut progress = Progress::new();
    while let Some(change) = progress.step(false) {
        let last = progress.next().is_none();
        assert_eq!(progress.ready(), last, "after {change:?}");
    }
    assert!(progress.ready());
}

#[test]
fn a_restart_after_any_step_ends_in_the_same_state() {
    let steps = Progress::new().finish().len();
    let mut straight = Progress::new();
    straight.finish();
    for crash in 0..steps {
        let mut progress = Progress::new();
        for _ in 0..crash {
            progress.step(false);
        }
        progress.memory = Memory::default();
        progress.finish();
        assert!(progress.ready(), "crash after step {crash}");
        assert_eq!(
            progress.identity.status, straight.identity.status,
            "crash after step {crash}"
        );
    }
}

#[test]
fn verifications_of_one_service_account_do_not_count_for_the_next() {
    let mut progress = Progress::new();
    progress.finish();
    progress.account = ServiceAccountState::Absent;
    progress
        .identity
        .status
        .as_mut()
        .unwrap()
        .service_account_uid = Some("u-0".into());
    let steps = progress.finish();
    assert_eq!(steps[0], Change::CreateServiceAccount);
    assert_eq!(
        steps.iter().filter(|c| **c == Change::Verify).count(),
        VERIFICATIONS as usize
    );
    assert!(progress.ready());
}

#[test]
fn after_a_failed_verification_earlier_ones_do_not_count() {
    let mut progress = Progress::new();
    while progress.next() != Some(Change::Verify) {
        progress.step(false);
    }
    progress.step(false);
    progress.step(false);
    progress.memory.step_failed(&Change::Verify);
    assert_eq!(progress.finish().len(), VERIFICATIONS as usize);
}

#[test]
fn a_drift_check_that_finds_nothing_does_not_change_the_status() {
    let mut progress = Progress::new();
    progress.finish();
    let before = progress.status().clone();
    progress.memory.start_check();
    let steps = progress.finish();
    assert!(steps.contains(&Change::Bind) && !steps.contains(&Change::Verify));
    assert_eq!(*progress.status(), before);
}

#[test]
fn a_drift_check_ends_with_one_verification() {
    let mut progress = Progress::new();
    progress.finish();
    for _ in 0..2 {
        progress.memory.start_check();
        let steps = progress.finish();
        assert_eq!(steps.last(), Some(&Change::VerifyAgain), "{steps:?}");
        assert_eq!(progress.next(), None);
        progress.memory.finish(std::time::Duration::ZERO);
        assert_eq!(progress.next(), None);
    }
}

#[test]
fn an_identity_that_google_refuses_several_times_has_to_be_verified_again() {
    let mut progress = Progress::new();
    progress.finish();
    progress.memory.start_check();
    while progress.next() != Some(Change::VerifyAgain) {
        progress.step(false);
    }
    let mut refused = 0;
    while progress.next() == Some(Change::VerifyAgain) {
        progress.memory.step_failed(&Change::VerifyAgain);
        progress.memory.believes_refusal();
        refused += 1;
        assert!(
            progress.ready() && refused < 20,
            "the refusal is never believed"
        );
    }
    assert!(refused > 3, "one replica may lag");
    let steps = progress.finish();
    assert_eq!(steps, vec![Change::Verify; VERIFICATIONS as usize]);
    assert!(progress.ready());
}

#[test]
fn what_a_drift_check_repairs_is_verified_before_pods_may_run() {
    let mut progress = Progress::new();
    progress.finish();
    progress.memory.start_check();
    while progress.next() != Some(Change::Bind) {
        progress.step(false);
    }
    progress.step(true);
    assert!(!progress.ready());
    let verifications = progress
        .finish()
        .iter()
        .filter(|c| **c == Change::Verify)
        .count();
    assert_eq!(verifications, VERIFICATIONS as usize);
    assert!(progress.ready());
}

#[test]
fn a_changed_spec_is_applied_and_verified() {
    let mut progress = Progress::new();
    progress.finish();
    progress.identity.metadata.generation = Some(2);
    progress.memory = Memory::default();
    let ready = conditions::get(&progress.status().conditions, READY).unwrap();
    assert_eq!(ready.observed_generation, Some(1));
    assert!(progress.finish().contains(&Change::Verify));
    let ready = conditions::get(&progress.status().conditions, READY).unwrap();
    assert_eq!(
        (ready.observed_generation, ready.status.as_str()),
        (Some(2), "True")
    );
}

#[test]
fn what_others_removed_before_the_verification_is_found_and_restored() {
    let mut progress = Progress::new();
    while progress.next() != Some(Change::Verify) {
        progress.step(false);
    }
    // The binding was removed at Google, so that every verification fails.
    let mut tried = 0;
    while progress.next() == Some(Change::Verify) {
        progress.memory.step_failed(&Change::Verify);
        tried += 1;
        assert!(tried < 20, "nothing is checked");
    }
    assert!(tried > 3, "Google may only need time");
    let mut steps = Vec::new();
    while let Some(change) = progress.step(false) {
        steps.push(change);
    }
    let again = [Change::EnsureGoogleAccount, Change::Bind];
    assert!(again.iter().all(|c| steps.contains(c)), "{steps:?}");
    let status = progress.identity.status.unwrap();
    assert!(conditions::is_true(&status.conditions, READY), "{status:?}");
}

#[test]
fn a_new_identity_is_left_to_the_api_for_a_moment() {
    let (mut memory, mut identity) = (Memory::default(), fixtures::identity());
    let (start, second) = (
        tokio::time::Instant::now(),
        std::time::Duration::from_secs(1),
    );
    let left = |memory: &mut Memory, identity: &Identity, after: u32| {
        memory.wait_for_api(identity, || false, 2 * second, start + second * after)
    };
    assert_eq!(left(&mut memory, &identity, 0), Some(2 * second));
    assert_eq!(left(&mut memory, &identity, 1), Some(second));
    assert_eq!(left(&mut memory, &identity, 2), None);
    // The API has created everything, or written the status.
    let none = memory.wait_for_api(&identity, || true, 2 * second, start);
    assert_eq!((none, memory.not_before), (None, None));
    identity.status = Some(IdentityStatus::default());
    assert_eq!(left(&mut memory, &identity, 0), None);
}

#[test]
fn an_identity_older_than_the_last_write_is_outdated() {
    let memories = crate::controllers::reconcile::memories::Memories::default();
    let of = |version: &str| {
        let mut identity = fixtures::identity();
        identity.metadata.uid = Some("u".into());
        identity.metadata.resource_version = Some(version.into());
        identity
    };
    assert!(!memories.is_outdated(&of("9")));
    memories.record_write(&of("10"));
    assert!(memories.is_outdated(&of("9")));
    memories.put(&of("10"), Memory::default());
    assert!(
        memories.is_outdated(&of("9")),
        "the last write is kept beside the memory"
    );
    assert!(!memories.is_outdated(&of("10")) && !memories.is_outdated(&of("11")));
    assert!(!memories.is_outdated(&of("no number")));
    memories.remove(&of("10"));
    assert!(!memories.is_outdated(&of("9")));
}

#[test]
fn steps_for_an_unrecorded_ksa_count_only_for_that_one() {
    let memories = crate::controllers::reconcile::memories::Memories::default();
    let mut identity = fixtures::identity();
    identity.metadata.uid = Some("u".into());
    let found = |identity: &Identity| {
        let desired = Desired::of(&identity.spec);
        let status = identity.status.clone().unwrap_or_default();
        let memory = memories.get(identity);
        let plan = plan(
            &desired,
            &memory.observed(identity, &status, ServiceAccountState::Right),
        );
        !plan.contains(&Change::EnsureGoogleAccount)
    };
    let keep = |identity: &Identity, uid: &str| {
        let mut memory = memories.get(identity);
        memory.observe_account(uid);
        memory.step_succeeded(&Change::EnsureGoogleAccount, false);
        memories.put(identity, memory);
    };
    keep(&identity, "u-1");
    assert!(found(&identity));
    identity.status.get_or_insert_default().service_account_uid = Some("u-1".into());
    assert!(found(&identity), "the status has the same UID now");
    identity.status.get_or_insert_default().service_account_uid = Some("u-2".into());
    assert!(!found(&identity), "it is another KSA");
    identity.status = None;
    keep(&identity, "u-1");
    let mut memory = memories.get(&identity);
    memory.observe_account("u-2");
    memories.put(&identity, memory);
    assert!(
        !found(&identity),
        "it is another KSA, which the status does not have yet"
    );
}

#[tokio::test]
async fn a_reconcile_that_nobody_waits_for_is_aborted() {
    let (held, ended) = tokio::sync::oneshot::channel::<()>();
    let work = async move {
        let _held = held;
        std::future::pending().await
    };
    let mut reconcile = Box::pin(in_own_task(work));
    assert!(futures::poll!(&mut reconcile).is_pending());
    drop(reconcile);
    assert!(ended.await.is_err());
}
