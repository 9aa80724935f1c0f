//! The broker's permissions at Google are exactly those that Terraform grants: it does everything that it does there, with custom
//! roles of permissions.json and nothing else, and the emulator's log says which permissions were checked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kube::client::Body;
use namesake_api::{BindBy, Grant, Phase};

use super::*;
use crate::controllers::garbage;
use crate::controllers::quota::count::QuotaCounter;
use crate::controllers::reconcile::memory::Memory;
use crate::controllers::reconcile::step_run::settle::{remaining_changes, settle};
use crate::identity::derive;
use crate::identity::plan::Goal;
use crate::identity::plan::change::Change;
use crate::identity::plan::observed::ServiceAccountState;
use crate::identity::store::Identities;
use crate::server::clean::{Clean, Output};
use crate::server::config::Timings;

/// What the broker is granted, by kind of resource.
type Lists = BTreeMap<String, BTreeSet<String>>;

const FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../terraform/modules/namesake/permissions.json"
);
const BROKER: &str = "namesake-broker@acme.com";
const USER: &str = "roles/storage.objectUser";
const PINNED: &str = "alice-ml@acme-people.iam.gserviceaccount.com";
const DEADLINE: Duration = Duration::from_secs(30);
/// The resource on which each list is granted here.
const PLACES: [(&str, &str); 6] = [
    ("buckets", "projects/_/buckets/acme-shared"),
    ("cluster_project", "projects/acme"),
    ("folders", "projects/_/buckets/acme-mf"),
    ("identities", "projects/acme-identities"),
    ("pinned_accounts", "projects/acme-people"),
    ("projects", "projects/acme-data"),
];

fn lists() -> Lists {
    let text = std::fs::read_to_string(FILE).unwrap();
    let lists: BTreeMap<String, Vec<String>> = serde_json::from_str(&text).unwrap();
    for (list, permissions) in &lists {
        assert!(permissions.is_sorted(), "{list} is not sorted");
    }
    let set = |(list, permissions): (_, Vec<_>)| (list, permissions.into_iter().collect());
    lists.into_iter().map(set).collect()
}

/// The name of the custom role with a list, in a project where it can be granted.
fn role(list: &str) -> String {
    let project = match list {
        "identities" => "acme-identities",
        "pinned_accounts" => "acme-people",
        "projects" => "acme-data",
        _ => "acme",
    };
    format!("projects/{project}/roles/{list}")
}

/// What an admin of acme has set up, with these lists as the broker's roles.
fn seed(lists: &Lists) -> Value {
    let binding = |list: &str| json!([{"role": role(list), "members": [format!("user:{BROKER}")]}]);
    let roles: Vec<_> = lists
        .iter()
        .map(|(list, permissions)| json!({"name": role(list), "includedPermissions": permissions}))
        .collect();
    json!({
        "roles": roles,
        "projects": [
            {"id": "acme", "number": 123, "bindings": binding("cluster_project")},
            {"id": "acme-identities", "number": 456, "bindings": binding("identities")},
            {"id": "acme-data", "number": 789, "bindings": binding("projects")},
            {"id": "acme-people", "number": 1011},
        ],
        "serviceAccounts": [
            {"project": "acme-people", "accountId": "alice-ml", "bindings": binding("pinned_accounts")},
        ],
        "buckets": [
            {"name": "acme-mf", "project": "acme", "uniformBucketLevelAccess": true, "bindings": binding("folders")},
            {"name": "acme-shared", "project": "acme", "uniformBucketLevelAccess": true, "bindings": binding("buckets")},
        ],
        "settings": {"anonymousAdmin": false, "limits": {"bucketUpdatesPerSecond": null}},
    })
}

/// A broker with its roles and nothing else.
struct Broker {
    world: World,
    context: Arc<Context>,
}

impl Broker {
    async fn new() -> Self {
        let world = World::new().await;
        let lists = lists();
        world.seed(seed(&lists));
        let token = Bearer(world.emulator.state().user_token(BROKER));
        let config = Config {
            collect: true,
            collect_after: Duration::ZERO,
            timings: Timings::scaled(10_000),
            ..Config::default()
        };
        let mut context = World::context_as(&world.emulator.base_url, token.into(), config).await;
        context.client = api_server();
        context.identities = Identities::listed_none();
        context.rules.set(fixtures::rules());
        Self {
            world,
            context: Arc::new(context),
        }
    }

    /// Takes the steps of the plan until the goal is reached. In the cluster everything succeeds, and so does every verification,
    /// which uses tokens of the identity and none of the broker.
    async fn reach(&self, identity: &mut Identity, goal: Goal, mut memory: Memory) {
        let phase = match goal {
            Goal::Suspend => Phase::Suspended,
            Goal::Offboard { .. } => Phase::Offboarding,
            _ => Phase::InUse,
        };
        let mut account = ServiceAccountState::Right;
        identity.status.get_or_insert_default().phase = Some(phase);
        loop {
            let mut status = identity.status.clone().unwrap_or_default();
            let changes = remaining_changes(identity, &status, &memory, goal, account);
            let Some(change) = changes.into_iter().next() else {
                return;
            };
            let outcome = match change {
                Change::Verify | Change::VerifyAgain | Change::Drain => StepOutcome::default(),
                _ if change.is_in_cluster() => in_cluster(&change),
                _ => step::execute(identity, &self.context, &change, &mut memory)
                    .await
                    .unwrap(),
            };
            account = outcome.service_account.unwrap_or(account);
            memory.step_succeeded(&change, outcome.repaired);
            let outcomes = std::iter::once(&outcome);
            let now = self.context.now();
            settle(identity, &mut status, outcomes, &memory, goal, account, now);
            identity.status = Some(status);
        }
    }

    /// The whole life of an identity: created, checked, suspended, offboarded, back again, deleted.
    async fn live(&self, mut identity: Identity) {
        let (new, mut check) = (Memory::default, Memory::default());
        check.start_check();
        self.reach(&mut identity, Goal::Serve, new()).await;
        assert!(identity.is_ready(), "{:?}", identity.status);
        self.reach(&mut identity, Goal::Serve, check).await;
        for goal in [
            Goal::Suspend,
            Goal::Serve,
            Goal::Offboard { delete: false },
            Goal::Offboard { delete: true },
            Goal::Serve,
        ] {
            self.reach(&mut identity, goal, new()).await;
        }
        delete_at_google(&identity, &self.context).await.unwrap();
    }

    /// A project without room for another account: the class allows mode direct.
    async fn fall_back_to_direct(&self) {
        let rules = fixtures::rules_with("  whenFull: direct\n");
        let mut identity = fixtures::identity();
        let spec = derive::direct_fallback(&rules, &identity.spec).unwrap();
        self.context.rules.set(rules);
        let set = |limit| {
            let settings = self.world.emulator.state();
            let change = settings.change_settings(|s| s.limits.service_accounts = limit);
            change.unwrap();
        };
        set(Some(0));
        let full = google_account::ensure(&identity, &self.context).await;
        assert_eq!(full.unwrap_err().reason, Reason::FellBackToDirect);
        set(None);
        identity.spec = spec;
        self.live(identity).await;
    }

    /// An account with our mark and without an Identity is disabled and then deleted.
    async fn collect_garbage(&self) {
        let mut lost = fixtures::request();
        lost.user = "lost@acme.com".into();
        lost.values.insert("user".into(), lost.user.clone());
        let lost = derive::identity(&fixtures::rules(), &lost).unwrap();
        let lost = crate::identity::objects::identity("research", &lost.name, lost.spec);
        let account = json!({"project": "acme-identities", "accountId": lost.name_any(),
            "description": google_account::mark(&lost).unwrap()});
        self.world.seed(json!({"serviceAccounts": [account]}));
        let collect = garbage::collect::run(Arc::clone(&self.context));
        self.until("DELETE", collect).await;
    }

    async fn count_quotas(&self) {
        let context = Arc::clone(&self.context);
        let count = QuotaCounter { context }.run();
        self.until("GET", count).await;
    }

    /// Does `work` until it has sent such a request to the identities' project.
    async fn until(&self, method: &str, work: impl Future<Output = ()>) {
        let line = format!("{method} /v1/projects/acme-identities/serviceAccounts");
        let before = self.world.last();
        let sent = async {
            let is_it = |sent: &String| sent.starts_with(&line);
            while !self.world.requests(before).iter().any(is_it) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let until = async {
            tokio::select! {
                () = work => panic!("it ended before it sent {line}"),
                () = sent => {}
            }
        };
        let done = tokio::time::timeout(DEADLINE, until).await;
        assert!(done.is_ok(), "no {line}: {:?}", self.world.requests(before));
    }

    async fn clean(&self) {
        let mut identity = fixtures::identity();
        self.reach(&mut identity, Goal::Serve, Memory::default())
            .await;
        let clean = Clean {
            stack: "prod".into(),
            namespaces: vec!["research".into()],
            dry_run: false,
            output: Output::Text,
        };
        let (gcp, config) = (&self.context.gcp, self.context.config.clone());
        let done = clean.run(&self.context.client, gcp, config).await.unwrap();
        assert_eq!(
            clean.print(&done).matches(": deleted").count(),
            1,
            "{done:?}"
        );
    }

    /// The permissions that Google has checked, by list. None was missing.
    fn checked(&self) -> Lists {
        let mut checked = Lists::new();
        for request in self.world.emulator.state().requests(0) {
            let line = format!("{} {}", request.method, request.path);
            assert!(
                request.caller.is_empty() || request.caller == BROKER,
                "{line}"
            );
            assert_ne!(request.status, 403, "{line}: {:?}", request.permissions);
            for check in request.permissions {
                assert!(check.granted, "{line}: {check:?}");
                let is_here = |at: &str| {
                    let rest = check.resource.strip_prefix(at);
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                };
                let place = PLACES.iter().find(|(_, at)| is_here(at));
                let (list, _) = place.unwrap_or_else(|| panic!("{line}: {check:?}"));
                checked
                    .entry((*list).to_owned())
                    .or_default()
                    .insert(check.permission);
            }
        }
        checked
    }
}

/// The outcome of a step that changes only the cluster.
fn in_cluster(change: &Change) -> StepOutcome {
    let deleted = *change == Change::DeleteServiceAccount;
    let state = match deleted {
        true => ServiceAccountState::Absent,
        false => ServiceAccountState::Right,
    };
    StepOutcome {
        service_account: Some(state),
        service_account_uid: (!deleted).then(|| "u-1".to_owned()),
        service_account_deleted: deleted,
        ..StepOutcome::default()
    }
}

/// An API server that lists one Identity and accepts changes of it; nothing else exists.
fn api_server() -> Client {
    fixtures::client(|request| async move {
        let identity = fixtures::identity();
        let is_list = request.uri().path().ends_with("/identities");
        let (status, body) = match (request.method().as_str(), is_list) {
            ("GET", true) => (200, json!({"metadata": {}, "items": [identity]})),
            ("PATCH" | "DELETE", _) => (200, json!(identity)),
            _ => (
                404,
                json!({"kind": "Status", "code": 404, "reason": "NotFound"}),
            ),
        };
        let body = Body::from(body.to_string().into_bytes());
        http::Response::builder().status(status).body(body).unwrap()
    })
}

/// Identities of every kind that there is at Google.
fn identities() -> Vec<Identity> {
    let with = |change: fn(&mut Identity)| {
        let mut identity = fixtures::identity();
        change(&mut identity);
        identity
    };
    let mut direct = direct();
    direct.spec.grants.push(on_data());
    vec![
        fixtures::identity(),
        direct,
        with(|identity| identity.spec.bind_by = BindBy::Uid),
        with(|identity| {
            let bucket = Grant {
                role: USER.into(),
                bucket: Some("acme-shared".into()),
                ..Grant::default()
            };
            let prefix = Grant {
                prefix: Some("users/a/".into()),
                ..bucket.clone()
            };
            let itself = Grant {
                role: "roles/iam.serviceAccountTokenCreator".into(),
                service_account: identity.spec.google_service_account.clone(),
                ..Grant::default()
            };
            identity.spec.grants = vec![bucket, prefix, itself, on_data()];
        }),
        with(|identity| {
            identity.spec.pinned = true;
            identity.spec.project = "acme-people".into();
            identity.spec.google_service_account = Some(PINNED.into());
        }),
    ]
}

fn on_data() -> Grant {
    Grant {
        role: "roles/bigquery.jobUser".into(),
        project: Some("acme-data".into()),
        ..Grant::default()
    }
}

/// `list: permission` of what the first have and the others do not.
fn without(some: &Lists, others: &Lists) -> Vec<String> {
    let lines = |lists: &Lists| -> BTreeSet<String> {
        let lines = lists.iter().flat_map(|(list, permissions)| {
            permissions
                .iter()
                .map(move |permission| format!("{list}: {permission}"))
        });
        lines.collect()
    };
    lines(some).difference(&lines(others)).cloned().collect()
}

#[tokio::test]
async fn the_broker_calls_exactly_the_permissions_that_terraform_grants() {
    let broker = Broker::new().await;
    for identity in identities() {
        broker.live(identity).await;
    }
    broker.collect_garbage().await;
    broker.count_quotas().await;
    broker.clean().await;
    broker.fall_back_to_direct().await;
    let (granted, called) = (lists(), broker.checked());
    let (unused, missing) = (without(&granted, &called), without(&called, &granted));
    assert!(
        unused.is_empty() && missing.is_empty(),
        "terraform/modules/namesake/permissions.json has {unused:?}, which the broker never calls, and lacks {missing:?}"
    );
}
