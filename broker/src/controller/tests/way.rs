//! One step of an identity's way, and whether the next one follows at once.

use std::sync::Mutex;

use kube::client::Body;
use namesake_api::{IdentityStatus, Phase};
use tokio::time::Instant;

use super::*;
use crate::controller::memory::Memory;
use crate::controller::take::Way;
use crate::plan::{Aim, Change, ServiceAccount};

/// An API server that answers each write of a status with this Identity.
fn answering(identity: &Identity) -> (Client, Arc<Mutex<usize>>) {
    let writes = Arc::<Mutex<usize>>::default();
    let (answer, counted) = (json!(identity).to_string(), Arc::clone(&writes));
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
    let mut way = Way::of(fixtures::identity(), Aim::Serve, account);
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
