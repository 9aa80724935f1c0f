//! Plan, step, status, plan again: without Google and without a cluster.

use jiff::Timestamp;
use namesake_api::names::READY;
use namesake_api::{IdentityStatus, conditions};

use super::*;
use crate::controllers::reconcile::memory::Memory;
use crate::controllers::reconcile::run_step::settle;
use crate::identity::plan::{Aim, Change, Observed, PROOFS, ServiceAccount, plan};

/// An identity on its way: the broker's memory, and what is in the cluster.
struct Way {
    identity: Identity,
    memory: Memory,
    account: ServiceAccount,
}

impl Way {
    fn new() -> Self {
        Self {
            identity: fixtures::identity(),
            memory: Memory::default(),
            account: ServiceAccount::Absent,
        }
    }

    fn observed(&self) -> Observed {
        let status = self.identity.status.clone().unwrap_or_default();
        let desired = Desired::of(&self.identity.spec);
        self.memory
            .observed(&self.identity, &status, self.account, &desired)
    }

    fn next(&self) -> Option<Change> {
        plan(&Desired::of(&self.identity.spec), &self.observed())
            .into_iter()
            .next()
    }

    /// Does the next step, as if everything went well.
    fn step(&mut self, repaired: bool) -> Option<Change> {
        let change = self.next()?;
        let mut done = step::Done {
            repaired,
            ..step::Done::default()
        };
        if step::in_cluster(&change) {
            self.account = ServiceAccount::Right;
            done.service_account = Some(ServiceAccount::Right);
            done.service_account_uid = Some("u-1".into());
        }
        if matches!(change, Change::FindGoogleAccount | Change::Record) {
            done.record = Some(members(&self.identity));
        }
        self.memory.did(&change, repaired);
        let mut status = self.identity.status.clone().unwrap_or_default();
        let now = Timestamp::UNIX_EPOCH;
        settle(
            &self.identity,
            &mut status,
            std::iter::once(&done),
            &self.memory,
            (Aim::Serve, self.account),
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
fn an_identity_is_ready_after_its_last_proof_and_not_before() {
    let mut way = Way::new();
    while let Some(change) = way.step(false) {
        let last = way.next().is_none();
        assert_eq!(way.ready(), last, "after {change:?}");
    }
    assert!(way.ready());
}

#[test]
fn a_restart_after_any_step_ends_in_the_same_state() {
    let steps = Way::new().finish().len();
    let mut straight = Way::new();
    straight.finish();
    for crash in 0..steps {
        let mut way = Way::new();
        for _ in 0..crash {
            way.step(false);
        }
        way.memory = Memory::default();
        way.finish();
        assert!(way.ready(), "crash after step {crash}");
        assert_eq!(
            way.identity.status, straight.identity.status,
            "crash after step {crash}"
        );
    }
}

#[test]
fn proofs_of_one_service_account_do_not_count_for_the_next() {
    let mut way = Way::new();
    way.finish();
    way.account = ServiceAccount::Absent;
    way.identity.status.as_mut().unwrap().service_account_uid = Some("u-0".into());
    let steps = way.finish();
    assert_eq!(steps[0], Change::CreateServiceAccount);
    assert_eq!(
        steps.iter().filter(|c| **c == Change::Prove).count(),
        PROOFS as usize
    );
    assert!(way.ready());
}

#[test]
fn one_failed_proof_makes_the_others_count_no_more() {
    let mut way = Way::new();
    while way.next() != Some(Change::Prove) {
        way.step(false);
    }
    way.step(false);
    way.step(false);
    way.memory.failed(&Change::Prove);
    assert_eq!(way.finish().len(), PROOFS as usize);
}

#[test]
fn a_look_for_drift_that_finds_none_leaves_the_status_alone() {
    let mut way = Way::new();
    way.finish();
    let before = way.status().clone();
    way.memory.look_again();
    let steps = way.finish();
    assert!(steps.contains(&Change::Bind) && !steps.contains(&Change::Prove));
    assert_eq!(*way.status(), before);
}

#[test]
fn a_look_for_drift_ends_with_one_proof_which_is_not_repeated_until_the_next() {
    let mut way = Way::new();
    way.finish();
    for _ in 0..2 {
        way.memory.look_again();
        let steps = way.finish();
        assert_eq!(steps.last(), Some(&Change::ProveAgain), "{steps:?}");
        assert_eq!(way.next(), None);
        way.memory.finished(std::time::Duration::ZERO);
        assert_eq!(way.next(), None);
    }
}

#[test]
fn an_identity_that_google_refuses_again_and_again_has_to_be_proven_anew() {
    let mut way = Way::new();
    way.finish();
    way.memory.look_again();
    while way.next() != Some(Change::ProveAgain) {
        way.step(false);
    }
    let mut refused = 0;
    while way.next() == Some(Change::ProveAgain) {
        way.memory.failed(&Change::ProveAgain);
        way.memory.doubts();
        refused += 1;
        assert!(way.ready() && refused < 20, "it is believed for ever");
    }
    assert!(refused > 3, "one replica that is behind proves nothing");
    let steps = way.finish();
    assert_eq!(steps, vec![Change::Prove; PROOFS as usize]);
    assert!(way.ready());
}

#[test]
fn what_a_look_for_drift_puts_back_is_proven_before_pods_may_run() {
    let mut way = Way::new();
    way.finish();
    way.memory.look_again();
    while way.next() != Some(Change::Bind) {
        way.step(false);
    }
    way.step(true);
    assert!(!way.ready());
    let proofs = way.finish().iter().filter(|c| **c == Change::Prove).count();
    assert_eq!(proofs, PROOFS as usize);
    assert!(way.ready());
}

#[test]
fn a_changed_spec_is_brought_about_and_proven_anew() {
    let mut way = Way::new();
    way.finish();
    way.identity.metadata.generation = Some(2);
    way.memory = Memory::default();
    let ready = conditions::get(&way.status().conditions, READY).unwrap();
    assert_eq!(ready.observed_generation, Some(1));
    assert!(way.finish().contains(&Change::Prove));
    let ready = conditions::get(&way.status().conditions, READY).unwrap();
    assert_eq!(
        (ready.observed_generation, ready.status.as_str()),
        (Some(2), "True")
    );
}

#[test]
fn what_was_taken_away_before_the_proof_is_looked_for_and_put_back() {
    let mut way = Way::new();
    while way.next() != Some(Change::Prove) {
        way.step(false);
    }
    // The binding is gone at Google: no proof succeeds, however often.
    let mut tried = 0;
    while way.next() == Some(Change::Prove) {
        way.memory.failed(&Change::Prove);
        tried += 1;
        assert!(tried < 20, "it is never looked for");
    }
    assert!(
        tried > 3,
        "what Google only has to learn is not looked for at once"
    );
    let mut steps = Vec::new();
    while let Some(change) = way.step(false) {
        steps.push(change);
    }
    let again = [Change::FindGoogleAccount, Change::Bind];
    assert!(again.iter().all(|c| steps.contains(c)), "{steps:?}");
    let status = way.identity.status.unwrap();
    assert!(conditions::is_true(&status.conditions, READY), "{status:?}");
}

#[test]
fn an_identity_that_was_made_just_now_is_left_to_the_api_for_a_moment_and_no_longer() {
    let (mut memory, mut identity) = (Memory::default(), fixtures::identity());
    let (start, second) = (
        tokio::time::Instant::now(),
        std::time::Duration::from_secs(1),
    );
    let left = |memory: &mut Memory, identity: &Identity, after: u32| {
        memory.leaves_to_api(identity, || false, 2 * second, start + second * after)
    };
    assert_eq!(left(&mut memory, &identity, 0), Some(2 * second));
    assert_eq!(left(&mut memory, &identity, 1), Some(second));
    assert_eq!(left(&mut memory, &identity, 2), None);
    // The API has made all that there was to make, or written what it did.
    let none = memory.leaves_to_api(&identity, || true, 2 * second, start);
    assert_eq!((none, memory.not_before), (None, None));
    identity.status = Some(IdentityStatus::default());
    assert_eq!(left(&mut memory, &identity, 0), None);
}

#[test]
fn what_the_watch_shows_from_before_our_last_write_is_not_acted_on() {
    let memories = crate::controllers::reconcile::memory::Memories::default();
    let of = |version: &str| {
        let mut identity = fixtures::identity();
        identity.metadata.uid = Some("u".into());
        identity.metadata.resource_version = Some(version.into());
        identity
    };
    assert!(!memories.is_behind(&of("9")));
    memories.wrote(&of("10"));
    assert!(memories.is_behind(&of("9")));
    memories.keep(&of("10"), Memory::default());
    assert!(memories.is_behind(&of("9")), "it is kept beside the rest");
    assert!(!memories.is_behind(&of("10")) && !memories.is_behind(&of("11")));
    assert!(!memories.is_behind(&of("no number")));
    memories.forget(&of("10"));
    assert!(!memories.is_behind(&of("9")));
}

#[test]
fn what_was_done_for_a_service_account_that_nobody_recorded_yet_counts_for_that_one_alone() {
    let memories = crate::controllers::reconcile::memory::Memories::default();
    let mut identity = fixtures::identity();
    identity.metadata.uid = Some("u".into());
    let found = |identity: &Identity| {
        let desired = Desired::of(&identity.spec);
        let status = identity.status.clone().unwrap_or_default();
        let memory = memories.of(identity);
        let plan = plan(
            &desired,
            &memory.observed(identity, &status, ServiceAccount::Right, &desired),
        );
        !plan.contains(&Change::FindGoogleAccount)
    };
    let keep = |identity: &Identity, uid: &str| {
        let mut memory = memories.of(identity);
        memory.learn(uid);
        memory.did(&Change::FindGoogleAccount, false);
        memories.keep(identity, memory);
    };
    keep(&identity, "u-1");
    assert!(found(&identity));
    identity.status.get_or_insert_default().service_account_uid = Some("u-1".into());
    assert!(found(&identity), "the status says now which it is");
    identity.status.get_or_insert_default().service_account_uid = Some("u-2".into());
    assert!(!found(&identity), "it is another");
    identity.status = None;
    keep(&identity, "u-1");
    let mut memory = memories.of(&identity);
    memory.learn("u-2");
    memories.keep(&identity, memory);
    assert!(!found(&identity), "it is another before the status says so");
}

#[tokio::test]
async fn a_reconcile_that_nobody_waits_for_any_more_ends() {
    let (held, ended) = tokio::sync::oneshot::channel::<()>();
    let work = async move {
        let _held = held;
        std::future::pending().await
    };
    let mut reconcile = Box::pin(on_its_own(work));
    assert!(futures::poll!(&mut reconcile).is_pending());
    drop(reconcile);
    assert!(ended.await.is_err());
}
