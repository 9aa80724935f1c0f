//! The writer against the emulator, whose journal counts what was written.

use std::collections::BTreeSet;
use std::time::Duration;

use google_cloud_auth::credentials::anonymous;
use namesake_gcp::{Endpoints, RateLimits, Refusal};
use namesake_gcp_emulator::{Emulator, LoggedRequest, Options};
use serde_json::{Value, json};

use super::*;

const ROLE: &str = "roles/storage.objectViewer";

struct World {
    emulator: Emulator,
    gcp: Gcp,
}

impl World {
    /// A project, a bucket and so many service accounts; answers take as long as Google's.
    async fn with(accounts: usize) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let accounts: Vec<_> = (0..accounts)
            .map(|n| json!({"project": "acme", "accountId": format!("mf-user{n}")}))
            .collect();
        let world = json!({
            "projects": [{"id": "acme", "number": 123}],
            "serviceAccounts": accounts,
            "buckets": [{"name": "acme-mf", "project": "acme"}],
            "settings": {"anonymousAdmin": true, "latency": {"milliseconds": 40, "jitterMilliseconds": 20},
                "limits": {"policyBytes": 1_000_000, "serviceAccounts": 10_000}},
        });
        let options = Options {
            seed: serde_json::from_value(world).unwrap(),
            random_seed: Some(1),
            ..Options::default()
        };
        let emulator = Emulator::start(options).await.unwrap();
        let url = || emulator.base_url.clone();
        let endpoints = Endpoints {
            iam: url(),
            iam_credentials: url(),
            sts: url(),
            storage: url(),
            resource_manager: url(),
        };
        let gcp = Gcp::connect(endpoints, anonymous::Builder::new().build());
        let gcp = gcp.await.unwrap().with_rate_limits(RateLimits::default());
        Self {
            emulator,
            gcp: gcp.within(Duration::from_secs(30)),
        }
    }

    fn policies(&self, limits: PolicyLimits) -> Policies {
        Policies::new(self.gcp.clone(), WriteSpacing::default(), limits)
    }

    fn fault(&self, fault: Value) {
        let fault = serde_json::from_value(fault).unwrap();
        self.emulator.state().add_fault(fault);
    }

    /// Writes of policies, with their answers.
    fn writes(&self) -> Vec<LoggedRequest> {
        let write = |entry: &LoggedRequest| {
            entry.path.ends_with(":setIamPolicy")
                || (entry.method == "PUT" && entry.path.ends_with("/iam"))
        };
        self.emulator
            .state()
            .requests(0)
            .into_iter()
            .filter(write)
            .collect()
    }
}

fn project() -> Resource {
    Resource::Project { id: "acme".into() }
}

fn bucket() -> Resource {
    Resource::Bucket {
        name: "acme-mf".into(),
    }
}

fn folder() -> Resource {
    Resource::ManagedFolder {
        bucket: "acme-mf".into(),
        folder: "shared/".into(),
    }
}

fn member(n: usize) -> String {
    format!("serviceAccount:mf-user{n}@acme.iam.gserviceaccount.com")
}

fn grant(n: usize) -> Vec<Edit> {
    vec![Edit::add(ROLE, member(n))]
}

const LARGE: PolicyLimits = PolicyLimits {
    principals: 1_500,
    bytes: 1_000_000,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_new_users_of_a_project_need_at_most_twenty_writes_of_its_policy() {
    let world = World::with(1_000).await;
    let policies = world.policies(LARGE);
    let mut users = tokio::task::JoinSet::new();
    for n in 0..1_000 {
        let policies = policies.clone();
        users.spawn(async move {
            // They arrive one after the other.
            tokio::time::sleep(Duration::from_millis(4 * n as u64)).await;
            policies.change(&project(), grant(n)).await
        });
    }
    for done in users.join_all().await {
        assert!(done.unwrap().changed);
    }
    let writes = world.writes();
    assert!(writes.len() <= 20, "{} writes", writes.len());
    assert!(writes.iter().all(|write| write.status == 200));
    let policy = world.gcp.policy(&project()).await.unwrap();
    let members: BTreeSet<_> = policy.members(ROLE).collect();
    assert_eq!(members.len(), 1_000);
    assert_eq!(policies.sizes()[0].1.principals, policy.member_count());
}

#[tokio::test]
async fn changes_that_arrive_during_a_write_share_the_next_one() {
    let world = World::with(20).await;
    let policies = world.policies(LARGE);
    let all = (0..20).map(|n| {
        let policies = policies.clone();
        async move { policies.change(&folder(), grant(n)).await }
    });
    for done in futures::future::join_all(all).await {
        assert!(done.unwrap().changed);
    }
    assert!(world.writes().len() <= 2, "{:?}", world.writes());
}

#[tokio::test]
async fn a_bucket_is_written_once_a_second_so_that_google_never_refuses() {
    let world = World::with(4).await;
    let strict = |s: &mut namesake_gcp_emulator::Settings| s.limits.bucket_update_burst = 1;
    world.emulator.state().change_settings(strict).unwrap();
    let policies = world.policies(LARGE);
    for n in 0..4 {
        policies.change(&bucket(), grant(n)).await.unwrap();
    }
    let answers: Vec<_> = world.writes().iter().map(|write| write.status).collect();
    assert_eq!(answers, [200; 4]);
}

#[tokio::test]
async fn a_change_that_google_refuses_does_not_fail_the_others() {
    let world = World::with(6).await;
    let policies = world.policies(LARGE);
    // A member that does not exist, a role that does not, and one that the answer does not name.
    let unknown = vec![Edit::add(
        ROLE,
        "serviceAccount:gone@acme.iam.gserviceaccount.com",
    )];
    let role = vec![Edit::add("projects/acme/roles/none", member(1))];
    let odd = vec![Edit::add(ROLE, "nobody")];
    let all = [
        grant(0),
        unknown,
        grant(2),
        role,
        grant(3),
        odd,
        grant(4),
        grant(5),
    ];
    let all = all.map(|edits| {
        let policies = policies.clone();
        async move { policies.change(&project(), edits).await }
    });
    let outcome: Vec<_> = futures::future::join_all(all)
        .await
        .iter()
        .map(outcome_of)
        .collect();
    let bad = ["NotYetVisible", "Invalid", "Invalid"];
    assert_eq!(
        outcome,
        [
            "done", bad[0], "done", bad[1], "done", bad[2], "done", "done"
        ]
    );
    let policy = world.gcp.policy(&project()).await.unwrap();
    assert_eq!(policy.members(ROLE).count(), 5);
}

/// What became of a change, in a word.
fn outcome_of<T>(done: &Result<T, Error>) -> &'static str {
    match done {
        Ok(_) => "done",
        Err(Error::NotYetVisible(_)) => "NotYetVisible",
        Err(Error::Invalid(_)) => "Invalid",
        Err(Error::Refused {
            by: Refusal::OrganizationPolicy { .. },
            ..
        }) => "OrganizationPolicy",
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn two_independent_writers_lose_no_member() {
    let world = World::with(40).await;
    let (ours, theirs) = (world.policies(LARGE), world.policies(LARGE));
    let all = (0..40).map(|n| {
        let policies = if n % 2 == 0 { &ours } else { &theirs };
        let policies = policies.clone();
        async move { policies.change(&project(), grant(n)).await }
    });
    for done in futures::future::join_all(all).await {
        done.unwrap();
    }
    let policy = world.gcp.policy(&project()).await.unwrap();
    assert_eq!(policy.members(ROLE).count(), 40);
    assert!(
        world.writes().iter().any(|write| write.status == 409),
        "they never conflicted"
    );
}

#[tokio::test]
async fn after_many_conflicts_every_change_is_written_once() {
    let world = World::with(3).await;
    let stale = json!({"method": "POST", "path": "*:setIamPolicy", "times": 3, "answer": {"status": {"code": 409}}});
    world.fault(stale);
    let lost = json!({"method": "POST", "path": "*:setIamPolicy", "applied": true, "answer": {"status": {"code": 503}}});
    world.fault(lost);
    let policies = world.policies(LARGE);
    let all = (0..3).map(|n| {
        let policies = policies.clone();
        async move { policies.change(&project(), grant(n)).await }
    });
    for done in futures::future::join_all(all).await {
        done.unwrap();
    }
    let policy = world.gcp.policy(&project()).await.unwrap();
    assert_eq!(policy.members(ROLE).count(), 3);
}

#[tokio::test]
async fn a_change_without_room_is_refused_before_it_is_written() {
    let world = World::with(3).await;
    let limits = PolicyLimits {
        principals: 2,
        ..LARGE
    };
    let policies = world.policies(limits);
    policies.change(&folder(), grant(0)).await.unwrap();
    policies.change(&folder(), grant(1)).await.unwrap();
    let error = policies.change(&folder(), grant(2)).await.unwrap_err();
    assert!(matches!(error, Error::PolicyFull(_)), "{error}");
    let message = error.to_string();
    assert!(
        message.contains("3 principals, and may have 2") && message.contains("group"),
        "{message}"
    );
    assert_eq!(world.writes().len(), 2);
    let removal = vec![Edit::RemoveMember(member(0))];
    assert!(policies.change(&folder(), removal).await.unwrap().changed);
}

#[tokio::test]
async fn a_folder_is_not_created_to_remove_something_from_it() {
    let world = World::with(1).await;
    let policies = world.policies(LARGE);
    let removal = vec![Edit::remove(ROLE, member(0))];
    let error = policies.change(&folder(), removal).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error}");
    let posts = world.emulator.state().requests(0).into_iter();
    assert_eq!(posts.filter(|entry| entry.method == "POST").count(), 0);
}

#[tokio::test]
async fn a_caller_that_stops_waiting_does_not_cancel_the_change() {
    let world = World::with(2).await;
    let policies = world.policies(LARGE);
    let project = project();
    let impatient = policies.change(&project, grant(0));
    assert!(
        tokio::time::timeout(Duration::from_millis(1), impatient)
            .await
            .is_err()
    );
    policies.change(&project, grant(1)).await.unwrap();
    let policy = world.gcp.policy(&project).await.unwrap();
    assert_eq!(policy.members(ROLE).count(), 2);
}

/// Sets an organization policy that allows only members of these owners.
fn allows_only(world: &World, owners: &[&str]) {
    let owners = owners.iter().map(|&owner| owner.to_owned()).collect();
    let change = |s: &mut namesake_gcp_emulator::Settings| {
        s.refusals.allowed_policy_member_domains = Some(owners);
    };
    world.emulator.state().change_settings(change).unwrap();
}

async fn add_member(world: &World, on: &Resource, member: &str) {
    let add = |policy: &mut Policy| policy.add(ROLE, member, None);
    world.gcp.modify_policy(on, add).await.unwrap();
}

/// The outcomes of grants to so many users at once.
async fn granted(policies: &Policies, on: &Resource, users: usize) -> Vec<Result<(), Error>> {
    let all = (0..users).map(|n| async move { policies.change(on, grant(n)).await.map(drop) });
    futures::future::join_all(all).await
}

#[tokio::test]
async fn an_older_member_that_is_not_allowed_is_named_after_one_write_and_blocks_no_other_policy() {
    let world = World::with(20).await;
    let policies = world.policies(LARGE);
    let eve = "user:eve@other.com";
    add_member(&world, &project(), eve).await;
    add_member(&world, &bucket(), eve).await;
    allows_only(&world, &["acme.com", "acme"]);
    let before = world.writes().len();
    for (on, cause) in [
        (project(), "in the policy already: user:eve@other.com"),
        (
            bucket(),
            "not of the identities' projects: user:eve@other.com",
        ),
    ] {
        for outcome in granted(&policies, &on, 20).await {
            let error = outcome.unwrap_err();
            let refusal = error.refusal();
            assert!(matches!(refusal, Some(Refusal::OrganizationPolicy { .. })));
            assert!(error.to_string().contains(cause), "{error}");
        }
    }
    let refused = world.writes().len() - before;
    assert!(refused <= 4, "{refused} writes for forty changes");
    for outcome in granted(&policies, &folder(), 20).await {
        outcome.unwrap();
    }
}

#[tokio::test]
async fn a_new_member_that_is_not_allowed_does_not_fail_the_others() {
    let world = World::with(2).await;
    let policies = world.policies(LARGE);
    let account = json!([{"project": "vendor", "accountId": "mf-user9"}]);
    let seed = json!({"projects": [{"id": "vendor", "number": 9}], "serviceAccounts": account});
    let seed = serde_json::from_value(seed).unwrap();
    world.emulator.state().seed(seed).unwrap();
    allows_only(&world, &["acme.com", "acme"]);
    let foreign = "serviceAccount:mf-user9@vendor.iam.gserviceaccount.com";
    for on in [project(), bucket()] {
        let all = [grant(0), vec![Edit::add(ROLE, foreign)], grant(1)];
        let all = all.map(|edits| policies.change(&on, edits));
        let outcome: Vec<_> = futures::future::join_all(all).await;
        let outcomes: Vec<_> = outcome.iter().map(outcome_of).collect();
        assert_eq!(outcomes, ["done", "OrganizationPolicy", "done"], "{on}");
    }
}
