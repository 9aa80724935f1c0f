//! Random actions of three people against the real API server and its controllers: a pod never has the service account of somebody
//! who did not request it.

mod argo;
mod jobsets;
mod orphans;
mod past;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    batch::v1::{CronJob, Job},
    core::v1::Pod,
};
use kube::ResourceExt;
use namesake_api::names::{
    IDENTITY_LABEL, RESOLUTION_ANNOTATION, STAMP_ANNOTATION, USER_ANNOTATION,
};
use namesake_tests::{
    cluster::person::Person,
    drafts::{Draft, metaflow_job, metaflow_pod},
    eventually::eventually,
    namespace::{TestNamespace, account_of, with_namespace},
    random::Random,
};
use serde_json::{Value, json};

use argo::Flows;
use jobsets::Sets;
use orphans::Orphans;
use past::Past;

/// The number of sequences: the minimum, and the maximum if some kind of action has not had an effect yet.
const SEQUENCES: std::ops::Range<u64> = 200..800;
/// The number of actions in each sequence.
const ACTIONS: u64 = 8;
/// The label by which this test knows who requested an object. (For Argo's objects, it goes by their name, which cannot change.)
const ROOT: &str = "model.example/root";

/// The users who requested what a pod runs; several if they wrote exactly the same.
type Requesters = BTreeSet<String>;

/// The people, their objects, and counts of what was accepted and refused.
struct Model {
    random: Random,
    people: Vec<Person>,
    /// The users who requested the pods with this value of [`ROOT`].
    roots: BTreeMap<String, Requesters>,
    jobs: Vec<Job>,
    pods: Vec<Pod>,
    flows: Flows,
    sets: Sets,
    orphans: Orphans,
    past: Past,
}

impl Model {
    async fn new(ns: &TestNamespace, seed: u64) -> Result<Self> {
        Ok(Self {
            random: Random::from_seed(seed),
            people: vec![ns.alice().await?, ns.bob().await?, ns.mallory().await?],
            roots: BTreeMap::new(),
            jobs: Vec::new(),
            pods: Vec::new(),
            flows: Flows::of(ns).await?,
            sets: Sets::of(ns).await?,
            orphans: Orphans::default(),
            past: Past::of(ns).await?,
        })
    }

    fn person(&mut self) -> Person {
        let index = self.random.below(self.people.len());
        self.people[index].clone()
    }

    /// Copies annotations, labels, service account and owner of somebody else's objects, at random.
    fn with_copied_metadata(&mut self, mut draft: Draft) -> Draft {
        let (job, pod) = (
            self.random.below(self.jobs.len()),
            self.random.below(self.pods.len()),
        );
        let copied = |object: &dyn Fn(&str) -> Option<String>, key| object(key);
        if let Some(job) = self.jobs.get(job).filter(|_| self.random.one_in(2)) {
            let stamp = copied(&|key| job.annotations().get(key).cloned(), STAMP_ANNOTATION);
            draft = draft.annotated(STAMP_ANNOTATION, &stamp.unwrap_or_default());
            if self.random.one_in(4) {
                let (name, uid) = (job.name_any(), job.uid().unwrap_or_default());
                draft = draft.owned_by("batch/v1", "Job", &name, &uid);
            }
            if self.random.one_in(6) {
                draft = draft.labelled("batch.kubernetes.io/job-name", &job.name_any());
            }
        }
        if let Some(run) = self.some_run().filter(|_| self.random.one_in(8)) {
            draft = draft.labelled("workflows.argoproj.io/workflow", &run);
        }
        if let Some(pod) = self.pods.get(pod).filter(|_| self.random.one_in(2)) {
            for key in [RESOLUTION_ANNOTATION, USER_ANNOTATION] {
                let text = pod.annotations().get(key).cloned().unwrap_or_default();
                draft = draft.annotated(key, &text);
            }
            draft = draft
                .labelled(IDENTITY_LABEL, account_of(pod))
                .running_as(account_of(pod));
        }
        draft
    }

    fn named(&mut self, person: &Person, draft: Draft) -> Draft {
        let root = self.root(Requesters::from([person.name.clone()]));
        draft.labelled(ROOT, &root)
    }

    fn root(&mut self, requesters: Requesters) -> String {
        let root = format!("r{}", self.roots.len());
        self.roots.insert(root.clone(), requesters);
        root
    }

    async fn create(&mut self) {
        let person = self.person();
        let is_pod = self.random.one_in(3);
        let draft = if is_pod {
            metaflow_pod()
        } else {
            metaflow_job()
        };
        let mut draft = self.with_copied_metadata(draft);
        draft = self.named(&person, draft);
        if is_pod {
            self.pods.extend(person.create::<Pod>(draft).await);
        } else {
            if self.random.one_in(2) {
                draft = draft.suspended();
            }
            self.jobs.extend(person.create::<Job>(draft).await);
        }
    }

    /// Creates a CronJob as one person, and changes it as another.
    async fn cron(&mut self) {
        let person = self.person();
        let name = format!("c{}", self.roots.len());
        let job = self.with_copied_metadata(metaflow_job());
        let job = self.named(&person, job).into_value();
        let cron = json!({"metadata": {"name": name}, "spec": {"schedule": "0 0 1 1 *",
            "jobTemplate": {"metadata": {"labels": job["metadata"]["labels"]}, "spec": job["spec"]}}});
        let Ok(cron) = serde_json::from_value::<CronJob>(cron) else {
            return;
        };
        if person.create::<CronJob>(cron).await.is_err() {
            return;
        }
        let other = self.person();
        let changed = json!({"spec": {"jobTemplate": {"spec": {"template": {"metadata": {"annotations": {"inject": other.name}}}}}}});
        let _ = other.patch::<CronJob>(&name, changed).await;
    }

    async fn change(&mut self) {
        let person = self.person();
        let index = self.random.below(self.jobs.len());
        let Some(job) = self.jobs.get(index).map(ResourceExt::name_any) else {
            return;
        };
        let template = |change: Value| json!({"spec": {"template": {"metadata": change}}});
        let patch = match self.random.below(6) {
            0 => json!({"spec": {"suspend": false}}),
            1 => template(json!({"annotations": {"inject": person.name}})),
            2 => {
                json!({"spec": {"suspend": false, "template": {"metadata": {"annotations": {"inject": person.name}}}}})
            }
            3 => json!({"metadata": {"annotations": {STAMP_ANNOTATION: "v2.k1.e.e30.AAAA"}}}),
            4 => json!({"spec": {"suspend": true}}),
            _ => json!({"metadata": {"labels": {"x": person.name}, "generateName": "other-"}}),
        };
        let changed = person.patch::<Job>(&job, patch).await;
        if let (Ok(changed), Some(known)) = (changed, self.jobs.get_mut(index)) {
            *known = changed;
        }
    }

    async fn delete(&mut self) {
        let person = self.person();
        let index = self.random.below(self.jobs.len());
        if let Some(job) = self.jobs.get(index) {
            let _ = person.delete::<Job>(&job.name_any()).await;
        }
    }

    async fn run_action(&mut self, ns: &TestNamespace) -> Result<()> {
        match self.random.below(38) {
            30.. => self.act_on_orphans().await,
            28 => self.through_status().await,
            29 => self.as_controller().await,
            0..=5 => self.create().await,
            6..=8 => self.change().await,
            9 | 10 => self.cron().await,
            11 => self.delete().await,
            12..=15 => self.act_on_job_sets().await,
            _ => self.act_on_argo(ns).await?,
        }
        Ok(())
    }

    /// Checks that each pod with an identity runs as its requester, and returns the number of such pods.
    fn check(&self, ns: &TestNamespace, pods: &[Pod]) -> Result<usize> {
        self.check_keys(pods)?;
        let mut found = 0;
        for pod in pods.iter().filter(|pod| account_of(pod).starts_with("mf-")) {
            let root = pod
                .labels()
                .get(ROOT)
                .context("the pod has no root label")?;
            let user = self.runs_as(ns, pod, &self.roots[root])?;
            let injected = pod.annotations().get("inject");
            ensure!(
                injected.is_none_or(|by| by == user),
                "{injected:?} changed what runs as {user}: {:?}",
                pod.metadata
            );
            found += 1;
        }
        Ok(found)
    }

    /// Checks that enough was accepted and refused, so that the property does not hold for lack of actions.
    fn check_coverage(&self) -> Result<()> {
        self.flows.check_coverage()?;
        self.orphans.check_coverage()?;
        self.past.check_coverage()?;
        self.sets.check_coverage()
    }

    /// The user whose identity a pod has, who must be one of these.
    fn runs_as<'a>(
        &self,
        ns: &TestNamespace,
        pod: &Pod,
        requesters: &'a Requesters,
    ) -> Result<&'a str> {
        let is = |user: &&String| account_of(pod) == ns.name_for(user);
        let user = requesters.iter().find(is).map(String::as_str);
        let runs_as = self.people.iter().map(|person| &person.name).find(is);
        user.with_context(|| {
            format!(
                "{requesters:?} requested pod {}, which runs as {runs_as:?}: {:?}",
                pod.name_any(),
                pod.metadata
            )
        })
    }
}

#[test]
fn whatever_three_people_do_to_one_another_each_pod_runs_as_its_requester() -> Result<()> {
    with_namespace(|ns| async move {
        let seed = std::env::var("NAMESAKE_SEED")
            .ok()
            .and_then(|text| text.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
        argo::with_cluster_wide_deployers(&ns, async || {
            run_actions(&ns, seed)
                .await
                .with_context(|| format!("NAMESAKE_SEED={seed}"))
        })
        .await
    })
}

async fn run_actions(ns: &TestNamespace, seed: u64) -> Result<()> {
    let mut model = Model::new(ns, seed).await?;
    for sequence in 0..SEQUENCES.end {
        if sequence >= SEQUENCES.start && model.check_coverage().is_ok() {
            break;
        }
        for _ in 0..ACTIONS {
            model.run_action(ns).await?;
        }
        let pods = ns.pods().await?;
        model.check(ns, &pods)?;
        model.check_orphans(ns, &pods).await?;
        model.pods = pods;
    }
    model.check_coverage()?;
    eventually(
        "the controllers have created the pods of most Jobs",
        async || {
            let pods = ns.pods().await?;
            let found = model.check(ns, &pods)?;
            ensure!(found > 100, "{found} pods");
            Ok(())
        },
    )
    .await
}
