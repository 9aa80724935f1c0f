//! The namespace of the model, its webhook, and its objects.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use jiff::Timestamp;
use namesake_webhook::admit::Webhook;
use namesake_webhook::decide::mode::Mode;
use namesake_webhook::state::{OptedIn, State};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use super::Act;
use super::argo;
use super::changes::RUNNER;
use super::cluster::Cluster;
use super::kinds::{JOB_SET_CONTROLLER, Kind, child, new, watch_reports};
use super::orphans;
use super::stored::{Asked, Stored, asked_since};
use crate::cases::{NOW, ask, name_of, patch, patched, state_at};

pub(crate) const PEOPLE: [&str; 3] = ["alice@acme.com", "bob@acme.com", "mallory@acme.com"];
pub(super) const ADOPT_FOR: &str = "namesake.dev/adopt-for";
/// The namespace, its webhook, and its objects with their history.
pub(crate) struct Namespace {
    pub(super) runtime: Runtime,
    pub(super) state: State,
    clock: Arc<AtomicI64>,
    /// Whether the namespace is opted out, and how often it was opted in again.
    pub(super) is_opted_out: bool,
    epoch: usize,
    cluster: Cluster,
    pub(super) objects: Vec<Stored>,
    /// How many pods got the account of a person; how many of those belong to Workflows; how many of those were started by another
    /// person.
    pub(crate) pods: usize,
    pub(crate) of_workflows: usize,
    pub(crate) of_another: usize,
    /// How many pods without a controller Jobs were allowed to adopt, and how many not.
    pub(crate) adopted: usize,
    pub(crate) not_adopted: usize,
}

impl Namespace {
    pub(crate) fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let cluster = Cluster::default();
        let client = {
            let _inside = runtime.enter();
            cluster.client()
        };
        let identities = PEOPLE.map(|user| json!({"user": user, "ready": true}));
        let clock = Arc::new(AtomicI64::new(NOW));
        let carriers = format!(
            "carriers: [{{account: {JOB_SET_CONTROLLER}, parents: [JobSet]}}, {{account: {}, parents: [Workflow]}}]\nupdaters:",
            argo::CONTROLLER
        );
        let case = json!({"identities": identities, "edits": [["updaters:", carriers]]});
        Self {
            state: state_at(&case, Arc::clone(&clock)).with_cluster(client),
            runtime,
            clock,
            is_opted_out: false,
            epoch: 0,
            cluster,
            objects: Vec::new(),
            pods: 0,
            of_workflows: 0,
            of_another: 0,
            adopted: 0,
            not_adopted: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.objects.len()
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.clock.load(Relaxed)).unwrap()
    }

    /// An admin opts the namespace out, or in again, some seconds later.
    pub(super) fn switch(&mut self, seconds: i64) {
        self.clock.fetch_add(seconds, Relaxed);
        self.is_opted_out = !self.is_opted_out;
        if self.is_opted_out {
            self.state.namespaces.delete("research");
            self.state.parents.delete_namespace("research");
            return;
        }
        self.epoch += 1;
        let opted_in = OptedIn {
            stack: "prod".to_owned(),
            mode: Mode::Enforce,
            epoch: format!("epoch-of-the-model-{}", self.epoch),
        };
        self.state.namespaces.apply("research", opted_in);
        for object in self.objects.iter().filter(|object| object.is_there) {
            watch_reports(&self.state, object.kind, &object.last().0);
        }
    }

    pub(super) fn admits(&self, review: &Value) -> Option<Value> {
        // Templates without a namespace are stamped nevertheless.
        if self.is_opted_out && review["request"]["namespace"] != "" {
            return Some(review["request"]["object"].clone());
        }
        let answer = self
            .runtime
            .block_on(ask(&self.state, Webhook::Mutate, review));
        let allowed = answer["allowed"] == true;
        allowed.then(|| patched(&review["request"]["object"], &patch(&answer)))
    }

    fn create(&mut self, kind: Kind, mut object: Value, who: (&str, bool), asked: Asked) {
        let review = review(kind, "CREATE", who, (&object, &Value::Null));
        let Some(admitted) = self.admits(&review) else {
            return;
        };
        object = admitted;
        let number = self.objects.len();
        object["metadata"]["uid"] = json!(format!("uid-{number}"));
        if kind == Kind::Pod && self.is_opted_out {
            // The policy namesake-pods refuses this.
            let account = object["spec"]["serviceAccountName"].as_str();
            if account.is_some_and(|account| PEOPLE.iter().any(|user| name_of(user) == account)) {
                return;
            }
        } else if kind == Kind::Pod {
            let review = self::review(kind, "CREATE", who, (&object, &Value::Null));
            let final_check = ask(&self.state, Webhook::Validate, &review);
            if self.runtime.block_on(final_check)["allowed"] != true {
                return;
            }
            self.assert_runs_as_requester(&object, &asked);
            self.assert_counts_for_own_job(&object);
            self.assert_names_own_workflow(&object);
        }
        if object["metadata"]["name"].is_null() {
            object["metadata"]["name"] = json!(format!("t-{number}"));
        }
        object["metadata"]["creationTimestamp"] = json!(self.now().to_string());
        if kind.is_argos() && self.cluster.has(kind, &object) {
            return;
        }
        self.notify(kind, &object);
        self.cluster.put(kind, &object);
        self.objects.push(Stored {
            kind,
            creator: PEOPLE.into_iter().find(|person| *person == who.0),
            versions: vec![(object, asked)],
            oldest: 0,
            is_there: true,
        });
    }

    // Reports an object to the watch of the webhook; there is no watch while the namespace is off.
    fn notify(&self, kind: Kind, object: &Value) {
        if !self.is_opted_out {
            watch_reports(&self.state, kind, object);
        }
    }

    fn assert_runs_as_requester(&mut self, pod: &Value, asked: &Asked) {
        let account = pod["spec"]["serviceAccountName"].as_str().unwrap();
        let Some(user) = PEOPLE.into_iter().find(|user| name_of(user) == account) else {
            return;
        };
        assert!(
            asked.contains(user),
            "runs as {user}, but {asked:?} asked for it: {pod}"
        );
        self.pods += 1;
        let owner = &pod["metadata"]["ownerReferences"][0];
        if owner["kind"] == "Workflow" {
            self.of_workflows += 1;
            let is_its = |o: &&Stored| o.versions[0].0["metadata"]["uid"] == owner["uid"];
            let creator = self.objects.iter().find(is_its).and_then(|o| o.creator);
            self.of_another += usize::from(creator.is_some_and(|creator| creator != user));
        }
    }

    pub(super) fn is_there(&self, at: usize) -> bool {
        self.objects[at].is_there
    }

    pub(super) fn at(&self, index: usize) -> Option<usize> {
        let there = self.objects.iter().enumerate().filter(|(_, o)| o.is_there);
        let there: Vec<usize> = there.map(|(i, _)| i).collect();
        there.get(index.checked_rem(there.len())?).copied()
    }

    pub(crate) fn act(&mut self, act: &Act) {
        match *act {
            Act::Create {
                person,
                kind,
                like,
                shape,
                by_runner,
            } => {
                let (kind, person) = (Kind::ALL[kind], PEOPLE[person]);
                let mut object = new(kind, person, shape);
                self.imitate(kind, &mut object, like);
                if by_runner {
                    object["metadata"]["annotations"]["metaflow/user"] = json!(person);
                }
                let who = if by_runner { RUNNER } else { person };
                self.create(kind, object, (who, by_runner), Asked::from([person]));
            }
            Act::Forge {
                person,
                kind,
                under,
                disguise,
            } => self.forge(PEOPLE[person], Kind::ALL[kind], under, disguise),
            Act::Orphan { object } => self.orphan(object),
            Act::Claim { object } => self.claim(object),
            Act::Copy { person, object } => self.copy(PEOPLE[person], object),
            Act::Child {
                parent,
                behind,
                itself,
            } => self.child(parent, behind, itself),
            Act::Store {
                workflow,
                behind,
                itself,
            } => self.store(workflow, behind, itself),
            Act::Edit {
                person,
                object,
                edit,
                like,
                as_controller,
            } => self.edit(PEOPLE[person], as_controller, object, edit, like),
            Act::Status { object, like } => self.status(object, like),
            Act::Switch { seconds } => self.switch(seconds),
            Act::Restore {
                person,
                object,
                behind,
            } => self.restore(PEOPLE[person], object, behind),
            Act::Adopt { person, object, by } => self.adopt(PEOPLE[person], object, by),
            Act::Delete { object } => {
                if let Some(object) = self.at(object).map(|at| &mut self.objects[at]) {
                    object.is_there = false;
                    self.cluster.remove(object.kind, &object.last().0);
                }
            }
        }
    }

    fn forge(&mut self, person: &'static str, kind: Kind, under: usize, disguise: u8) {
        let Some(parent) = self.at(under).map(|at| &self.objects[at]) else {
            return;
        };
        if parent.kind == Kind::Pod {
            return;
        }
        let owners = orphans::forged_owner(parent.kind, &parent.last().0, disguise);
        let mut object = new(kind, person, 0);
        object["metadata"]["ownerReferences"] = owners;
        self.create(kind, object, (person, false), Asked::from([person]));
    }

    fn copy(&mut self, person: &'static str, object: usize) {
        let Some(at) = self.at(object) else { return };
        let kind = self.objects[at].kind;
        if !kind.is_argos() {
            return;
        }
        let (old, _) = self.objects[at].last();
        let metadata = &old["metadata"];
        let mut copy =
            json!({"metadata": {"annotations": metadata["annotations"]}, "spec": old["spec"]});
        if kind == Kind::Workflow {
            copy["metadata"]["generateName"] = json!("t-");
        } else {
            copy["metadata"]["name"] = json!(format!("flow-{}", object % 3));
        }
        self.create(kind, copy, (person, false), Asked::from([person]));
    }

    fn child(&mut self, parent: usize, behind: usize, itself: bool) {
        let Some(at) = self.at(parent) else { return };
        let stored = &self.objects[at];
        let version = stored.behind(behind);
        let (mut seen, _) = stored.versions[version].clone();
        let mut asked = stored.asked_since(version);
        if stored.kind == Kind::Workflow
            && !argo::is_stored(&seen)
            && argo::referred(&seen).is_some()
        {
            // Argo creates the first pod before it stores the merged spec.
            let Some((template, by)) = self.template_of(at, behind) else {
                return;
            };
            seen = argo::with_stored_spec(&seen, &template);
            asked = by;
        }
        let number = self.objects.len();
        if let Some((kind, object, controller)) = child(self.objects[at].kind, &seen, number) {
            self.create(kind, object, (controller, itself), asked);
        }
    }

    // The template that a Workflow runs, as it was some versions ago, and who asked for the two together.
    fn template_of(&self, workflow: usize, behind: usize) -> Option<(Value, Asked)> {
        let (object, asked) = self.objects[workflow].last();
        let (kind, name, is_pure) = argo::referred(&object)?;
        let of_name = |o: &&Stored| o.kind == kind && o.versions[0].0["metadata"]["name"] == name;
        let all = self.objects.iter().filter(of_name);
        let history: Vec<_> = all.flat_map(|o| o.versions.iter().cloned()).collect();
        let version = history.len().checked_sub(1)?.saturating_sub(behind);
        let by = asked_since(kind, &history, version);
        let by = if is_pure { by } else { &by & &asked };
        Some((history[version].0.clone(), by))
    }

    fn store(&mut self, workflow: usize, behind: usize, itself: bool) {
        let Some(at) = self.at(workflow) else { return };
        let stored = &self.objects[at];
        if stored.kind != Kind::Workflow {
            return;
        }
        let (old, asked) = stored.last();
        let runs_template = argo::referred(&old).is_some() && !argo::is_stored(&old);
        let (new, asked) = match self.template_of(at, behind).filter(|_| runs_template) {
            Some((template, by)) => (argo::with_stored_spec(&old, &template), by),
            None => (argo::with_progress(&old, stored.versions.len()), asked),
        };
        let who = (argo::CONTROLLER, itself);
        let Some(new) = self.admits(&review(Kind::Workflow, "UPDATE", who, (&new, &old))) else {
            assert!(!itself, "an update by Argo is refused: {new}");
            return;
        };
        self.changes(at, new, asked);
    }

    pub(super) fn changes(&mut self, at: usize, new: Value, asked: Asked) {
        let kind = self.objects[at].kind;
        self.notify(kind, &new);
        self.cluster.put(kind, &new);
        self.objects[at].versions.push((new, asked));
    }
}

pub(super) fn review(
    kind: Kind,
    operation: &str,
    (user, token): (&str, bool),
    (new, old): (&Value, &Value),
) -> Value {
    let (group, version, name) = kind.gvk();
    let extra = if token {
        json!({"authentication.kubernetes.io/credential-id": ["JTI=1"]})
    } else {
        json!({})
    };
    let namespace = if kind == Kind::ClusterWorkflowTemplate {
        ""
    } else {
        "research"
    };
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "review-1", "kind": {"group": group, "version": version, "kind": name}, "namespace": namespace,
        "operation": operation, "userInfo": {"username": user, "extra": extra}, "object": new, "oldObject": old}})
}
