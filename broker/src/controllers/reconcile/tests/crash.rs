//! The whole life of an identity, with the broker killed after each step, before its outcome was written, or during a call to
//! Google: it ends as if nothing had happened. Steps in the cluster and verifications always succeed; Google is the emulator.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use namesake_api::{IdentityStatus, Phase};

use super::*;
use crate::controllers::reconcile::memory::Memory;
use crate::controllers::reconcile::step_run::settle::settle;
use crate::identity::phase;
use crate::identity::plan::change::Change;
use crate::identity::plan::observed::ServiceAccountState;
use crate::identity::plan::{Goal, plan};
use namesake_core::Reason;

/// The name of a stage, and what happens to the identity in it.
type Stage = (&'static str, fn(&mut Identity));

/// The stages of an identity's life, in this order.
const STAGES: [Stage; 9] = [
    ("created", |_| {}),
    ("with other grants", |identity| {
        let mut bucket = identity.spec.grants[0].clone();
        bucket.folder = None;
        identity.spec.grants[0].role = "roles/storage.objectViewer".into();
        identity.spec.grants.push(bucket);
        identity.metadata.generation = Some(2);
    }),
    ("suspended", |identity| enter(identity, Phase::Suspended)),
    ("resumed", |identity| enter(identity, Phase::Provisioning)),
    ("offboarded", |identity| enter(identity, Phase::Offboarding)),
    ("deleted after the grace", |_| {}),
    ("returned", |identity| enter(identity, Phase::Returning)),
    ("in another mode", |identity| {
        identity.spec.mode = Mode::Direct;
        identity.spec.google_service_account = None;
        identity.metadata.generation = Some(3);
    }),
    ("without grants", |identity| {
        identity.spec.grants.clear();
        identity.metadata.generation = Some(4);
    }),
];

fn enter(identity: &mut Identity, to: Phase) {
    let status = identity.status.get_or_insert_default();
    phase::enter(status, to, Timestamp::UNIX_EPOCH);
}

/// One life of an identity, and the broker that reconciles it.
struct Life {
    world: World,
    identity: Identity,
    memory: Memory,
    account: ServiceAccountState,
    stage: usize,
    /// How long the offboarded user stays away after the account is deleted.
    away: SignedDuration,
}

/// Longer than Google keeps a deleted account.
const LONG: SignedDuration = SignedDuration::from_hours(31 * 24);

/// When the broker dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    Never,
    /// Google has done what the step asked; the status does not say so yet.
    BeforeTheStatus,
    AfterTheStatus,
}

impl Life {
    async fn new() -> Self {
        let mut life = Self {
            world: World::new().await,
            identity: fixtures::identity(),
            memory: Memory::default(),
            account: ServiceAccountState::Absent,
            stage: 0,
            away: SignedDuration::ZERO,
        };
        let limits = |s: &mut namesake_gcp_emulator::Settings| {
            s.limits.bucket_updates_per_second = None;
        };
        life.world.emulator.state().change_settings(limits).unwrap();
        life.restart().await;
        life
    }

    async fn away_for(away: SignedDuration) -> Self {
        Self {
            away,
            ..Self::new().await
        }
    }

    /// The broker is a new process from now on.
    async fn restart(&mut self) {
        let config = Config {
            timings: crate::server::config::Timings::scaled(10_000),
            ..Config::default()
        };
        self.world.context = World::context(&self.world.emulator.base_url, config).await;
        self.memory = Memory::default();
    }

    fn aim(&self) -> Goal {
        phase::goal(self.identity.phase(), self.stage >= 5)
    }

    fn next(&self) -> Option<Change> {
        let status = self.identity.status.clone().unwrap_or_default();
        let desired = Desired::of(&self.identity.spec).with_goal(self.aim());
        let observed = self.memory.observed(&self.identity, &status, self.account);
        plan(&desired, &observed).into_iter().next()
    }

    /// Executes one step, or dies in it. False at the end of this stage.
    async fn step(&mut self, death: Death) -> bool {
        let Some(change) = self.next() else {
            return false;
        };
        let done = self.execute(&change).await;
        if death != Death::BeforeTheStatus
            && let Ok(done) = &done
        {
            self.memory.step_succeeded(&change, done.repaired);
            let mut status = self.identity.status.clone().unwrap_or_default();
            let now = Timestamp::UNIX_EPOCH;
            let goal = self.aim();
            settle(
                &self.identity,
                &mut status,
                std::iter::once(done),
                &self.memory,
                goal,
                self.account,
                now,
            );
            self.identity.status = Some(status);
        }
        if death != Death::Never || done.is_err() {
            self.restart().await;
        }
        true
    }

    async fn execute(
        &mut self,
        change: &Change,
    ) -> Result<StepOutcome, crate::identity::step_failure::StepFailure> {
        let mut done = StepOutcome::default();
        match change {
            Change::CreateServiceAccount
            | Change::RepairServiceAccount
            | Change::SetServiceAccountOwner => {
                self.account = ServiceAccountState::Right;
                done.service_account = Some(ServiceAccountState::Right);
                done.service_account_uid = Some("u-1".into());
            }
            Change::DeleteServiceAccount => {
                self.account = ServiceAccountState::Absent;
                done.service_account = Some(ServiceAccountState::Absent);
                done.service_account_deleted = true;
            }
            Change::Verify | Change::VerifyAgain | Change::Drain => {}
            change => {
                let step = step::execute(
                    &self.identity,
                    &self.world.context,
                    change,
                    &mut self.memory,
                );
                // Google stopped answering: the broker is killed while it waits.
                let killed = |_| {
                    crate::identity::step_failure::StepFailure::passing(
                        Reason::Timeout,
                        "in the middle",
                    )
                };
                let limit = Duration::from_millis(300);
                let taken = tokio::time::timeout(limit, step).await.map_err(killed);
                self.world.emulator.state().clear_faults();
                return taken?;
            }
        }
        Ok(done)
    }

    /// The state at the end of a stage, without times and Google's own ids.
    fn state(&self) -> Value {
        let listing = self.world.emulator.state().listing();
        let mut accounts = listing["serviceAccounts"].clone();
        for account in accounts.as_array_mut().into_iter().flatten() {
            *account = json!({"email": account["email"], "disabled": account["disabled"],
                "deleted": !account["deleted"].is_null(), "mark": account["description"]});
        }
        let mut members: Vec<_> = listing["policies"]
            .as_object()
            .into_iter()
            .flatten()
            .flat_map(|(resource, policy)| {
                let kind = resource.split('/').nth(2).unwrap_or_default().to_owned();
                let bindings = policy["bindings"].as_array().cloned().unwrap_or_default();
                bindings
                    .into_iter()
                    .map(move |b| format!("{kind} {} {}", b["role"], b["members"]))
            })
            .filter(|line| !line.contains("roles/storage.legacy"))
            .collect();
        members.sort();
        let status = self.identity.status.clone().unwrap_or_default();
        let IdentityStatus {
            phase,
            conditions,
            grants,
            bindings,
            service_account_uid,
            ..
        } = status;
        let conditions: Vec<_> = conditions
            .iter()
            .map(|c| format!("{} {} {}", c.type_, c.status, c.reason))
            .collect();
        json!({"accounts": accounts, "members": members, "phase": phase, "conditions": conditions,
            "grants": grants, "bindings": bindings, "uid": service_account_uid})
    }

    /// Lives to the end; `dies` says how each step ends. Returns the state at the end of each stage, and the number of steps.
    async fn live(mut self, dies: impl Fn(usize) -> Death) -> (Vec<(&'static str, Value)>, usize) {
        let (mut states, mut steps) = (Vec::new(), 0);
        for (stage, (name, begin)) in STAGES.into_iter().enumerate() {
            self.stage = stage;
            begin(&mut self.identity);
            if name == "returned" {
                self.world.emulator.state().clock().advance(self.away);
            }
            // The controller forgets what was about the earlier spec or phase.
            self.memory = Memory::default();
            while self.step(dies(steps)).await {
                steps += 1;
                assert!(steps < 300, "no end to {name}: {:?}", self.next());
            }
            states.push((name, self.state()));
        }
        (states, steps)
    }
}

/// Fails at the first stage at which two lives differ.
fn assert_same(lived: &[(&str, Value)], straight: &[(&str, Value)], what: &str) {
    assert_eq!(lived.len(), straight.len(), "{what}");
    for ((name, lived), (_, straight)) in lived.iter().zip(straight) {
        assert_eq!(lived, straight, "{what}: {name}");
    }
}

#[tokio::test]
async fn each_stage_of_a_life_ends_in_the_expected_state() {
    let (states, _) = Life::new().await.live(|_| Death::Never).await;
    let members = |name: &str| {
        let (_, state) = states.iter().find(|(stage, _)| *stage == name).unwrap();
        state["members"].as_array().unwrap().clone()
    };
    let accounts = |name: &str| {
        let (_, state) = states.iter().find(|(stage, _)| *stage == name).unwrap();
        state["accounts"].as_array().unwrap().clone()
    };
    assert_eq!(members("created").len(), 2);
    let granted = format!("{:?}", members("with other grants"));
    assert_eq!(members("with other grants").len(), 3);
    assert!(granted.contains("objectViewer"), "{granted}");
    // The grants stay while it is suspended.
    assert_eq!(members("suspended").len(), 2);
    assert_eq!(accounts("suspended")[0]["disabled"], true);
    assert_eq!(members("resumed").len(), 3);
    assert_ne!(accounts("resumed")[0]["disabled"], true);
    assert_eq!(members("offboarded").len(), 2);
    assert_eq!(accounts("offboarded")[0]["deleted"], false);
    assert_eq!(members("deleted after the grace"), Vec::<Value>::new());
    assert_eq!(accounts("deleted after the grace")[0]["deleted"], true);
    // The same account again.
    assert_eq!(accounts("returned").len(), 1);
    assert_eq!(accounts("returned")[0]["deleted"], false);
    assert_eq!(members("returned").len(), 3);
    let direct = format!("{:?}", members("in another mode"));
    assert!(
        direct.contains("principal://") && !direct.contains("serviceAccount:"),
        "{direct}"
    );
    assert_eq!(accounts("in another mode")[0]["deleted"], true);
    assert_eq!(members("without grants"), Vec::<Value>::new());
}

#[tokio::test]
async fn a_broker_that_dies_after_any_step_reaches_the_same_state() {
    let (straight, steps) = Life::new().await.live(|_| Death::Never).await;
    for (death, every) in [(Death::BeforeTheStatus, 1), (Death::AfterTheStatus, 3)] {
        for at in (0..steps).step_by(every) {
            let dies = |step| if step == at { death } else { Death::Never };
            let (states, _) = Life::new().await.live(dies).await;
            assert_same(&states, &straight, &format!("{death:?} of step {at}"));
        }
    }
}

#[tokio::test]
async fn a_broker_that_dies_again_and_again_reaches_the_same_state() {
    let (straight, _) = Life::new().await.live(|_| Death::Never).await;
    // Verifications and sightings count only in a row, so a broker that dies in each of them would never finish.
    let dies = |step| {
        if step % 5 == 0 {
            Death::AfterTheStatus
        } else {
            Death::Never
        }
    };
    let (states, _) = Life::new().await.live(dies).await;
    assert_same(&states, &straight, "every fifth step");
}

#[tokio::test]
async fn a_broker_that_dies_in_any_call_to_google_reaches_the_same_state() {
    let life = Life::new().await;
    let before = life.world.last();
    let state = life.world.emulator.state().clone();
    let (straight, _) = life.live(|_| Death::Never).await;
    let calls = u32::try_from(state.requests(before).len()).unwrap();
    for applied in [false, true] {
        for skip in (0..calls).step_by(5) {
            let life = Life::new().await;
            let fault = json!({"path": "*", "skip": skip, "applied": applied, "answer": "stop"});
            let fault = serde_json::from_value(fault).unwrap();
            life.world.emulator.state().add_fault(fault);
            let (states, _) = life.live(|_| Death::Never).await;
            assert_eq!(
                states, straight,
                "killed in call {skip}, applied: {applied}"
            );
        }
    }
}

#[tokio::test]
async fn a_user_who_returns_too_late_gets_another_account_wherever_the_broker_dies() {
    let (straight, steps) = Life::away_for(LONG).await.live(|_| Death::Never).await;
    let (_, returned) = straight.iter().find(|(s, _)| *s == "returned").unwrap();
    let accounts = returned["accounts"].as_array().unwrap();
    let live: Vec<_> = accounts.iter().filter(|a| a["deleted"] == false).collect();
    assert_eq!((accounts.len(), live.len()), (2, 1), "{accounts:?}");
    assert_eq!(returned["members"].as_array().unwrap().len(), 3);
    // Until the user is offboarded, it is the same life as above.
    for at in steps / 2..steps {
        let dies = |step| {
            if step == at {
                Death::BeforeTheStatus
            } else {
                Death::Never
            }
        };
        let (states, _) = Life::away_for(LONG).await.live(dies).await;
        assert_same(&states, &straight, &format!("step {at}"));
    }
}
