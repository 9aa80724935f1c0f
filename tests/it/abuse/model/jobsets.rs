//! `JobSet` in the model: people act on their own and on each other's, and its controller may see stale versions.

use anyhow::{Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use kube::{
    ResourceExt,
    api::{DynamicObject, Patch, PatchParams, PostParams},
};
use namesake_tests::{
    cluster::person::Person,
    controllers::jobset::{controller, job_of, job_set, job_sets},
    drafts::metaflow_job,
    namespace::TestNamespace,
};
use serde_json::{Value, json};

use super::Model;

/// The JobSets in the model, with every version that their controller may still see.
pub(super) struct Sets {
    controller: Person,
    /// Somebody who impersonates the controller.
    impostor: Person,
    all: Vec<Vec<DynamicObject>>,
    /// The number of Jobs that the controller was allowed to create, and of those refused.
    made: usize,
    refused: usize,
}

impl Sets {
    pub(super) async fn of(ns: &TestNamespace) -> Result<Self> {
        let controller = controller(ns).await?;
        Ok(Self {
            impostor: ns.impostor(&controller.name).await?,
            controller,
            all: Vec::new(),
            made: 0,
            refused: 0,
        })
    }

    pub(super) fn check_coverage(&self) -> Result<()> {
        let (made, refused) = (self.made, self.refused);
        ensure!(
            made > 10 && refused > 2,
            "JobSet's controller made {made} Jobs and was refused {refused}"
        );
        Ok(())
    }
}

impl Model {
    /// A random action on JobSets.
    pub(super) async fn act_on_job_sets(&mut self) {
        match self.random.below(8) {
            0 | 1 => self.start_set().await,
            2 | 3 => self.change_set().await,
            _ => self.create_job().await,
        }
    }

    async fn start_set(&mut self) {
        let person = self.person();
        let draft = self.with_copied_metadata(metaflow_job());
        let mut job = self.named(&person, draft).into_value();
        let metadata = json!({"name": format!("set-{}", self.sets.all.len()),
            "annotations": job["metadata"]["annotations"], "ownerReferences": job["metadata"]["ownerReferences"]});
        let Ok(mut wish) = job_set(&metadata, &job["spec"]["template"].take()) else {
            return;
        };
        wish.data["spec"]["suspend"] = json!(self.random.one_in(2));
        let made = job_sets(&person)
            .create(&PostParams::default(), &wish)
            .await;
        self.sets.all.extend(made.map(|made| vec![made]));
    }

    async fn change_set(&mut self) {
        let person = self.person();
        let at = self.random.below(self.sets.all.len());
        let Some(last) = self.sets.all.get(at).and_then(|all| all.last()) else {
            return;
        };
        let suspend = |is: bool| json!({"suspend": is});
        let mut injected = last.data["spec"]["replicatedJobs"].clone();
        for job in injected.as_array_mut().into_iter().flatten() {
            job["template"]["spec"]["template"]["metadata"]["annotations"]["inject"] =
                json!(person.name);
        }
        let spec: Value = match self.random.below(4) {
            0 => suspend(true),
            1 => suspend(false),
            2 => json!({"replicatedJobs": injected}),
            _ => json!({"replicatedJobs": injected, "suspend": false}),
        };
        let name = last.name_any();
        let patch = Patch::Merge(json!({"spec": spec}));
        let sets = job_sets(&person);
        let changed = sets.patch(&name, &PatchParams::default(), &patch).await;
        self.sets.all[at].extend(changed);
    }

    /// The controller, or an impostor, creates one of its Jobs, from any version of the JobSet.
    async fn create_job(&mut self) {
        let at = self.random.below(self.sets.all.len());
        let Some(versions) = self.sets.all.get(at) else {
            return;
        };
        let seen = &versions[self.random.below(versions.len())];
        let Ok(job) = job_of(seen, self.random.below(2)) else {
            return;
        };
        let by = match self.random.below(8) {
            0 => self.sets.impostor.clone(),
            1 => self.person(),
            _ => {
                let made = self.sets.controller.create::<Job>(job).await;
                match made {
                    Ok(made) => {
                        self.sets.made += 1;
                        self.jobs.push(made);
                    }
                    Err(kube::Error::Api(status)) if status.reason != "AlreadyExists" => {
                        self.sets.refused += 1;
                    }
                    Err(_) => {}
                }
                return;
            }
        };
        self.jobs.extend(by.create::<Job>(job).await);
    }
}
