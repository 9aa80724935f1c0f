//! Refusals by an organization: reported once, with the remedy, and tried again rarely, however long they last.

use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use kube::client::Body;
use namesake_api::conditions::get;
use namesake_api::names::RETRY_ANNOTATION;
use tokio::time::Instant;

use super::*;
use crate::controllers::reconcile::memory::Memory;
use crate::controllers::reconcile::step_run::StepRun;
use crate::identity::plan::Goal;
use crate::identity::plan::change::Change;
use crate::identity::plan::observed::ServiceAccountState;
use crate::identity::progress::condition_of;
use crate::identity::retry_trigger::RetryTrigger;

/// What the API server got: the current status, how often it was written, and Events.
#[derive(Default)]
struct Written {
    status: Value,
    writes: usize,
    events: Vec<String>,
}

/// An API server that has one Identity, stores its status, and issues tokens that are not verified.
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

/// A step of an identity that is tried again and again.
struct RepeatedStep {
    world: World,
    written: Arc<Mutex<Written>>,
    identity: Identity,
    memory: Memory,
    change: Change,
}

impl RepeatedStep {
    async fn new(settings: Value, change: Change) -> Self {
        let (mut world, mut identity) = (World::new().await, fixtures::identity());
        identity.metadata.uid = Some("u".into());
        if !matches!(change, Change::EnsureGoogleAccount) {
            google_account::ensure(&identity, &world.context)
                .await
                .unwrap();
        }
        let (client, written) = api_server(&identity);
        let none = crate::google::policies::WriteSpacing {
            storage: Duration::ZERO,
            first: Duration::ZERO,
            longest: Duration::ZERO,
        };
        let limits = crate::google::policies::PolicyLimits::default();
        world.context.policies =
            crate::google::policies::Policies::new(world.context.gcp.clone(), none, limits);
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

    /// Tries once, as the controller does. Returns how long it waits then.
    async fn once(&mut self) -> Duration {
        let account = ServiceAccountState::Right.into();
        let now = Timestamp::UNIX_EPOCH;
        let identity = self.identity.clone();
        let mut run = StepRun::new(identity, Goal::Serve, account, Vec::new(), now);
        let (began, until) = (Instant::now(), Instant::now() + Duration::from_secs(60));
        let change = self.change.clone();
        let done = run.run(&self.world.context, &mut self.memory, &change, until);
        assert!(done.await.unwrap().is_some(), "the step succeeded");
        let status = self.written.lock().unwrap().status.clone();
        self.identity.status = serde_json::from_value(status).unwrap();
        let next = self.memory.not_before.unwrap();
        next.saturating_duration_since(began)
    }

    /// Tries whenever it is due for a day. Returns how often.
    async fn for_a_day(&mut self) -> usize {
        let (mut passed, mut tries) = (Duration::ZERO, 0);
        while passed < Duration::from_hours(24) {
            let wait = self.once().await;
            // Google's clock goes on as well: it limits updates of a bucket by the second.
            let clock = self.world.emulator.state().clock();
            clock.advance(wait.try_into().unwrap());
            passed += wait;
            tries += 1;
            assert!(tries < 100, "a storm: {tries} tries in {passed:?}");
        }
        tries
    }
}

/// Setting of the refusal, the step that it refuses, the reason, and parts of the message.
fn cases() -> [(Value, Change, &'static str, &'static [&'static str]); 8] {
    let folder = || Change::Grant(folder(&fixtures::identity()));
    [
        (
            json!({"disableServiceAccountCreation": ["acme-identities"]}),
            Change::EnsureGoogleAccount,
            "OrganizationPolicy",
            &["iam.disableServiceAccountCreation", "mode: direct"],
        ),
        (
            json!({"disabledApis": ["iam.googleapis.com"]}),
            Change::EnsureGoogleAccount,
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
            &["iam.allowedPolicyMemberDomains", "all its members"],
        ),
        (
            json!({"perimeter": ["storage.googleapis.com"]}),
            folder(),
            "Perimeter",
            &["ingress rule"],
        ),
        (
            json!({"perimeter": ["sts.googleapis.com"]}),
            Change::Verify,
            "Perimeter",
            &["ingress rule", "vpcServiceControlsUniqueId="],
        ),
        (
            json!({"disabledApis": ["sts.googleapis.com"]}),
            Change::Verify,
            "ApiDisabled",
            &["gcloud services enable sts.googleapis.com --project="],
        ),
    ]
}

#[tokio::test]
async fn what_the_organization_refuses_is_reported_once_and_tried_about_thirty_times_a_day() {
    for (refusals, change, reason, says) in cases() {
        let what = format!("{refusals} at {change:?}");
        let mut tried = RepeatedStep::new(json!({"refusals": refusals}), change).await;
        let before = tried.world.last();
        let tries = tried.for_a_day().await;
        assert!((20..=40).contains(&tries), "{what}: {tries} tries");
        let requests = tried.world.requests(before);
        // Account, policy, write; and once for the bucket and a folder that is made.
        assert!(
            requests.len() <= 3 * tries + 5,
            "{what}: {} requests in {tries} tries: {requests:#?}",
            requests.len()
        );
        let written = tried.written.lock().unwrap();
        assert_eq!(
            (written.writes, written.events.len()),
            (1, 1),
            "{what}: {:?}",
            written.events
        );
        let status = tried.identity.status.as_ref().unwrap();
        let said = get(&status.conditions, condition_of(&tried.change)).unwrap();
        assert_eq!(said.reason, reason, "{what}: {}", said.message);
        for part in says {
            assert!(said.message.contains(part), "{what}: {}", said.message);
        }
    }
}

#[tokio::test]
async fn other_rules_or_an_admin_trigger_a_retry_at_once() {
    let refusals = json!({"refusals": {"disableServiceAccountCreation": ["acme-identities"]}});
    let mut tried = RepeatedStep::new(refusals, Change::EnsureGoogleAccount).await;
    for _ in 0..5 {
        tried.once().await;
    }
    let trigger = |tried: &RepeatedStep| RetryTrigger::of(&tried.identity, None);
    let now = trigger(&tried);
    assert!(
        !tried.memory.retry_if_triggered(&now),
        "nothing has changed"
    );
    assert!(tried.memory.not_before.is_some());
    let annotations = tried.identity.metadata.annotations.get_or_insert_default();
    annotations.insert(RETRY_ANNOTATION.to_owned(), "1".to_owned());
    let now = trigger(&tried);
    assert!(tried.memory.retry_if_triggered(&now));
    assert_eq!((tried.memory.not_before, tried.memory.failures), (None, 0));
    assert!(!tried.memory.retry_if_triggered(&now), "once");
    // The backoff starts again.
    assert!(tried.once().await < Duration::from_mins(6));
    let rules = RetryTrigger::of(&tried.identity, Some(&fixtures::rules()));
    assert!(tried.memory.retry_if_triggered(&rules));
}

#[tokio::test]
async fn ten_new_users_in_a_project_that_refuses_creations_cost_one_call() {
    let world = World::new().await;
    let refuse = |refusals: &mut namesake_gcp_emulator::Settings| {
        let projects = &mut refusals.refusals.disable_service_account_creation;
        projects.insert("acme-identities".to_owned());
    };
    world.emulator.state().change_settings(refuse).unwrap();
    let new_user = |n: usize| {
        let (mut identity, name) = (fixtures::identity(), format!("mf-user{n}-aaaaaaaaaaaaaa"));
        let email = format!("{name}@acme-identities.iam.gserviceaccount.com");
        identity.metadata.name = Some(name);
        identity.spec.google_service_account = Some(email);
        identity
    };
    for n in 0..10 {
        let identity = new_user(n);
        let failure = google_account::ensure(&identity, &world.context)
            .await
            .unwrap_err();
        assert_eq!(
            (failure.reason, failure.retry),
            (Reason::OrganizationPolicy, Retry::Rarely)
        );
        let name = identity.name_any();
        assert!(failure.message.contains(&name), "{}", failure.message);
    }
    let created = |world: &World| world.written(0).len();
    assert_eq!(created(&world), 1, "{:?}", world.written(0));
    // Creations are allowed now, and an admin triggers a retry.
    world
        .context
        .refused_creations
        .forget(Duration::ZERO, Instant::now());
    let allow =
        |settings: &mut namesake_gcp_emulator::Settings| settings.refusals = Default::default();
    world.emulator.state().change_settings(allow).unwrap();
    google_account::ensure(&new_user(0), &world.context)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_existing_account_is_found_where_creations_are_refused() {
    let (world, identity) = (World::new().await, fixtures::identity());
    google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    let refuse = |refusals: &mut namesake_gcp_emulator::Settings| {
        let projects = &mut refusals.refusals.disable_service_account_creation;
        projects.insert("acme-identities".to_owned());
    };
    world.emulator.state().change_settings(refuse).unwrap();
    let mut other = identity.clone();
    other.metadata.name = Some("mf-bob-aaaaaaaaaaaaaa".into());
    other.spec.google_service_account =
        Some("mf-bob-aaaaaaaaaaaaaa@acme-identities.iam.gserviceaccount.com".into());
    google_account::ensure(&other, &world.context)
        .await
        .unwrap_err();
    google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_grant_that_the_organization_keeps_the_broker_from_revoking_delays_nothing() {
    let (world, mut identity) = (World::new().await, fixtures::identity());
    google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    let on = folder(&identity);
    policies::grant(&identity, &world.context, &on)
        .await
        .unwrap();
    let mut status = namesake_api::IdentityStatus::default();
    crate::google::recorded::add(&identity, &mut status, &members(&identity));
    identity.status = Some(status);
    // The rules drop the grant, and the policy has a member that is not allowed.
    identity.spec.grants.clear();
    let eve =
        |policy: &mut Policy| policy.add("roles/storage.objectViewer", "user:eve@other.com", None);
    world.context.gcp.modify_policy(&on, eve).await.unwrap();
    let refuse = |settings: &mut namesake_gcp_emulator::Settings| {
        let allowed = ["acme.com", "acme", "acme-identities"].map(str::to_owned);
        settings.refusals.allowed_policy_member_domains = Some(allowed.into());
    };
    world.emulator.state().change_settings(refuse).unwrap();
    let done = revoke::revoke(&identity, &world.context).await.unwrap();
    assert!(
        done.revoked.is_empty(),
        "it stays recorded, and is tried again"
    );
}

#[tokio::test]
async fn a_suspended_identity_is_disabled_if_the_organization_blocks_the_policy_of_its_account() {
    let (world, mut identity) = (World::new().await, fixtures::identity());
    google_account::ensure(&identity, &world.context)
        .await
        .unwrap();
    policies::bind(&identity, &world.context).await.unwrap();
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
    crate::google::recorded::add(&identity, &mut status, &members(&identity));
    identity.status = Some(status);
    let failure = revoke::unbind(&identity, &world.context).await.unwrap_err();
    assert_eq!(failure.reason, Reason::OrganizationPolicy);
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
