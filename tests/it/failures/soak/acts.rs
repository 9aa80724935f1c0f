//! Performs the actions of a soak test.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Result;
use k8s_openapi::api::{batch::v1::Job, coordination::v1::Lease, core::v1::ServiceAccount};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use namesake_api::{
    Identity,
    names::{BROKER_LEASE, GSA_ANNOTATION, SYSTEM_NAMESPACE},
};
use namesake_tests::{
    cluster::person::Person,
    drafts::metaflow_job,
    google::email,
    namespace::TestNamespace,
    stack::{STACK, program::Program},
};
use serde_json::json;

use super::{
    book::person,
    plan::{Act, Book, Class, Fault, Meddling},
    watch::Watch,
};

/// The label with the person's name on their Jobs.
const OF: &str = "soak.example/of";
/// Longer than the idle time of the class `brief`, in seconds.
const IDLE: i64 = 61;
/// The number of writes in a burst of conflicts.
const TOUCHES: usize = 20;

/// Everything that the actions use.
pub(super) struct World {
    pub(super) ns: TestNamespace,
    /// The offset of the brokers' clock.
    ahead: Arc<AtomicI64>,
    pub(super) watch: Watch,
    pub(super) admin: Person,
    /// The broker's service account, because the policies allow nobody else to write managed objects.
    pub(super) broker: Person,
    pub(super) collector: Person,
    pub(super) book: Book,
    pub(super) second: Option<Program>,
    /// Whether the broker ever lacked its rights at Google.
    pub(super) was_denied: bool,
    /// The number of service accounts, and of GSAs, with another stack's mark.
    pub(super) aliens: usize,
    /// The policies of GSAs that were deleted at Google.
    pub(super) deleted: BTreeSet<String>,
}

impl World {
    pub(super) async fn new(ns: &TestNamespace, ahead: Arc<AtomicI64>) -> Result<Self> {
        Ok(Self {
            ns: ns.clone(),
            ahead,
            watch: Watch::start(ns).await?,
            admin: ns.admin().await?,
            broker: ns.broker().await?,
            collector: ns.controller("generic-garbage-collector").await?,
            book: Book::default(),
            second: Some(ns.stack.start_another_broker().await?),
            was_denied: false,
            aliens: 0,
            deleted: BTreeSet::new(),
        })
    }

    /// Performs an action, and returns its outcome. A refusal of a person's request is not an error.
    ///
    /// # Errors
    /// A part of the stack does not start again.
    pub(super) async fn act(&mut self, act: &Act) -> Result<String> {
        let done = match act {
            Act::Comes { who, class, pods } => self.comes(*who, *class, *pods).await,
            Act::Ends { who } => self.ends(*who).await,
            Act::RulesBecome(book) => {
                self.book.clone_from(book);
                self.ns.stack.edit_rules(&book.rules()).await?.map(drop)
            }
            Act::Suspended { who } => self.suspend(*who, json!(true)).await,
            Act::Resumed { who } => self.suspend(*who, json!(null)).await,
            Act::EditsIdentity { who } => self.edit_identity(*who).await,
            Act::DeletesIdentity { who } => {
                let all: Api<Identity> = self.admin.all();
                all.delete(&self.name(*who), &DeleteParams::default())
                    .await
                    .map(drop)
            }
            Act::DeletesAccount { who } => {
                self.watch.ledger().breaks(&self.name(*who));
                self.collector
                    .delete::<ServiceAccount>(&self.name(*who))
                    .await
            }
            Act::EditsAccount { who } => {
                let stray = json!({"metadata": {"annotations": {GSA_ANNOTATION: "root@acme.iam.gserviceaccount.com"}}});
                self.broker
                    .patch::<ServiceAccount>(&self.name(*who), stray)
                    .await
                    .map(drop)
            }
            Act::Touches => self.touch_identities().await,
            Act::TimePasses => {
                self.advance_clock();
                Ok(())
            }
            other => return self.at_large(other).await.map(|()| "done".to_owned()),
        };
        Ok(done.map_or_else(|error| short(&error), |()| "done".to_owned()))
    }

    async fn at_large(&mut self, act: &Act) -> Result<()> {
        let stack = Arc::clone(&self.ns.stack);
        match act {
            Act::Fails(fault) => self.plan_fault(*fault)?,
            Act::Calm => stack.google().state().clear_faults(),
            Act::Believes { after, readers } => self.trust_cluster(*after, *readers)?,
            Act::AtGoogle(meddling, who) => self.change_at_google(*meddling, *who).await,
            Act::Orphans { n } => self.orphans(*n).await?,
            Act::KillsBroker { second: false } => {
                stack.kill_broker().await;
                stack.start_broker().await?;
            }
            Act::RollsBroker { second: false } => {
                stack.stop_broker().await;
                stack.start_broker().await?;
            }
            Act::KillsBroker { second: true } => {
                if let Some(second) = self.second.take() {
                    second.kill().await;
                }
                self.second = Some(stack.start_another_broker().await?);
            }
            Act::RollsBroker { second: true } => {
                let next = stack.start_another_broker().await?;
                if let Some(before) = self.second.replace(next) {
                    before.stop().await;
                }
            }
            Act::StealsLease => self.steal_lease().await?,
            Act::RestartsWebhook => {
                stack.kill_webhook().await;
                stack.start_webhook().await?;
            }
            Act::RestartsApiServer => {
                let control_plane = &stack.cluster().control_plane;
                control_plane.stop_api_server().await;
                control_plane.start_api_server().await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Advances the brokers' clock, so that unused identities exceed the idle time of their class.
    pub(super) fn advance_clock(&self) {
        self.ahead.fetch_add(IDLE, Ordering::Relaxed);
    }

    /// Deletes all Jobs of a class.
    pub(super) async fn delete_pods_of(&self, class: Class) -> kube::Result<()> {
        let jobs: Api<Job> = self.admin.all();
        let of = ListParams::default().labels(&format!("class={}", class.name()));
        jobs.delete_collection(&DeleteParams::background(), &of)
            .await
            .map(drop)
    }

    /// The name of a person's identity of the class `research`.
    pub(super) fn name(&self, who: usize) -> String {
        self.ns.name_in(Class::Research.name(), &person(who))
    }

    async fn comes(&self, who: usize, class: Class, pods: u8) -> kube::Result<()> {
        let somebody = self.ns.person(&person(who)).await.map_err(lost)?;
        let job = metaflow_job()
            .pods(pods.into())
            .labelled("class", class.name())
            .labelled(OF, &format!("soak{who}"));
        somebody.create::<Job>(job).await.map(drop)
    }

    pub(super) async fn ends(&self, who: usize) -> kube::Result<()> {
        let jobs: Api<Job> = self.admin.all();
        let of = ListParams::default().labels(&format!("{OF}=soak{who}"));
        jobs.delete_collection(&DeleteParams::background(), &of)
            .await
            .map(drop)
    }

    async fn suspend(&self, who: usize, value: serde_json::Value) -> kube::Result<()> {
        let patch = json!({"spec": {"suspended": value}});
        self.admin
            .patch::<Identity>(&self.name(who), patch)
            .await
            .map(drop)
    }

    async fn edit_identity(&self, who: usize) -> kube::Result<()> {
        let nonsense = json!({"spec": {
            "grants": [{"role": "roles/owner", "project": "acme-identities"}],
            "googleServiceAccount": "root@acme-identities.iam.gserviceaccount.com",
        }});
        self.admin
            .patch::<Identity>(&self.name(who), nonsense)
            .await
            .map(drop)
    }

    async fn touch_identities(&self) -> kube::Result<()> {
        let all: Api<Identity> = self.admin.all();
        let names = all.list_metadata(&ListParams::default()).await?.items;
        for n in 0..TOUCHES {
            let patch =
                json!({"metadata": {"annotations": {"soak.example/touched": n.to_string()}}});
            for name in names.iter().filter_map(|one| one.metadata.name.as_deref()) {
                let _ = all
                    .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
                    .await;
            }
        }
        Ok(())
    }

    fn plan_fault(&mut self, fault: Fault) -> Result<()> {
        let google = self.ns.stack.google();
        let broker = "namesake-broker@acme.com";
        self.was_denied |= fault == Fault::NoPermission;
        google.plan_fault(match fault {
            Fault::Status { code, applied } => json!({"path": "*", "caller": broker, "times": 25, "applied": applied, "answer": {"status": {"code": code}}}),
            Fault::Cut { applied } => json!({"path": "*", "times": 15, "applied": applied, "answer": "cut"}),
            Fault::NoPermission => json!({"path": "*", "caller": broker, "times": 0, "answer": {"status": {"code": 403}}}),
            Fault::NoTokens => json!({"path": "/v1/token", "times": 0, "answer": {"status": {"code": 503}}}),
            Fault::Slow => json!({"path": "*", "times": 0, "delaySeconds": 0.4}),
        })
    }

    fn trust_cluster(&self, after: u64, readers: u32) -> Result<()> {
        let seconds = Duration::from_millis(after).as_secs_f64();
        let delay = Duration::from_millis(after);
        self.watch.ledger().weather = Some((Instant::now(), delay));
        self.ns.stack.google().change_settings(|settings| {
            settings.delays.policy = seconds;
            settings.delays.policy_read = seconds / 4.0;
            settings.delays.service_account_get = seconds / 2.0;
            settings.delays.service_account_member = seconds;
            settings.delays.service_account_update = seconds / 2.0;
            settings.delays.service_account_credentials = seconds;
            settings.replicas = readers;
        })
    }

    async fn change_at_google(&mut self, meddling: Meddling, who: usize) {
        let gsa = email(&self.name(who));
        if meddling == Meddling::Deletes {
            let policy = self.ns.stack.google().policy_of(&self.name(who));
            self.deleted.extend(policy);
        }
        self.watch.ledger().breaks(&self.name(who));
        let at = format!("/v1/projects/acme-identities/serviceAccounts/{gsa}");
        let stranger = json!({"policy": {"bindings": [{"role": "roles/iam.serviceAccountTokenCreator", "members": ["user:mallory@acme.com"]}]}});
        let (method, path, body) = match meddling {
            Meddling::Unbinds => ("POST", format!("{at}:setIamPolicy"), json!({"policy": {}})),
            Meddling::LetsIn => ("POST", format!("{at}:setIamPolicy"), stranger),
            Meddling::Disables => ("POST", format!("{at}:disable"), json!({})),
            Meddling::Deletes => ("DELETE", at, json!({})),
        };
        self.ns
            .stack
            .google()
            .request_as_owner(method, &path, &body)
            .await;
    }

    /// Creates orphans: a service account and a GSA with our mark, and similar ones that must stay.
    async fn orphans(&mut self, n: usize) -> Result<()> {
        let google = self.ns.stack.google();
        let of = |what: &str| self.ns.name_for(&format!("{what}{n}@acme.com"));
        for (what, stack) in [("lost", STACK), ("theirs", "dev")] {
            google.create_account(&of(what), &self.ns.mark(stack, &of(what))?)?;
        }
        self.ns
            .create_account_without_identity(STACK, &of("lone"))
            .await?;
        self.ns
            .create_account_without_identity("dev", &of("alien"))
            .await?;
        self.aliens += 1;
        Ok(())
    }

    async fn steal_lease(&self) -> Result<()> {
        let leases: Api<Lease> = Api::namespaced(self.admin.client().clone(), SYSTEM_NAMESPACE);
        let theft = json!({"spec": {"holderIdentity": "thief", "leaseDurationSeconds": 2}});
        let _ = leases
            .patch(BROKER_LEASE, &PatchParams::default(), &Patch::Merge(theft))
            .await;
        Ok(())
    }
}

fn lost(error: anyhow::Error) -> kube::Error {
    kube::Error::Service(error.into())
}

/// The beginning of a refusal.
fn short(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => {
            let text: String = status.message.chars().take(160).collect();
            format!("{} {text}", status.code)
        }
        other => other.to_string(),
    }
}
