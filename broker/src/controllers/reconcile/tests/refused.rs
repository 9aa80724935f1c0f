//! What an organization refuses: said once, with the remedy, and tried again rarely, however long it lasts.

use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use kube::client::Body;
use namesake_api::conditions::get;
use namesake_api::names::RETRY_ANNOTATION;
use tokio::time::Instant;

use super::*;
use crate::controllers::reconcile::memory::Memory;
use crate::controllers::reconcile::run_step::Way;
use crate::identity::conditions::condition;
use crate::identity::plan::{Aim, Change, ServiceAccount};
use crate::identity::retry::Asked;

/// What the API server was sent: the status as it is now, how often it was written, and Events.
#[derive(Default)]
struct Written {
    status: Value,
    writes: usize,
    events: Vec<String>,
}

/// An API server that has one Identity, keeps what is written into its status, and gives tokens that nobody reads.
fn api_server(identity: &Identity) -> (Client, Arc<Mutex<Written>>) {
    let written = Arc::<Mutex<Written>>::default();
    let (object, kept) = (json!(identity), Arc::clone(&written));
    let serve = tower::service_fn(move |request: http::Request<Body>| {
        let (mut object, kept) = (object.clone(), Arc::clone(&kept));
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect_bytes().await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            let mut kept = kept.lock().unwrap();
            if parts.uri.path().ends_with("/status") {
                kept.writes += 1;
                kept.status = body["status"].clone();
            } else if parts.uri.path().contains("/events") {
                kept.events
                    .push(body["note"].as_str().unwrap_or_default().to_owned());
            }
            object["status"] = kept.status.clone();
            if parts.uri.path().ends_with("/token") {
                object = json!({
                    "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": {},
                    "spec": {"audiences": []},
                    "status": {"token": "a.b.c", "expirationTimestamp": "1970-01-01T01:00:00Z"}});
            }
            Ok::<_, kube::Error>(http::Response::new(Body::from(
                object.to_string().into_bytes(),
            )))
        }
    });
    (Client::new(serve, "research"), written)
}

/// One step of an identity that is tried again and again.
struct Tried {
    world: World,
    written: Arc<Mutex<Written>>,
    identity: Identity,
    memory: Memory,
    change: Change,
}

impl Tried {
    async fn new(settings: Value, change: Change) -> Self {
        let (mut world, mut identity) = (World::new().await, fixtures::identity());
        identity.metadata.uid = Some("u".into());
        if !matches!(change, Change::FindGoogleAccount) {
            google::find(&identity, &world.context).await.unwrap();
        }
        let (client, written) = api_server(&identity);
        let none = crate::google::policies::Spacing {
            storage: Duration::ZERO,
            first: Duration::ZERO,
            longest: Duration::ZERO,
        };
        let room = crate::google::policies::Room::default();
        world.context.policies = Policies::new(world.context.gcp.clone(), none, room);
        world.context.events = crate::cluster::events::Events::new(client.clone());
        world.context.client = client;
        let merge = |settings_now: &mut namesake_gcp_emulator::Settings| {
            *settings_now = settings_now.merged(&settings).unwrap();
        };
        world.emulator.state().change_settings(merge).unwrap();
        Self {
            world,
            written,
            identity,
            memory: Memory::default(),
            change,
        }
    }

    /// Tries once, as the controller does; how long it waits then.
    async fn once(&mut self) -> Duration {
        let account = ServiceAccount::Right.into();
        let now = Timestamp::UNIX_EPOCH;
        let identity = self.identity.clone();
        let mut way = Way::of(identity, Aim::Serve, account, Vec::new(), now);
        let (began, until) = (Instant::now(), Instant::now() + Duration::from_secs(60));
        let change = self.change.clone();
        let taken = way.take(&self.world.context, &mut self.memory, &change, until);
        assert!(taken.await.unwrap().is_some(), "it went well");
        let status = self.written.lock().unwrap().status.clone();
        self.identity.status = serde_json::from_value(status).unwrap();
        let next = self.memory.not_before.unwrap();
        next.saturating_duration_since(began)
    }

    /// Tries as often as it is due in a day; how often that is.
    async fn for_a_day(&mut self) -> usize {
        let (mut passed, mut tries) = (Duration::ZERO, 0);
        while passed < Duration::from_hours(24) {
            let wait = self.once().await;
            // Google's day goes on as well: its quotas count updates of a bucket by the second.
            let clock = self.world.emulator.state().clock();
            clock.advance(wait.try_into().unwrap());
            passed += wait;
            tries += 1;
            assert!(tries < 100, "a storm: {tries} tries in {passed:?}");
        }
        tries
    }
}

/// The refusals by switch, the step that meets each, its reason, and what the Identity has to say.
fn cases() -> [(Value, Change, &'static str, &'static [&'static str]); 8] {
    let folder = || Change::Grant(folder(&fixtures::identity()));
    [
        (
            json!({"disableServiceAccountCreation": ["acme-identities"]}),
            Change::FindGoogleAccount,
            "OrganizationPolicy",
            &["iam.disableServiceAccountCreation", "mode: direct"],
        ),
        (
            json!({"disabledApis": ["iam.googleapis.com"]}),
            Change::FindGoogleAccount,
            "ApiDisabled",
            &["gcloud services enable iam.googleapis.com --project=456"],
        ),
        (
            json!({"perimeter": ["iam.googleapis.com"]}),
            Change::Bind,
            "Perimeter",
            &["ingress rule", "vpcServiceControlsUniqueId="],
        ),
        (
            json!({"allowedPolicyMemberDomains": ["acme.com", "acme-identities"]}),
            Change::Bind,
            "OrganizationPolicy",
            &["iam.allowedPolicyMemberDomains", "acme.svc.id.goog["],
        ),
        (
            json!({"allowedPolicyMemberDomains": ["acme.com", "acme"]}),
            folder(),
            "OrganizationPolicy",
            &["iam.allowedPolicyMemberDomains", "every member of it"],
        ),
        (
            json!({"perimeter": ["storage.googleapis.com"]}),
            folder(),
            "Perimeter",
            &["ingress rule"],
        ),
        (
            json!({"perimeter": ["sts.googleapis.com"]}),
            Change::Prove,
            "Perimeter",
            &["ingress rule", "vpcServiceControlsUniqueId="],
        ),
        (
            json!({"disabledApis": ["sts.googleapis.com"]}),
            Change::Prove,
            "ApiDisabled",
            &["gcloud services enable sts.googleapis.com --project="],
        ),
    ]
}

#[tokio::test]
async fn what_the_organization_refuses_for_a_day_is_said_once_and_tried_thirty_times_at_most() {
    for (refusals, change, reason, says) in cases() {
        let what = format!("{refusals} at {change:?}");
        let mut tried = Tried::new(json!({"refusals": refusals}), change).await;
        let before = tried.world.last();
        let tries = tried.for_a_day().await;
        assert!((20..=40).contains(&tries), "{what}: {tries} tries");
        let asked = tried.world.asked(before);
        // Account, policy, write; and once for the bucket and a folder that is made.
        assert!(
            asked.len() <= 3 * tries + 5,
            "{what}: {} requests in {tries} tries: {asked:#?}",
            asked.len()
        );
        let written = tried.written.lock().unwrap();
        assert_eq!(
            (written.writes, written.events.len()),
            (1, 1),
            "{what}: {:?}",
            written.events
        );
        let status = tried.identity.status.as_ref().unwrap();
        let said = get(&status.conditions, condition(&tried.change)).unwrap();
        assert_eq!(said.reason, reason, "{what}: {}", said.message);
        for part in says {
            assert!(said.message.contains(part), "{what}: {}", said.message);
        }
    }
}

#[tokio::test]
async fn other_rules_or_an_admin_who_asks_have_it_tried_at_once() {
    let refusals = json!({"refusals": {"disableServiceAccountCreation": ["acme-identities"]}});
    let mut tried = Tried::new(refusals, Change::FindGoogleAccount).await;
    for _ in 0..5 {
        tried.once().await;
    }
    let asked = |tried: &Tried| Asked::of(&tried.identity, None);
    let now = asked(&tried);
    assert!(!tried.memory.is_asked_again(&now), "nothing has changed");
    assert!(tried.memory.not_before.is_some());
    let annotations = tried.identity.metadata.annotations.get_or_insert_default();
    annotations.insert(RETRY_ANNOTATION.to_owned(), "1".to_owned());
    let now = asked(&tried);
    assert!(tried.memory.is_asked_again(&now));
    assert_eq!((tried.memory.not_before, tried.memory.failures), (None, 0));
    assert!(!tried.memory.is_asked_again(&now), "once");
    // As for one that was refused just now.
    assert!(tried.once().await < Duration::from_mins(6));
    let rules = Asked::of(&tried.identity, Some(&fixtures::rules()));
    assert!(tried.memory.is_asked_again(&rules));
}

#[tokio::test]
async fn ten_newcomers_to_a_project_without_creations_cost_one_and_each_is_told_of_its_own() {
    let world = World::new().await;
    let refuse = |refusals: &mut namesake_gcp_emulator::Settings| {
        let projects = &mut refusals.refusals.disable_service_account_creation;
        projects.insert("acme-identities".to_owned());
    };
    world.emulator.state().change_settings(refuse).unwrap();
    let newcomer = |n: usize| {
        let (mut identity, name) = (fixtures::identity(), format!("mf-user{n}-aaaaaaaaaaaaaa"));
        let email = format!("{name}@acme-identities.iam.gserviceaccount.com");
        identity.metadata.name = Some(name);
        identity.spec.google_service_account = Some(email);
        identity
    };
    for n in 0..10 {
        let identity = newcomer(n);
        let failure = google::find(&identity, &world.context).await.unwrap_err();
        assert_eq!(
            (failure.reason, failure.retry),
            ("OrganizationPolicy", Retry::Rarely)
        );
        let name = identity.name_any();
        assert!(failure.message.contains(&name), "{}", failure.message);
    }
    let created = |world: &World| world.written(0).len();
    assert_eq!(created(&world), 1, "{:?}", world.written(0));
    // An admin asks, and creations are allowed by now.
    world
        .context
        .refused_creations
        .forget(Duration::ZERO, Instant::now());
    let allow =
        |settings: &mut namesake_gcp_emulator::Settings| settings.refusals = Default::default();
    world.emulator.state().change_settings(allow).unwrap();
    google::find(&newcomer(0), &world.context).await.unwrap();
}

#[tokio::test]
async fn an_account_that_is_there_is_found_also_where_none_may_be_created() {
    let (world, identity) = (World::new().await, fixtures::identity());
    google::find(&identity, &world.context).await.unwrap();
    let refuse = |refusals: &mut namesake_gcp_emulator::Settings| {
        let projects = &mut refusals.refusals.disable_service_account_creation;
        projects.insert("acme-identities".to_owned());
    };
    world.emulator.state().change_settings(refuse).unwrap();
    let mut other = identity.clone();
    other.metadata.name = Some("mf-bob-aaaaaaaaaaaaaa".into());
    other.spec.google_service_account =
        Some("mf-bob-aaaaaaaaaaaaaa@acme-identities.iam.gserviceaccount.com".into());
    google::find(&other, &world.context).await.unwrap_err();
    google::find(&identity, &world.context).await.unwrap();
}

#[tokio::test]
async fn a_grant_that_cannot_be_taken_back_because_the_organization_blocks_its_policy_holds_up_nobody_who_serves()
 {
    let (world, mut identity) = (World::new().await, fixtures::identity());
    google::find(&identity, &world.context).await.unwrap();
    let on = folder(&identity);
    google::grant(&identity, &world.context, &on).await.unwrap();
    let mut status = namesake_api::IdentityStatus::default();
    crate::google::written::record(&identity, &mut status, &members(&identity));
    identity.status = Some(status);
    // The rules drop the grant, and somebody who is not allowed was in the policy before.
    identity.spec.grants.clear();
    let eve =
        |policy: &mut Policy| policy.add("roles/storage.objectViewer", "user:eve@other.com", None);
    world.context.gcp.modify_policy(&on, eve).await.unwrap();
    let refuse = |settings: &mut namesake_gcp_emulator::Settings| {
        let allowed = ["acme.com", "acme", "acme-identities"].map(str::to_owned);
        settings.refusals.allowed_policy_member_domains = Some(allowed.into());
    };
    world.emulator.state().change_settings(refuse).unwrap();
    let done = leave::revoke(&identity, &world.context).await.unwrap();
    assert!(
        done.taken.is_empty(),
        "it stays recorded, and is tried again"
    );
}

#[tokio::test]
async fn whoever_is_suspended_does_not_act_although_the_organization_blocks_the_policy_of_the_account()
 {
    let (world, mut identity) = (World::new().await, fixtures::identity());
    google::find(&identity, &world.context).await.unwrap();
    google::bind(&identity, &world.context).await.unwrap();
    let eve = |policy: &mut Policy| {
        policy.add("roles/iam.serviceAccountUser", "user:eve@other.com", None);
    };
    let on = account(&identity);
    world.context.gcp.modify_policy(&on, eve).await.unwrap();
    let refuse = |settings: &mut namesake_gcp_emulator::Settings| {
        let allowed = ["acme.com", "acme", "acme-identities"].map(str::to_owned);
        settings.refusals.allowed_policy_member_domains = Some(allowed.into());
    };
    world.emulator.state().change_settings(refuse).unwrap();
    let mut status = namesake_api::IdentityStatus {
        phase: Some(namesake_api::Phase::Suspended),
        ..Default::default()
    };
    crate::google::written::record(&identity, &mut status, &members(&identity));
    identity.status = Some(status);
    let failure = leave::unbind(&identity, &world.context).await.unwrap_err();
    assert_eq!(failure.reason, "OrganizationPolicy");
    assert!(
        failure.message.contains("eve@other.com"),
        "{}",
        failure.message
    );
    let email = identity.spec.google_service_account.as_deref().unwrap();
    let gcp = &world.context.gcp;
    let found = gcp.get_service_account("acme-identities", email).await;
    assert!(found.unwrap().unwrap().disabled);
}
