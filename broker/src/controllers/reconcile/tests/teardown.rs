//! Removal of an identity at Google.

use super::*;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use namesake_api::{IdentityStatus, Phase};

use crate::controllers::reconcile::memory::Memory;

async fn up(identity: &Identity) -> World {
    let world = World::new().await;
    if identity.spec.pinned {
        world.create_foreign_account("alice-ml");
    }
    if identity.spec.mode == Mode::Impersonate {
        google_account::ensure(identity, &world.context)
            .await
            .unwrap();
        policies::bind(identity, &world.context).await.unwrap();
    }
    if !identity.spec.pinned {
        policies::grant(identity, &world.context, &folder(identity))
            .await
            .unwrap();
    }
    world
}

async fn exists(world: &World, identity: &Identity) -> bool {
    let email = identity.spec.google_service_account.as_deref().unwrap();
    world
        .context
        .gcp
        .get_service_account("acme-identities", email)
        .await
        .unwrap()
        .is_some()
}

/// Number of members of a policy.
async fn principals(world: &World, on: &Resource) -> usize {
    let policy = world.context.gcp.policy(on).await.unwrap();
    policy.member_count()
}

#[tokio::test]
async fn the_binding_goes_first_and_the_account_last() {
    let identity = fixtures::identity();
    let world = up(&identity).await;
    let before = world.last();
    delete_at_google(&identity, &world.context).await.unwrap();
    let order: Vec<_> = world
        .written(before)
        .into_iter()
        .map(|line| kind(&line))
        .collect();
    assert_eq!(order, ["binding", "grant", "disable", "delete"]);
    assert!(!exists(&world, &identity).await);
    assert_eq!(principals(&world, &folder(&identity)).await, 0);
}

fn kind(line: &str) -> &'static str {
    let kinds = [
        (":setIamPolicy", "binding"),
        ("/iam", "grant"),
        (":disable", "disable"),
        ("DELETE", "delete"),
    ];
    kinds
        .into_iter()
        .find(|(part, _)| line.contains(part))
        .map_or("other", |(_, kind)| kind)
}

#[tokio::test]
async fn a_binding_is_revoked_even_if_google_does_not_show_it_yet() {
    let mut identity = fixtures::identity();
    let world = World::new().await;
    // Reads of policies show the state before, for longer than this test takes; writes compare with the current state.
    let stale = |s: &mut namesake_gcp_emulator::Settings| s.delays.policy_read = 1.0;
    google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    world.emulator.state().change_settings(stale).unwrap();
    policies::bind(&identity, &world.context).await.unwrap();
    let mut status = identity.status.clone().unwrap_or_default();
    crate::google::recorded::add(&identity, &mut status, &members(&identity));
    identity.status = Some(status);
    let done = revoke::unbind(&identity, &world.context).await.unwrap();
    assert!(!done.revoked.is_empty());
    let fresh = |s: &mut namesake_gcp_emulator::Settings| s.delays.policy_read = 0.0;
    world.emulator.state().change_settings(fresh).unwrap();
    assert_eq!(principals(&world, &account(&identity)).await, 0);
}

#[tokio::test]
async fn an_account_is_disabled_again_while_google_may_show_the_state_before() {
    let mut identity = fixtures::identity();
    let world = up(&identity).await;
    let disabled = |before| {
        let mut lines = world.written(before).into_iter();
        lines.any(|line| line.contains(":disable"))
    };
    let mut disables = async |seconds: i64| {
        let since = world.context.now() - jiff::SignedDuration::from_secs(seconds);
        identity.status = Some(IdentityStatus {
            phase: Some(Phase::Suspended),
            phase_time: Some(Time(since)),
            ..IdentityStatus::default()
        });
        let before = world.last();
        google_account_removal::disable(&identity, &world.context)
            .await
            .unwrap();
        disabled(before)
    };
    assert!(disables(0).await);
    assert!(disables(1).await, "it may have been enabled a moment ago");
    assert!(!disables(3600).await, "that is known everywhere");
}

#[tokio::test]
async fn removal_can_be_repeated_and_needs_no_account() {
    let identity = fixtures::identity();
    let world = up(&identity).await;
    delete_at_google(&identity, &world.context).await.unwrap();
    delete_at_google(&identity, &world.context).await.unwrap();
    let never_created = World::new().await;
    delete_at_google(&identity, &never_created.context)
        .await
        .unwrap();
    assert_eq!(never_created.written(0), Vec::<String>::new());
}

#[tokio::test]
async fn an_account_without_our_mark_is_not_changed() {
    let (world, identity) = (World::new().await, fixtures::identity());
    world.create_foreign_account(&identity.name_any());
    delete_at_google(&identity, &world.context).await.unwrap();
    assert_eq!(world.written(0), Vec::<String>::new());
    assert!(exists(&world, &identity).await);
}

#[tokio::test]
async fn a_pinned_account_loses_the_binding_and_nothing_else() {
    let identity = pinned();
    let world = up(&identity).await;
    let before = world.last();
    delete_at_google(&identity, &world.context).await.unwrap();
    let order: Vec<_> = world
        .written(before)
        .into_iter()
        .map(|line| kind(&line))
        .collect();
    assert_eq!(order, ["binding"]);
    assert!(exists(&world, &identity).await);
}

#[tokio::test]
async fn in_mode_direct_the_grants_are_revoked() {
    let identity = direct();
    let world = up(&identity).await;
    delete_at_google(&identity, &world.context).await.unwrap();
    assert_eq!(principals(&world, &folder(&identity)).await, 0);
}

#[tokio::test]
async fn an_identity_bound_by_uid_is_removed_after_its_service_account() {
    let mut identity = fixtures::identity();
    identity.spec.bind_by = namesake_api::BindBy::Uid;
    let status = identity.status.get_or_insert_default();
    status.service_account_uid = Some("u-1".into());
    let world = up(&identity).await;
    let members = step::members::members(&identity, &world.context.gcp);
    let mut status = identity.status.clone().unwrap_or_default();
    crate::google::recorded::add(&identity, &mut status, &members.await.unwrap());
    status.phase = Some(Phase::Offboarding);
    identity.status = Some(status);
    let unbound = revoke::unbind(&identity, &world.context).await.unwrap();
    let status = identity.status.as_mut().unwrap();
    crate::google::recorded::remove(status, &unbound.revoked);
    status.service_account_uid = None;
    revoke::unbind(&identity, &world.context).await.unwrap();
    let revoked = revoke::revoke(&identity, &world.context).await.unwrap();
    assert_eq!(revoked.revoked.len(), 1, "the grant");
    delete_at_google(&identity, &world.context).await.unwrap();
    assert!(!exists(&world, &identity).await);
}

#[tokio::test]
async fn removal_of_an_identity_written_by_hand_does_nothing_at_google() {
    let mut identity = fixtures::identity();
    let world = up(&identity).await;
    identity.metadata.name = Some("mf-bob-aaaaaaaaaaaaaa".into());
    let before = world.last();
    delete_at_google(&identity, &world.context).await.unwrap();
    assert_eq!(world.requests(before), Vec::<String>::new());
}

#[tokio::test]
async fn removal_of_an_identity_edited_by_hand_takes_nothing_from_others() {
    let mut identity = fixtures::identity();
    let world = up(&identity).await;
    let email = identity.spec.google_service_account.clone().unwrap();
    let there = world
        .context
        .gcp
        .get_service_account("acme-identities", &email);
    let id = there.await.unwrap().unwrap().unique_id;
    let members = members(&identity);
    let mut status = identity.status.clone().unwrap_or_default();
    crate::google::recorded::add(&identity, &mut status, &members);
    status.google_service_account_id = Some(id);
    identity.status = Some(status);
    // Somebody writes another account and role into the spec of an offboarded user, which is not restored.
    let root = "root-account@acme-identities.iam.gserviceaccount.com";
    world.create_foreign_account("root-account");
    let project = Resource::Project {
        id: "acme-identities".into(),
    };
    let owner = format!("serviceAccount:{root}");
    let give = |policy: &mut Policy| policy.add("roles/owner", &owner, None);
    world
        .context
        .gcp
        .modify_policy(&project, give)
        .await
        .unwrap();
    let granted = folder(&identity);
    identity.spec.google_service_account = Some(root.into());
    identity.spec.grants = vec![namesake_api::Grant {
        role: "roles/owner".into(),
        project: Some("acme-identities".into()),
        ..Default::default()
    }];
    delete_at_google(&identity, &world.context).await.unwrap();
    assert!(world.has(&project, "roles/owner", &owner).await);
    let left = world
        .context
        .gcp
        .get_service_account("acme-identities", &email);
    assert_eq!(left.await.unwrap(), None, "its own account");
    let policy = world.context.gcp.policy(&granted).await.unwrap();
    assert_eq!(policy.member_count(), 0, "its own grant");
    let others = world
        .context
        .gcp
        .get_service_account("acme-identities", root);
    assert!(
        others
            .await
            .unwrap()
            .is_some_and(|account| !account.disabled)
    );
}

fn ago(world: &World, minutes: u64) -> Time {
    let ago = std::time::Duration::from_secs(60 * minutes);
    Time(world.context.now() - ago)
}

/// The broker may not change the policy of the folder.
async fn denied() -> (World, Identity) {
    let mut identity = fixtures::identity();
    let world = up(&identity).await;
    let mut status = identity.status.clone().unwrap_or_default();
    crate::google::recorded::add(&identity, &mut status, &members(&identity));
    identity.status = Some(status);
    world.add_fault(serde_json::json!({"path": "*/managedFolders/*", "times": 0, "answer": {"status": {"code": 403}}}));
    (world, identity)
}

#[tokio::test]
async fn a_denied_policy_delays_the_deletion_of_an_identity_for_an_hour() {
    let (world, mut identity) = denied().await;
    for minutes in [0, 59] {
        identity.metadata.deletion_timestamp = Some(ago(&world, minutes));
        let failure = delete_at_google(&identity, &world.context).await;
        assert_eq!(failure.unwrap_err().reason, Reason::PermissionDenied);
        assert!(
            exists(&world, &identity).await,
            "the permission may come back"
        );
    }
    identity.metadata.deletion_timestamp = Some(ago(&world, 60));
    delete_at_google(&identity, &world.context).await.unwrap();
    assert!(!exists(&world, &identity).await);
}

#[tokio::test]
async fn a_grant_that_could_not_be_revoked_stays_recorded() {
    let (world, mut identity) = denied().await;
    let grace = world.context.config.offboarding_grace.as_secs() / 60;
    let status = identity.status.as_mut().unwrap();
    status.phase = Some(Phase::Offboarding);
    status.phase_time = Some(ago(&world, grace + 59));
    let failure = revoke::revoke(&identity, &world.context).await.unwrap_err();
    assert_eq!(
        failure.reason,
        Reason::PermissionDenied,
        "the permission may come back"
    );
    identity.status.as_mut().unwrap().phase_time = Some(ago(&world, grace + 60));
    let done = revoke::revoke(&identity, &world.context).await.unwrap();
    let resources: Vec<_> = done
        .revoked
        .into_iter()
        .map(|entry| entry.resource)
        .collect();
    assert_eq!(resources, [account(&identity)]);
}

#[tokio::test]
async fn a_dropped_grant_in_a_denied_policy_does_not_delay_an_identity_that_serves() {
    let (world, mut identity) = denied().await;
    identity.spec.grants.clear();
    let done = revoke::revoke(&identity, &world.context).await.unwrap();
    assert_eq!(done.revoked, [], "it stays recorded");
    let status = identity.status.clone().unwrap();
    let mut memory = Memory::default();
    let stale = |memory: &Memory| {
        let account = crate::identity::plan::observed::ServiceAccountState::Right;
        memory.observed(&identity, &status, account).stale
    };
    assert!(stale(&memory));
    memory.step_succeeded(&crate::identity::plan::change::Change::Revoke, false);
    assert!(!stale(&memory), "the plan goes on");
    memory.start_check();
    assert!(stale(&memory), "the next check tries it again");
}

#[tokio::test]
async fn suspension_is_not_complete_while_the_ksa_itself_has_a_grant() {
    let (world, mut identity) = (World::new().await, direct());
    let granted = policies::grant(&identity, &world.context, &folder(&identity)).await;
    granted.unwrap();
    let members = step::members::members(&identity, &world.context.gcp)
        .await
        .unwrap();
    let mut status = identity.status.clone().unwrap_or_default();
    crate::google::recorded::add(&identity, &mut status, &members);
    identity.status = Some(status);
    world.add_fault(serde_json::json!({"path": "*/managedFolders/*", "times": 0, "answer": {"status": {"code": 403}}}));
    let mut unbinds = async |phase, minutes| {
        let status = identity.status.as_mut().unwrap();
        status.phase = Some(phase);
        status.phase_time = Some(ago(&world, minutes));
        revoke::unbind(&identity, &world.context).await
    };
    for (phase, minutes) in [(Phase::Suspended, 600), (Phase::Offboarding, 59)] {
        let failure = unbinds(phase, minutes).await.unwrap_err();
        assert_eq!(failure.reason, Reason::PermissionDenied);
    }
    // The KSA is deleted next.
    assert_eq!(unbinds(Phase::Offboarding, 60).await.unwrap().revoked, []);
}

#[tokio::test]
async fn an_unrecorded_grant_in_a_denied_policy_delays_nothing() {
    let (world, mut identity) = denied().await;
    identity.status.as_mut().unwrap().grants.clear();
    identity.status.as_mut().unwrap().phase = Some(Phase::Suspended);
    let done = revoke::unbind(&identity, &world.context).await.unwrap();
    assert_eq!(done.revoked.len(), 1, "the binding");
    let everything = revoke::revoke(&identity, &world.context).await.unwrap();
    assert_eq!(everything.revoked.len(), 1, "the binding, not the grant");
}

#[tokio::test]
async fn a_binding_that_cannot_be_revoked_delays_the_deletion() {
    let (world, identity) = denied().await;
    world.emulator.state().clear_faults();
    world.add_fault(serde_json::json!({"path": "*:getIamPolicy", "times": 0, "answer": {"status": {"code": 403}}}));
    let failure = delete_at_google(&identity, &world.context)
        .await
        .unwrap_err();
    assert_eq!(failure.reason, Reason::PermissionDenied);
    assert!(exists(&world, &identity).await);
}
