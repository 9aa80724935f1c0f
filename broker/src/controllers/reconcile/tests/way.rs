//! One step of an identity's way, and whether the next one follows at once.

use std::sync::Mutex;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::client::Body;
use namesake_api::{IdentityStatus, Phase};
use namesake_gcp::RateLimits;
use tokio::time::Instant;

use super::*;
use crate::controllers::reconcile::memory::Memory;
use crate::controllers::reconcile::run_step::Way;
use crate::identity::plan::{Aim, Change, ServiceAccount};

fn now() -> jiff::Timestamp {
    jiff::Timestamp::UNIX_EPOCH
}

/// An API server that answers whatever is asked with this object, and counts writes of a status.
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

/// Whether the way goes on after the first step, when the API server answers its status with this Identity.
async fn goes_on(answer: &Identity) -> bool {
    let mut world = World::new().await;
    let (client, writes) = answering(answer);
    world.context.client = client;
    let (mut memory, account) = (Memory::default(), ServiceAccount::Right);
    let mut way = Way::of(
        fixtures::identity(),
        Aim::Serve,
        account.into(),
        Vec::new(),
        now(),
    );
    let (change, until) = (
        Change::FindGoogleAccount,
        Instant::now() + std::time::Duration::from_secs(60),
    );
    let instead = way.take(&world.context, &mut memory, &change, until).await;
    assert_eq!(*writes.lock().unwrap(), 1);
    instead.unwrap().is_none()
}

#[tokio::test]
async fn the_next_step_follows_at_once_unless_somebody_has_changed_the_identity() {
    let same = fixtures::identity();
    assert!(goes_on(&same).await);
    let mut changed = same.clone();
    changed.metadata.generation = Some(same.metadata.generation.unwrap_or_default() + 1);
    assert!(!goes_on(&changed).await, "another spec");
    let mut leaves = same.clone();
    leaves.status = Some(IdentityStatus {
        phase: Some(Phase::Suspended),
        ..IdentityStatus::default()
    });
    assert!(!goes_on(&leaves).await, "it serves nobody any more");
}

/// How often an Identity that was made so long ago is told that it has to wait for its turn at Google.
async fn told(seconds: i64) -> usize {
    let mut world = World::new().await;
    let mut identity = fixtures::identity();
    let (client, writes) = answering(&identity);
    world.context.client = client;
    // As many as may be are made already.
    world.context.gcp = world.context.gcp.with_rate_limits(RateLimits {
        writes: 1,
        ..RateLimits::default()
    });
    let made = world.context.now() - jiff::SignedDuration::from_secs(seconds);
    identity.metadata.creation_timestamp = Some(Time(made));
    let mut memory = Memory::default();
    for _ in 0..2 {
        let mut way = Way::of(
            identity.clone(),
            Aim::Serve,
            ServiceAccount::Right.into(),
            Vec::new(),
            now(),
        );
        let until = Instant::now() + std::time::Duration::from_secs(60);
        let change = Change::FindGoogleAccount;
        let instead = way.take(&world.context, &mut memory, &change, until).await;
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
async fn who_waits_for_a_turn_is_told_only_when_it_takes_long() {
    assert_eq!(told(1).await, 1, "the account that was made");
    assert_eq!(told(3600).await, 2);
}

#[tokio::test]
async fn the_service_account_that_the_api_has_made_is_learned_of_and_told_with_the_next_step() {
    let mut identity = fixtures::identity();
    let roles = std::mem::take(&mut identity.spec.role_bindings);
    let mut world = World::new().await;
    let mark = crate::identity::objects::mark(&identity).unwrap();
    let mut account = crate::identity::objects::service_account(&identity, &mark);
    account.metadata.uid = Some("u-9".into());
    let (client, writes) = answering(&account);
    world.context.client = client;
    let look = async |identity: &Identity, thorough| {
        let seen = step::look(identity, &world.context, thorough).await;
        seen.unwrap()
    };
    let drifted = step::Look::from(ServiceAccount::Drifted);
    let seen = look(&identity, false).await;
    assert_eq!(
        (seen.account, seen.learned.as_deref()),
        (ServiceAccount::Right, Some("u-9"))
    );
    let mut way = Way::of(identity.clone(), Aim::Serve, seen, Vec::new(), now());
    assert_eq!(way.identity.service_account_uid(), Some("u-9"));
    assert_eq!(
        way.next(&Memory::default()),
        Some(Change::FindGoogleAccount)
    );
    assert_eq!(*writes.lock().unwrap(), 0);
    assert_eq!(look(&identity, true).await, drifted);
    // Another than the one that is recorded: everything of it is proven anew.
    let mut other = identity.clone();
    other.status.get_or_insert_default().service_account_uid = Some("u-1".into());
    assert_eq!(look(&other, false).await, drifted);
    // Whether its RoleBindings are there, its account does not tell.
    identity.spec.role_bindings = roles;
    assert!(!identity.spec.role_bindings.is_empty());
    assert_eq!(look(&identity, false).await, drifted);
    // Told once, also when no step follows.
    let (client, writes) = answering(&identity);
    world.context.client = client;
    for _ in 0..2 {
        let told = way.tell(&world.context, &Memory::default()).await;
        assert!(told.is_ok());
        assert_eq!(*writes.lock().unwrap(), 1);
    }
}

#[tokio::test]
async fn what_follows_in_a_moment_is_told_together_and_nothing_of_it_is_lost() {
    let mut identity = fixtures::identity();
    let mut status = IdentityStatus::default();
    crate::identity::conditions::service_account(&identity, &mut status, "u-1", now());
    let mut world = World::new().await;
    let found = google::find(&identity, &world.context).await.unwrap();
    status.google_service_account_id = found.google_id;
    identity.status = Some(status);
    let (client, writes) = answering(&identity);
    world.context.client = client;
    let mut memory = Memory::default();
    memory.did(&Change::FindGoogleAccount, false);
    let until = Instant::now() + std::time::Duration::from_secs(60);
    let way = |untold| {
        Way::of(
            identity.clone(),
            Aim::Serve,
            ServiceAccount::Right.into(),
            untold,
            now(),
        )
    };
    let told = || *writes.lock().unwrap();
    let mut first = way(Vec::new());
    for (change, waits) in [(Change::SeeGoogleAccount, true), (Change::Bind, false)] {
        let instead = first.take(&world.context, &mut memory, &change, until);
        assert_eq!(instead.await.unwrap().is_some(), waits, "{change:?}");
        assert_eq!(told(), 0, "{change:?}");
    }
    // The API server is away for a moment.
    let (away, _) = answering(&json!({"kind": "Status", "code": 500}));
    let (here, mut second) = (world.context.client.clone(), way(first.leaves()));
    world.context.client = away;
    assert!(second.tell(&world.context, &memory).await.is_err());
    world.context.client = here;
    let mut third = way(second.leaves());
    third.tell(&world.context, &memory).await.unwrap();
    assert_eq!(told(), 1);
    assert!(third.leaves().is_empty());
}
