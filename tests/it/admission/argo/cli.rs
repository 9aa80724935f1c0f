//! The `argo` command line: each command, and what the real controller does then.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::ResourceExt;
use namesake_sandbox::kubernetes::users::{ALICE, BOB, MALLORY};
use namesake_tests::{
    controllers::{
        argo::{ArgoNamespace, TIMEOUT, file, scripts, with_real_argo},
        replayed_argo::{create, patch},
    },
    eventually::{eventually, within},
    namespace::account_of,
};
use serde_json::{Value, json};

mod steps;

use steps::{env_from_exit_code_map, exit_code_map, main_ended};

#[test]
fn what_bob_submits_and_resubmits_from_alices_template_runs_as_alice() -> Result<()> {
    with_real_argo(|argo| async move {
        let alice = argo.ns.alice().await?;
        let greet = scripts("WorkflowTemplate", "greet", &[("hello", "echo hello")]);
        create(&alice, &greet).await?;
        let from = [
            "submit",
            "--from",
            "workflowtemplate/greet",
            "--name",
            "first",
        ];
        argo.argo(BOB, &from).await?.expect_success()?;
        argo.wait_for_phase("first", "Succeeded").await?;
        argo.check_all_ran_as("first", 1, ALICE).await?;
        argo.argo(BOB, &["resubmit", "first"])
            .await?
            .expect_success()?;
        let second = argo.new_workflow(&["first"]).await?.name_any();
        argo.wait_for_phase(&second, "Succeeded").await?;
        argo.check_all_ran_as(&second, 1, ALICE).await
    })
}

#[test]
fn a_workflow_with_alices_own_spec_that_bob_resubmits_runs_as_bob() -> Result<()> {
    with_real_argo(|argo| async move {
        let alice = argo.ns.alice().await?;
        create(&alice, &scripts("Workflow", "hers", &[("hello", "true")])).await?;
        argo.wait_for_phase("hers", "Succeeded").await?;
        argo.check_all_ran_as("hers", 1, ALICE).await?;
        argo.argo(BOB, &["resubmit", "hers"])
            .await?
            .expect_success()?;
        let his = argo.new_workflow(&["hers"]).await?.name_any();
        argo.wait_for_phase(&his, "Succeeded").await?;
        argo.check_all_ran_as(&his, 1, BOB).await
    })
}

#[test]
fn a_failed_workflow_that_alice_retries_continues_as_alice() -> Result<()> {
    with_real_argo(|argo| async move {
        let alice = argo.ns.alice().await?;
        let script = "exit {{workflow.parameters.code}}";
        let mut flow = scripts("Workflow", "fails", &[("main", script)]);
        flow["spec"]["arguments"] = json!({"parameters": [{"name": "code", "value": "3"}]});
        create(&alice, &flow).await?;
        argo.wait_for_phase("fails", "Failed").await?;
        let retry = ["retry", "fails", "-p", "code=0"];
        let bobs = argo.argo(BOB, &retry).await?;
        bobs.expect_failure(ALICE)?;
        argo.argo(ALICE, &retry).await?.expect_success()?;
        argo.wait_for_phase("fails", "Succeeded").await?;
        argo.check_all_ran_as("fails", 1, ALICE).await
    })
}

/// Starts alice's template as bob, in a Workflow `run` that fails until alice sets another exit code in a ConfigMap.
async fn run_failing_workflow(argo: &ArgoNamespace) -> Result<()> {
    let alice = argo.ns.alice().await?;
    alice.create::<ConfigMap>(exit_code_map("3")).await?;
    let mut flow = scripts("WorkflowTemplate", "flaky", &[("main", "exit $CODE")]);
    flow["spec"]["templates"][0]["container"]["env"] = env_from_exit_code_map();
    create(&alice, &flow).await?;
    let from = [
        "submit",
        "--from",
        "workflowtemplate/flaky",
        "--name",
        "run",
    ];
    argo.argo(BOB, &from).await?.expect_success()?;
    argo.wait_for_phase("run", "Failed").await?;
    Ok(())
}

async fn check_continues_as_alice(argo: &ArgoNamespace) -> Result<()> {
    let alice = argo.ns.alice().await?;
    let fixed = json!({"data": {"code": "0"}});
    alice.patch::<ConfigMap>("outside", fixed).await?;
    argo.argo(BOB, &["retry", "run"]).await?.expect_success()?;
    argo.wait_for_phase("run", "Succeeded").await?;
    argo.check_all_ran_as("run", 1, ALICE).await
}

#[test]
fn a_failed_run_of_alices_template_that_bob_started_and_retries_continues_as_alice() -> Result<()> {
    with_real_argo(|argo| async move {
        run_failing_workflow(&argo).await?;
        check_continues_as_alice(&argo).await
    })
}

#[test]
fn a_retry_by_somebody_else_only_deletes_the_finished_pods_of_a_workflow() -> Result<()> {
    with_real_argo(|argo| async move {
        run_failing_workflow(&argo).await?;
        let before = argo.workflow("run").await?;
        ensure!(argo.pods_of("run").await?.len() == 1, "its pod is there");
        // `argo` first deletes the pods, for which bob has the right, and then changes the Workflow.
        let hers = argo.argo(MALLORY, &["retry", "run"]).await?;
        hers.expect_failure(ALICE)?;
        eventually("the failed pod is gone", async || {
            let left = argo.pods_of("run").await?;
            ensure!(left.is_empty(), "{} pods", left.len());
            Ok(())
        })
        .await?;
        let after = argo.workflow("run").await?;
        for part in ["phase", "message", "nodes"] {
            let (was, is) = (&before.data["status"][part], &after.data["status"][part]);
            ensure!(was == is, "{part} was {was}, and is {is}");
        }
        check_continues_as_alice(&argo).await
    })
}

#[test]
fn a_suspended_run_of_alices_template_continues_as_alice_when_bob_resumes_it() -> Result<()> {
    with_real_argo(|argo| async move {
        let alice = argo.ns.alice().await?;
        let steps = [("first", "exit $CODE"), ("last", "true")];
        let mut flow = scripts("WorkflowTemplate", "waits", &steps);
        let templates = flow["spec"]["templates"].as_array_mut();
        let templates = templates.context("no list")?;
        // It starts when alice creates the ConfigMap, so that bob's command comes first.
        templates[0]["container"]["env"] = env_from_exit_code_map();
        let step = |name: &str| json!([{"name": name, "template": name}]);
        templates.push(json!({"name": "all", "steps": [step("first"), step("last")]}));
        flow["spec"]["entrypoint"] = json!("all");
        create(&alice, &flow).await?;
        let from = [
            "submit",
            "--from",
            "workflowtemplate/waits",
            "--name",
            "run",
        ];
        argo.argo(BOB, &from).await?.expect_success()?;
        argo.first_pod_of("run").await?;
        argo.argo(BOB, &["suspend", "run"])
            .await?
            .expect_success()?;
        alice.create::<ConfigMap>(exit_code_map("0")).await?;
        within(TIMEOUT, "the first step has ended", async || {
            let run = argo.workflow("run").await?;
            let nodes = run.data["status"]["nodes"].as_object();
            let has_ended =
                |node: &Value| node["templateName"] == "first" && node["phase"] == "Succeeded";
            let mut nodes = nodes.context("no nodes")?.values();
            ensure!(nodes.any(has_ended), "not yet");
            Ok(())
        })
        .await?;
        let pods = argo.pods_of("run").await?;
        ensure!(pods.len() == 1, "it went on: {} pods", pods.len());
        argo.argo(BOB, &["resume", "run"]).await?.expect_success()?;
        argo.wait_for_phase("run", "Succeeded").await?;
        argo.check_all_ran_as("run", 2, ALICE).await
    })
}

#[test]
fn a_suspended_workflow_continues_when_its_owner_resumes_it() -> Result<()> {
    with_real_argo(|argo| async move {
        let alice = argo.ns.alice().await?;
        let mut flow = scripts("Workflow", "waits", &[("first", "true"), ("last", "true")]);
        let templates = flow["spec"]["templates"]
            .as_array_mut()
            .context("no list")?;
        templates.push(json!({"name": "approve", "suspend": {}}));
        let step = |name: &str| json!([{"name": name, "template": name}]);
        templates
            .push(json!({"name": "all", "steps": [step("first"), step("approve"), step("last")]}));
        flow["spec"]["entrypoint"] = json!("all");
        create(&alice, &flow).await?;
        argo.wait_for_running_pod("waits", "first").await?;
        argo.argo(ALICE, &["suspend", "waits"])
            .await?
            .expect_success()?;
        argo.argo(ALICE, &["resume", "waits"])
            .await?
            .expect_success()?;
        // Now it waits for the template `approve`, which bob cannot approve for alice.
        namesake_tests::eventually::eventually("it waits for an answer", async || {
            let workflow = argo.workflow("waits").await?;
            let nodes = workflow.data["status"]["nodes"]
                .as_object()
                .context("no nodes")?;
            let waits =
                |node: &serde_json::Value| node["type"] == "Suspend" && node["phase"] == "Running";
            ensure!(nodes.values().any(waits), "not yet");
            Ok(())
        })
        .await?;
        let bobs = argo.argo(BOB, &["resume", "waits"]).await?;
        bobs.expect_failure(ALICE)?;
        argo.argo(ALICE, &["resume", "waits"])
            .await?
            .expect_success()?;
        argo.wait_for_phase("waits", "Succeeded").await?;
        argo.check_all_ran_as("waits", 2, ALICE).await
    })
}

#[test]
fn a_stopped_workflow_ends_its_container_and_its_exit_handler_runs_as_alice() -> Result<()> {
    with_real_argo(|argo| async move {
        let alice = argo.ns.alice().await?;
        let mut flow = scripts(
            "Workflow",
            "stops",
            &[("long", "sleep 600"), ("after", "true")],
        );
        flow["spec"]["onExit"] = json!("after");
        create(&alice, &flow).await?;
        argo.wait_for_running_pod("stops", "stops").await?;
        argo.argo(ALICE, &["stop", "stops"])
            .await?
            .expect_success()?;
        argo.wait_for_phase("stops", "Failed").await?;
        argo.check_all_ran_as("stops", 2, ALICE).await?;
        for pod in argo.pods_of("stops").await? {
            ensure!(main_ended(&pod).is_some(), "{} goes on", pod.name_any());
        }
        Ok(())
    })
}

#[test]
fn a_workflow_that_bob_terminates_ends_its_container_and_runs_nothing_more() -> Result<()> {
    with_real_argo(|argo| async move {
        let alice = argo.ns.alice().await?;
        let mut flow = scripts(
            "Workflow",
            "ends",
            &[("long", "sleep 600"), ("after", "true")],
        );
        flow["spec"]["onExit"] = json!("after");
        create(&alice, &flow).await?;
        argo.wait_for_running_pod("ends", "ends").await?;
        argo.argo(BOB, &["terminate", "ends"])
            .await?
            .expect_success()?;
        argo.wait_for_phase("ends", "Failed").await?;
        let pods = argo.pods_of("ends").await?;
        ensure!(pods.len() == 1, "{} pods", pods.len());
        ensure!(
            pods.iter().all(|pod| main_ended(pod).is_some()),
            "it goes on"
        );
        argo.check_all_ran_as("ends", 1, ALICE).await
    })
}

#[test]
fn deadlines_of_step_and_workflow_end_alices_pods() -> Result<()> {
    with_real_argo(|argo| async move {
        let alice = argo.ns.alice().await?;
        let long = [("long", "sleep 600")];
        let mut step = scripts("Workflow", "step", &long);
        step["spec"]["templates"][0]["activeDeadlineSeconds"] = json!(10);
        let mut timeout = scripts("Workflow", "timeout", &long);
        timeout["spec"]["templates"][0]["timeout"] = json!("10s");
        let mut whole = scripts("Workflow", "whole", &long);
        whole["spec"]["activeDeadlineSeconds"] = json!(15);
        for flow in [&step, &timeout, &whole] {
            create(&alice, flow).await?;
        }
        for name in ["step", "timeout", "whole"] {
            argo.wait_for_phase(name, "Failed").await?;
            argo.check_all_ran_as(name, 1, ALICE).await?;
            for pod in argo.pods_of(name).await? {
                let name = pod.name_any();
                namesake_tests::eventually::eventually("its container ends", async || {
                    let pod: Pod = argo.ns.admin().await?.all().get(&name).await?;
                    ensure!(main_ended(&pod).is_some(), "{name} goes on");
                    Ok(())
                })
                .await?;
            }
        }
        Ok(())
    })
}

#[test]
fn lifecycle_hooks_and_retried_steps_run_as_alice() -> Result<()> {
    with_real_argo(|argo| async move {
        let alice = argo.ns.alice().await?;
        let mut flow = scripts(
            "Workflow",
            "hooks",
            &[("main", "exit {{retries}}"), ("hook", "true")],
        );
        flow["spec"]["templates"][0]["container"]["args"] = json!(["test {{retries}} = 1"]);
        flow["spec"]["templates"][0]["retryStrategy"] = json!({"limit": "2"});
        flow["spec"]["hooks"] = json!({"exit": {"template": "hook"}});
        create(&alice, &flow).await?;
        argo.wait_for_phase("hooks", "Succeeded").await?;
        // The failed attempt, the second one, and the hook.
        argo.check_all_ran_as("hooks", 3, ALICE).await
    })
}

#[test]
fn an_inline_schedule_runs_as_its_author_even_after_bob_suspended_it() -> Result<()> {
    with_real_argo(|argo| async move {
        let alice = argo.ns.alice().await?;
        let spec = scripts("Workflow", "x", &[("tick", "true")])["spec"].take();
        let cron = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "CronWorkflow", "metadata": {"name": "tick"},
            "spec": {"schedules": ["* * * * *"], "workflowSpec": spec}});
        let (_folder, path) = file(&cron)?;
        let create = ["cron", "create", &path.display().to_string()];
        argo.argo(ALICE, &create).await?.expect_success()?;
        let fired = argo.new_workflow(&[]).await?.name_any();
        argo.argo(BOB, &["cron", "suspend", "tick"])
            .await?
            .expect_success()?;
        argo.wait_for_phase(&fired, "Succeeded").await?;
        argo.check_all_ran_as(&fired, 1, ALICE).await?;
        let bobs = argo.argo(BOB, &["cron", "resume", "tick"]).await?;
        bobs.expect_failure(ALICE)?;
        argo.argo(ALICE, &["cron", "resume", "tick"])
            .await?
            .expect_success()?;
        patch(
            &alice,
            "CronWorkflow",
            "tick",
            json!({"spec": {"suspend": true}}),
        )
        .await?;
        Ok(())
    })
}

#[test]
fn alices_template_runs_as_alice_when_an_account_starts_it_that_is_not_a_user() -> Result<()> {
    with_real_argo(|argo| async move {
        let alice = argo.ns.alice().await?;
        let script = "echo {{workflow.parameters.event}}";
        let mut greet = scripts("WorkflowTemplate", "greet", &[("hello", script)]);
        greet["spec"]["arguments"] = json!({"parameters": [{"name": "event", "value": "none"}]});
        create(&alice, &greet).await?;
        let sensor = "system:serviceaccount:argo-events:sensor";
        let sensor = argo.ns.person(sensor).await?;
        let started = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "event"},
            "spec": {"workflowTemplateRef": {"name": "greet"},
                "arguments": {"parameters": [{"name": "event", "value": "it-happened"}]}}});
        create(&sensor, &started).await?;
        argo.wait_for_phase("event", "Succeeded").await?;
        argo.check_all_ran_as("event", 1, ALICE).await?;
        // The spec that Argo writes itself has no user, and no rule matches it: its pod stays as it is.
        create(&sensor, &scripts("Workflow", "own", &[("main", "true")])).await?;
        let pod = argo.first_pod_of("own").await?;
        ensure!(account_of(&pod) == "default", "it is {}", account_of(&pod));
        Ok(())
    })
}
