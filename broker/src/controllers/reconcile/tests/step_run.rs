//! A run of steps: whether the next step follows at once, and when the status is written.

use std::sync::Mutex;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::client::Body;
use namesake_api::{IdentityStatus, Phase};
use namesake_gcp::RateLimits;
use tokio::time::Instant;

use super::*;
use crate::controllers::reconcile::memory::Memory;
use crate::controllers::reconcile::step_run::StepRun;
use crate::identity::plan::Goal;
use crate::identity::plan::change::Change;
use crate::identity::plan::observed::ServiceAccountState;

fn now() -> jiff::Timestamp {
    jiff::Timestamp::UNIX_EPOCH
}

/// An API server that answers every request with this object, and counts writes of a status.
fn answering(object: &impl serde::Serialize) -> (Client, Arc<Mutex<usize>>) {
    let writes = Arc::<Mutex<usize>>::default();
    let (answer, counted) = (json!(object).to_string(), Arc::clone(&writes));
    let serve = tower::service_fn(move |request: http::Request<Body>| {
        if request.uri().path().ends_with("/status") {
            *counted.lock().unwrap() += 1;
        }
        let answer = http::Response::new(Body::from(answer.clone().into_bytes()));
        async { Ok::<_, kube::Error>(answer) }
    });
    (Client::new(serve, "research"), writes)
}

/// Whether the run goes on after the first step, if the API server answers the write of the status with this Identity.
async fn goes_on(answer: &Identity) -> bool {
    let mut world = World::new().await;
    let (client, writes) = answering(answer);
    world.context.client = client;
    let (mut memory, account) = (Memory::default(), ServiceAccountState::Right);
    let mut run = StepRun::new(
        fixtures::identity(),
        Goal::Serve,
        account.into(),
        Vec::new(),
        now(),
    );
    let (change, until) = (
        Change::EnsureGoogleAccount,
        Instant::now() + std::time::Duration::from_secs(60),
    );
    let instead = run.run(&world.context, &mut memory, &change, until).await;
    assert_eq!(*writes.lock().unwrap(), 1);
    instead.unwrap().is_none()
}

#[tokio::test]
async fn the_next_step_follows_at_once_unless_somebody_changed_the_identity() {
    let same = fixtures::identity();
    assert!(goes_on(&same).await);
    let mut changed = same.clone();
    changed.metadata.generation = Some(same.metadata.generation.unwrap_or_default() + 1);
    assert!(!goes_on(&changed).await, "another spec");
    let mut suspended = same.clone();
    suspended.status = Some(IdentityStatus {
        phase: Some(Phase::Suspended),
        ..IdentityStatus::default()
    });
    assert!(!goes_on(&suspended).await, "it does not serve any more");
}

/// Writes of the status of an Identity of this age that waits for its turn at Google.
async fn writes_while_queued(seconds: i64) -> usize {
    let mut world = World::new().await;
    let mut identity = fixtures::identity();
    let (client, writes) = answering(&identity);
    world.context.client = client;
    // The rate limit is reached after one creation.
    world.context.gcp = world.context.gcp.with_rate_limits(RateLimits {
        writes: 1,
        ..RateLimits::default()
    });
    let made = world.context.now() - jiff::SignedDuration::from_secs(seconds);
    identity.metadata.creation_timestamp = Some(Time(made));
    let mut memory = Memory::default();
    for _ in 0..2 {
        let mut run = StepRun::new(
            identity.clone(),
            Goal::Serve,
            ServiceAccountState::Right.into(),
            Vec::new(),
            now(),
        );
        let until = Instant::now() + std::time::Duration::from_secs(60);
        let change = Change::EnsureGoogleAccount;
        let instead = run.run(&world.context, &mut memory, &change, until).await;
        assert!(instead.is_ok());
        other_account(&mut identity);
    }
    *writes.lock().unwrap()
}

fn other_account(identity: &mut Identity) {
    identity.metadata.name = Some("mf-bob-aaaaaaaaaaaaaa".into());
    let email = "mf-bob-aaaaaaaaaaaaaa@acme-identities.iam.gserviceaccount.com";
    identity.spec.google_service_account = Some(email.into());
}

#[tokio::test]
async fn a_wait_for_a_turn_is_reported_only_if_it_takes_long() {
    assert_eq!(
        writes_while_queued(1).await,
        1,
        "the account that was created"
    );
    assert_eq!(writes_while_queued(3600).await, 2);
}

#[tokio::test]
async fn a_ksa_that_the_api_created_is_observed_and_recorded_with_the_next_step() {
    let mut identity = fixtures::identity();
    let roles = std::mem::take(&mut identity.spec.role_bindings);
    let mut world = World::new().await;
    let mark = crate::identity::objects::mark(&identity).unwrap();
    let mut account = crate::identity::objects::service_account(&identity, &mark);
    account.metadata.uid = Some("u-9".into());
    let (client, writes) = answering(&account);
    world.context.client = client;
    let observe = async |identity: &Identity, thorough| {
        let seen = step::account::observe(identity, &world.context, thorough).await;
        seen.unwrap()
    };
    let drifted = ObservedAccount::from(ServiceAccountState::Drifted);
    let seen = observe(&identity, false).await;
    assert_eq!(
        (seen.state, seen.unrecorded_uid.as_deref()),
        (ServiceAccountState::Right, Some("u-9"))
    );
    let mut run = StepRun::new(identity.clone(), Goal::Serve, seen, Vec::new(), now());
    assert_eq!(run.identity.service_account_uid(), Some("u-9"));
    assert_eq!(
        run.next(&Memory::default()),
        Some(Change::EnsureGoogleAccount)
    );
    assert_eq!(*writes.lock().unwrap(), 0);
    assert_eq!(observe(&identity, true).await, drifted);
    // Another KSA than the recorded one: everything is verified again.
    let mut other = identity.clone();
    other.status.get_or_insert_default().service_account_uid = Some("u-1".into());
    assert_eq!(observe(&other, false).await, drifted);
    // With RoleBindings, the KSA alone does not show that all was created.
    identity.spec.role_bindings = roles;
    assert!(!identity.spec.role_bindings.is_empty());
    assert_eq!(observe(&identity, false).await, drifted);
    // Written once, even if no step follows.
    let (client, writes) = answering(&identity);
    world.context.client = client;
    for _ in 0..2 {
        let flushed = run.flush_status(&world.context, &Memory::default()).await;
        assert!(flushed.is_ok());
        assert_eq!(*writes.lock().unwrap(), 1);
    }
}

#[tokio::test]
async fn outcomes_are_written_together_and_none_is_lost() {
    let mut identity = fixtures::identity();
    let mut status = IdentityStatus::default();
    crate::identity::conditions::record_service_account(&identity, &mut status, "u-1", now());
    let mut world = World::new().await;
    let found = google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    status.google_service_account_id = found.google_account_id;
    identity.status = Some(status);
    let (client, writes) = answering(&identity);
    world.context.client = client;
    let mut memory = Memory::default();
    memory.step_succeeded(&Change::EnsureGoogleAccount, false);
    let until = Instant::now() + std::time::Duration::from_secs(60);
    let run = |pending| {
        StepRun::new(
            identity.clone(),
            Goal::Serve,
            ServiceAccountState::Right.into(),
            pending,
            now(),
        )
    };
    let written = || *writes.lock().unwrap();
    let mut first = run(Vec::new());
    for (change, waits) in [(Change::ConfirmGoogleAccount, true), (Change::Bind, false)] {
        let instead = first.run(&world.context, &mut memory, &change, until);
        assert_eq!(instead.await.unwrap().is_some(), waits, "{change:?}");
        assert_eq!(written(), 0, "{change:?}");
    }
    // The API server fails for a moment.
    let (failing, _) = answering(&json!({"kind": "Status", "code": 500}));
    let (here, mut second) = (world.context.client.clone(), run(first.into_pending()));
    world.context.client = failing;
    assert!(second.flush_status(&world.context, &memory).await.is_err());
    world.context.client = here;
    let mut third = run(second.into_pending());
    third.flush_status(&world.context, &memory).await.unwrap();
    assert_eq!(written(), 1);
    assert!(third.into_pending().is_empty());
}
