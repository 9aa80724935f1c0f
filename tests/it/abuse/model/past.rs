//! Requests that bypass the webhook or impersonate a controller in the model: the status subresource, and impersonation.

use anyhow::{Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use namesake_api::names::STAMP_ANNOTATION;
use namesake_tests::cluster::person::Person;
use namesake_tests::namespace::TestNamespace;
use serde_json::json;

use super::Model;
use crate::abuse::guards::owner::with_every_right;

/// Controllers whose changes the webhook attributes to the user of the object.
const CONTROLLERS: [&str; 3] = [
    "system:serviceaccount:kube-system:job-controller",
    "system:serviceaccount:kube-system:cronjob-controller",
    "system:serviceaccount:jobset-system:jobset-controller-manager",
];

/// Somebody with every right in the namespace, and somebody who impersonates each controller.
pub(super) struct Past {
    owner: Person,
    impostors: Vec<Person>,
    through_status: Tried,
    as_controller: Tried,
}

/// How often something was tried on an existing Job.
#[derive(Default)]
struct Tried {
    refused: usize,
    accepted: usize,
}

impl Tried {
    /// Counts the response to an attempt.
    fn count(&mut self, answer: &kube::Result<Job>) {
        match answer {
            Ok(_) => self.accepted += 1,
            // Other errors: the Job is gone, runs already, or was changed meanwhile.
            Err(kube::Error::Api(status)) if status.code == 403 => self.refused += 1,
            Err(_) => {}
        }
    }
}

impl Past {
    pub(super) async fn of(ns: &TestNamespace) -> Result<Self> {
        let owner = with_every_right(ns).await?;
        let mut impostors = Vec::new();
        for name in CONTROLLERS {
            let groups = ["system:serviceaccounts"];
            impostors.push(ns.stack.cluster().person(name, &groups, &ns.name).await?);
        }
        Ok(Self {
            owner,
            impostors,
            through_status: Tried::default(),
            as_controller: Tried::default(),
        })
    }

    pub(super) fn check_coverage(&self) -> Result<()> {
        for (what, tried) in [
            ("wrote the status of", &self.through_status),
            ("changed, as a controller,", &self.as_controller),
        ] {
            let (refused, accepted) = (tried.refused, tried.accepted);
            ensure!(
                refused > 3,
                "somebody {what} {accepted} Jobs and was refused {refused} times"
            );
        }
        Ok(())
    }
}

impl Model {
    /// Copies a stamp from one Job to another through the status subresource.
    pub(super) async fn through_status(&mut self) {
        let (from, to) = (
            self.random.below(self.jobs.len()),
            self.random.below(self.jobs.len()),
        );
        let (Some(from), Some(to)) = (self.jobs.get(from), self.jobs.get(to)) else {
            return;
        };
        let stamp = from.annotations().get(STAMP_ANNOTATION);
        let patch = json!({"metadata": {"annotations": {STAMP_ANNOTATION: stamp}}});
        let jobs = self.past.owner.all::<Job>();
        let params = PatchParams::default();
        if to.annotations().get(STAMP_ANNOTATION) == stamp {
            return;
        }
        let (name, patch) = (to.name_any(), Patch::Merge(patch));
        let answer = jobs.patch_status(&name, &params, &patch).await;
        self.past.through_status.count(&answer);
    }

    /// Changes what a Job runs, impersonating a controller.
    pub(super) async fn as_controller(&mut self) {
        let (which, index) = (
            self.random.below(CONTROLLERS.len()),
            self.random.below(self.jobs.len()),
        );
        let Some(job) = self.jobs.get(index).map(ResourceExt::name_any) else {
            return;
        };
        let inject = json!({"annotations": {"inject": self.past.owner.name}});
        let patch = json!({"spec": {"suspend": false, "template": {"metadata": inject}}});
        let answer = self.past.impostors[which].patch::<Job>(&job, patch).await;
        self.past.as_controller.count(&answer);
    }
}
