//! Taking an identity down.

use super::*;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use namesake_api::{IdentityStatus, Phase};

use crate::controllers::reconcile::memory::Memory;

async fn up(identity: &Identity) -> World {
    let world = World::new().await;
    if identity.spec.pinned {
        world.others("alice-ml");
    }
    if identity.spec.mode == Mode::Impersonate {
        google::find(identity, &world.context).await.unwrap();
        google::bind(identity, &world.context).await.unwrap();
    }
    if !identity.spec.pinned {
        google::grant(identity, &world.context, &folder(identity))
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

/// How many have a role there.
async fn principals(world: &World, on: &Resource) -> usize {
    let policy = world.context.gcp.policy(on).await.unwrap();
    policy.member_count()
}

#[tokio::test]
async fn the_binding_goes_first_and_the_account_last() {
    let identity = fixtures::identity();
    let world = up(&identity).await;
    let before = world.last();
    leave::take_down(&identity, &world.context).await.unwrap();
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
async fn what_was_written_is_taken_back_also_when_google_does_not_show_it_yet() {
    let mut identity = fixtures::identity();
    let world = World::new().await;
    // Policies are shown as they were before, for longer than this test takes; writes are compared with what is.
    let stale = |s: &mut namesake_gcp_emulator::Settings| s.delays.policy_read = 1.0;
    google::find(&identity, &world.context).await.unwrap();
    world.emulator.state().change_settings(stale).unwrap();
    google::bind(&identity, &world.context).await.unwrap();
    let mut status = identity.status.clone().unwrap_or_default();
    crate::google::written::record(&identity, &mut status, &members(&identity));
    identity.status = Some(status);
    let done = leave::unbind(&identity, &world.context).await.unwrap();
    assert!(!done.taken.is_empty());
    let fresh = |s: &mut namesake_gcp_emulator::Settings| s.delays.policy_read = 0.0;
    world.emulator.state().change_settings(fresh).unwrap();
    assert_eq!(principals(&world, &account(&identity)).await, 0);
}

#[tokio::test]
async fn who_leaves_is_disabled_also_when_google_shows_the_account_as_it_was_before() {
    let mut identity = fixtures::identity();
    let world = up(&identity).await;
    let disabled = |before| {
        let mut lines = world.written(before).into_iter();
        lines.any(|line| line.contains(":disable"))
    };
    let mut leaves = async |seconds: i64| {
        let since = world.context.now() - jiff::SignedDuration::from_secs(seconds);
        identity.status = Some(IdentityStatus {
            phase: Some(Phase::Suspended),
            phase_time: Some(Time(since)),
            ..IdentityStatus::default()
        });
        let before = world.last();
        leave::disable(&identity, &world.context).await.unwrap();
        disabled(before)
    };
    assert!(leaves(0).await);
    assert!(leaves(1).await, "it may have been enabled a moment ago");
    assert!(!leaves(3600).await, "that is known everywhere");
}

#[tokio::test]
async fn taking_down_again_or_without_the_account_is_no_fault() {
    let identity = fixtures::identity();
    let world = up(&identity).await;
    leave::take_down(&identity, &world.context).await.unwrap();
    leave::take_down(&identity, &world.context).await.unwrap();
    let never_made = World::new().await;
    leave::take_down(&identity, &never_made.context)
        .await
        .unwrap();
    assert_eq!(never_made.written(0), Vec::<String>::new());
}

#[tokio::test]
async fn an_account_without_our_mark_is_never_touched() {
    let (world, identity) = (World::new().await, fixtures::identity());
    world.others(&identity.name_any());
    leave::take_down(&identity, &world.context).await.unwrap();
    assert_eq!(world.written(0), Vec::<String>::new());
    assert!(exists(&world, &identity).await);
}

#[tokio::test]
async fn a_pinned_account_loses_the_binding_and_nothing_else() {
    let identity = pinned();
    let world = up(&identity).await;
    let before = world.last();
    leave::take_down(&identity, &world.context).await.unwrap();
    let order: Vec<_> = world
        .written(before)
        .into_iter()
        .map(|line| kind(&line))
        .collect();
    assert_eq!(order, ["binding"]);
    assert!(exists(&world, &identity).await);
}

#[tokio::test]
async fn in_direct_mode_the_grants_go() {
    let identity = direct();
    let world = up(&identity).await;
    leave::take_down(&identity, &world.context).await.unwrap();
    assert_eq!(principals(&world, &folder(&identity)).await, 0);
}

#[tokio::test]
async fn an_identity_written_by_hand_takes_nothing_down() {
    let mut identity = fixtures::identity();
    let world = up(&identity).await;
    identity.metadata.name = Some("mf-bob-aaaaaaaaaaaaaa".into());
    let before = world.last();
    leave::take_down(&identity, &world.context).await.unwrap();
    assert_eq!(world.asked(before), Vec::<String>::new());
}

#[tokio::test]
async fn one_edited_by_hand_loses_what_it_has_and_takes_nothing_from_others() {
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
    crate::google::written::record(&identity, &mut status, &members);
    status.google_service_account_id = Some(id);
    identity.status = Some(status);
    // Somebody's account and role, written into the spec after the user has left: nobody corrects it then.
    let root = "root-account@acme-identities.iam.gserviceaccount.com";
    world.others("root-account");
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
    leave::take_down(&identity, &world.context).await.unwrap();
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

/// Google keeps the policy of the folder from us.
async fn kept_from_us() -> (World, Identity) {
    let mut identity = fixtures::identity();
    let world = up(&identity).await;
    let mut status = identity.status.clone().unwrap_or_default();
    crate::google::written::record(&identity, &mut status, &members(&identity));
    identity.status = Some(status);
    world.fails(serde_json::json!({"path": "*/managedFolders/*", "times": 0, "answer": {"status": {"code": 403}}}));
    (world, identity)
}

#[tokio::test]
async fn a_policy_that_is_kept_from_us_holds_up_who_is_deleted_for_an_hour() {
    let (world, mut identity) = kept_from_us().await;
    for minutes in [0, 59] {
        identity.metadata.deletion_timestamp = Some(ago(&world, minutes));
        let failure = leave::take_down(&identity, &world.context).await;
        assert_eq!(failure.unwrap_err().reason, "PermissionDenied");
        assert!(exists(&world, &identity).await, "the right may come back");
    }
    identity.metadata.deletion_timestamp = Some(ago(&world, 60));
    leave::take_down(&identity, &world.context).await.unwrap();
    assert!(!exists(&world, &identity).await);
}

#[tokio::test]
async fn what_could_not_be_taken_back_stays_recorded_for_who_comes_back() {
    let (world, mut identity) = kept_from_us().await;
    let grace = world.context.config.offboarding_grace.as_secs() / 60;
    let status = identity.status.as_mut().unwrap();
    status.phase = Some(Phase::Offboarding);
    status.phase_time = Some(ago(&world, grace + 59));
    let failure = leave::revoke(&identity, &world.context).await.unwrap_err();
    assert_eq!(
        failure.reason, "PermissionDenied",
        "the right may come back"
    );
    identity.status.as_mut().unwrap().phase_time = Some(ago(&world, grace + 60));
    let done = leave::revoke(&identity, &world.context).await.unwrap();
    let resources: Vec<_> = done.taken.into_iter().map(|entry| entry.resource).collect();
    assert_eq!(resources, [account(&identity)]);
}

#[tokio::test]
async fn a_dropped_grant_in_a_policy_that_is_kept_from_us_holds_up_nobody_who_serves() {
    let (world, mut identity) = kept_from_us().await;
    identity.spec.grants.clear();
    let done = leave::revoke(&identity, &world.context).await.unwrap();
    assert_eq!(done.taken, [], "it stays recorded");
    let status = identity.status.clone().unwrap();
    let desired = Desired::of(&identity.spec);
    let mut memory = Memory::default();
    let stale = |memory: &Memory| {
        let account = crate::identity::plan::ServiceAccount::Right;
        memory.observed(&identity, &status, account, &desired).stale
    };
    assert!(stale(&memory));
    memory.did(&crate::identity::plan::Change::Revoke, false);
    assert!(!stale(&memory), "the plan goes on");
    memory.look_again();
    assert!(stale(&memory), "the next look tries it again");
}

#[tokio::test]
async fn whoever_is_suspended_is_not_done_while_the_account_itself_has_a_grant() {
    let (world, mut identity) = (World::new().await, direct());
    let granted = google::grant(&identity, &world.context, &folder(&identity)).await;
    granted.unwrap();
    let members = google::members(&identity, &world.context.gcp)
        .await
        .unwrap();
    let mut status = identity.status.clone().unwrap_or_default();
    crate::google::written::record(&identity, &mut status, &members);
    identity.status = Some(status);
    world.fails(serde_json::json!({"path": "*/managedFolders/*", "times": 0, "answer": {"status": {"code": 403}}}));
    let mut unbinds = async |phase, minutes| {
        let status = identity.status.as_mut().unwrap();
        status.phase = Some(phase);
        status.phase_time = Some(ago(&world, minutes));
        leave::unbind(&identity, &world.context).await
    };
    for (phase, minutes) in [(Phase::Suspended, 600), (Phase::Offboarding, 59)] {
        let failure = unbinds(phase, minutes).await.unwrap_err();
        assert_eq!(failure.reason, "PermissionDenied");
    }
    // Its service account is deleted next.
    assert_eq!(unbinds(Phase::Offboarding, 60).await.unwrap().taken, []);
}

#[tokio::test]
async fn what_nobody_wrote_where_we_have_no_right_holds_up_nobody() {
    let (world, mut identity) = kept_from_us().await;
    identity.status.as_mut().unwrap().grants.clear();
    identity.status.as_mut().unwrap().phase = Some(Phase::Suspended);
    let done = leave::unbind(&identity, &world.context).await.unwrap();
    assert_eq!(done.taken.len(), 1, "the binding");
    let everything = leave::revoke(&identity, &world.context).await.unwrap();
    assert_eq!(everything.taken.len(), 1, "the binding, not the grant");
}

#[tokio::test]
async fn a_binding_that_cannot_be_taken_back_does_hold_it_up() {
    let (world, identity) = kept_from_us().await;
    world.emulator.state().clear_faults();
    world.fails(serde_json::json!({"path": "*:getIamPolicy", "times": 0, "answer": {"status": {"code": 403}}}));
    let failure = leave::take_down(&identity, &world.context)
        .await
        .unwrap_err();
    assert_eq!(failure.reason, "PermissionDenied");
    assert!(exists(&world, &identity).await);
}
