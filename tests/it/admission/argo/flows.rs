//! Flows that stock Metaflow deploys to Argo.

use anyhow::{Context, Result, ensure};
use kube::{
    ResourceExt,
    api::{DynamicObject, ListParams, Patch, PatchParams},
};
use namesake_sandbox::kubernetes::users::{ALICE, BOB};
use namesake_tests::{
    controllers::{
        argo::{ArgoNamespace, with_real_argo},
        jobset::job_sets,
        replayed_argo::kind,
    },
    eventually::within,
};
use serde_json::json;
use std::time::Duration;

const LINEAR: &str = r#"
from metaflow import FlowSpec, step

class LinearFlow(FlowSpec):
    @step
    def start(self):
        self.word = "kept"
        self.next(self.end)

    @step
    def end(self):
        assert self.word == "kept"

if __name__ == "__main__":
    LinearFlow()
"#;

const FOREACH: &str = r#"
from metaflow import FlowSpec, Parameter, step

class ForeachFlow(FlowSpec):
    alpha = Parameter("alpha", default=0.1)

    @step
    def start(self):
        self.parts = [1, 2]
        self.next(self.score, foreach="parts")

    @step
    def score(self):
        self.value = self.input * self.alpha
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(one.value for one in inputs)
        self.next(self.end)

    @step
    def end(self):
        assert abs(self.total - 0.6) < 1e-9, self.total

if __name__ == "__main__":
    ForeachFlow()
"#;

const SLOW: &str = r#"
import time
from metaflow import FlowSpec, step

class SlowFlow(FlowSpec):
    @step
    def start(self):
        time.sleep(20)
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    SlowFlow()
"#;

const PARALLEL: &str = r#"
from metaflow import FlowSpec, parallel, step

class ParallelFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.train, num_parallel=2)

    @parallel
    @step
    def train(self):
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    ParallelFlow()
"#;

#[test]
fn a_foreach_flow_that_alice_deployed_and_bob_triggers_runs_as_alice_to_its_end() -> Result<()> {
    with_real_argo(|argo| async move {
        let alices = argo.laptop(ALICE, FOREACH).await?;
        alices.argo_workflows(&["create"]).await?.expect_success()?;
        let bobs = argo.laptop(BOB, FOREACH).await?;
        let trigger = ["trigger", "--alpha", "0.2"];
        bobs.argo_workflows(&trigger).await?.expect_success()?;
        let name = argo.new_workflow(&[]).await?.name_any();
        argo.wait_for_phase(&name, "Succeeded").await?;
        // Pods: start, two of score, join, end.
        argo.check_all_ran_as(&name, 5, ALICE).await
    })
}

#[test]
fn a_scheduled_flow_runs_as_its_deployer() -> Result<()> {
    with_real_argo(|argo| async move {
        let flow = LINEAR
            .replace("import FlowSpec, step", "import FlowSpec, schedule, step")
            .replace("class ", "@schedule(cron=\"* * * * *\")\nclass ");
        let alices = argo.laptop(ALICE, &flow).await?;
        alices.argo_workflows(&["create"]).await?.expect_success()?;
        let started = argo.new_workflow(&[]).await?;
        // Once is enough.
        let alice = argo.ns.alice().await?;
        let crons = alice.objects(&kind("CronWorkflow"));
        for cron in crons.list(&ListParams::default()).await?.items {
            let suspend = Patch::Merge(json!({"spec": {"suspend": true}}));
            crons
                .patch(&cron.name_any(), &PatchParams::default(), &suspend)
                .await?;
        }
        let owner = started.owner_references().first().context("no owner")?;
        ensure!(owner.kind == "CronWorkflow", "{owner:?}");
        argo.wait_for_phase(&started.name_any(), "Succeeded")
            .await?;
        argo.check_all_ran_as(&started.name_any(), 2, ALICE).await
    })
}

/// The production token that Metaflow printed when a flow was deployed.
fn token_in(text: &str) -> Result<&str> {
    let words = text.split(|c: char| c.is_whitespace() || c == '\'' || c == '"');
    let mut tokens = words.filter(|word| word.contains("flow-") && word.len() > 12);
    tokens
        .next()
        .with_context(|| format!("no token in:\n{text}"))
}

#[test]
fn a_flow_that_a_teammate_deploys_again_runs_as_the_teammate_and_running_workflows_continue_as_alice()
-> Result<()> {
    with_real_argo(|argo| async move {
        let alices = argo.laptop(ALICE, SLOW).await?;
        let said = alices.argo_workflows(&["create"]).await?.expect_success()?;
        alices
            .argo_workflows(&["trigger"])
            .await?
            .expect_success()?;
        let first = argo.new_workflow(&[]).await?.name_any();
        argo.wait_for_running_pod(&first, "start").await?;
        let bobs = argo.laptop(BOB, SLOW).await?;
        let create = ["create", "--authorize", token_in(&said)?];
        bobs.argo_workflows(&create).await?.expect_success()?;
        bobs.argo_workflows(&["trigger"]).await?.expect_success()?;
        let second = argo.new_workflow(&[&first]).await?.name_any();
        argo.wait_for_phase(&first, "Succeeded").await?;
        argo.check_all_ran_as(&first, 2, ALICE).await?;
        argo.wait_for_phase(&second, "Succeeded").await?;
        argo.check_all_ran_as(&second, 2, BOB).await
    })
}

#[test]
fn the_job_set_of_a_parallel_step_is_created_by_alices_own_pod() -> Result<()> {
    with_real_argo(|argo| async move {
        let alices = argo.laptop(ALICE, PARALLEL).await?;
        alices.argo_workflows(&["create"]).await?.expect_success()?;
        alices
            .argo_workflows(&["trigger"])
            .await?
            .expect_success()?;
        let name = argo.new_workflow(&[]).await?.name_any();
        let made = the_job_set(&argo, &name).await?;
        let owner = made.owner_references().first().context("no owner")?;
        ensure!(owner.kind == "Workflow" && owner.name == name, "{owner:?}");
        // JobSet's controller is in no package registry; the tests with recorded requests cover its part.
        argo.check_all_ran_as(&name, 2, ALICE).await?;
        argo.argo(ALICE, &["terminate", &name])
            .await?
            .expect_success()?;
        argo.wait_for_phase(&name, "Failed").await.map(drop)
    })
}

async fn the_job_set(argo: &ArgoNamespace, workflow: &str) -> Result<DynamicObject> {
    let sets = job_sets(&argo.ns.admin().await?);
    within(Duration::from_secs(240), "the step's JobSet", async || {
        let list = sets.list(&ListParams::default()).await?.items;
        let workflow = argo.workflow(workflow).await?;
        let phase = &workflow.data["status"]["phase"];
        list.into_iter()
            .next()
            .with_context(|| format!("none; the Workflow is {phase}"))
    })
    .await
}
