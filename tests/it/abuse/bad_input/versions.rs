//! Newer API versions of Argo's and JobSet's kinds, which the code does not know.

use anyhow::{Result, ensure};
use k8s_openapi::{
    api::core::v1::Pod,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use namesake_sandbox::kubernetes::users::{ALICE, MALLORY};
use namesake_tests::{
    cluster::{person::Person, refusal::refused},
    controllers::replayed_argo::{Controller, create, inline, pod, template},
    drafts::metaflow_job,
    eventually::eventually,
    namespace::{TestNamespace, with_own_stack},
    stack::Options,
};
use serde_json::{Value, json};

use super::{check_webhook_still_answers, place, send_json, stamped_user};

/// The definitions that get a version `v1`, and the stored version.
const KINDS: [(&str, &str); 5] = [
    ("argoproj.io/v1/workflows", "Workflow"),
    ("argoproj.io/v1/workflowtemplates", "WorkflowTemplate"),
    ("argoproj.io/v1/cronworkflows", "CronWorkflow"),
    ("argoproj.io/v1/workflowtaskresults", "WorkflowTaskResult"),
    ("jobset.x-k8s.io/v1/jobsets", "JobSet"),
];

/// Adds a version `v1` to each definition, or removes it.
async fn serve(ns: &TestNamespace, serve: bool) -> Result<()> {
    let admin = ns.admin().await?;
    let kinds: Api<CustomResourceDefinition> = Api::all(admin.client().clone());
    for (of, _) in KINDS {
        let mut parts = of.split('/');
        let (group, plural) = (parts.next().unwrap_or_default(), parts.next_back());
        let name = format!("{}.{group}", plural.unwrap_or_default());
        let mut versions = kinds.get(&name).await?.spec.versions;
        versions.retain(|version| version.name != "v1");
        if serve {
            let mut another = versions[0].clone();
            another.name = "v1".to_owned();
            another.storage = false;
            versions.push(another);
        }
        let patch = Patch::Merge(json!({"spec": {"versions": versions}}));
        kinds.patch(&name, &PatchParams::default(), &patch).await?;
    }
    for (of, _) in KINDS {
        let path = place(of, &ns.name);
        eventually("the versions are served as they should be", async || {
            let request = http::Request::get(&path).body(Vec::new())?;
            let there = admin.client().request::<Value>(request).await.is_ok();
            ensure!(there == serve, "{path}: {there}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

fn draft_of_alice(of: &str, kind: &str) -> Value {
    let job = metaflow_job().into_value();
    let jobs = json!([{"name": "a", "template": {"spec": {"template": job["spec"]["template"]}}}]);
    let (api_version, _) = of.rsplit_once('/').unwrap_or_default();
    let spec = match kind {
        "JobSet" => json!({"replicatedJobs": jobs, "suspend": true}),
        "CronWorkflow" => json!({"schedules": ["0 0 30 2 *"], "workflowSpec": inline()["spec"]}),
        _ => template()["spec"].take(),
    };
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "newer"}, "spec": spec})
}

fn change(kind: &str) -> Value {
    match kind {
        "JobSet" => json!({"spec": {"replicatedJobs": [], "suspend": false}}),
        "CronWorkflow" => {
            json!({"spec": {"workflowSpec": {"podMetadata": {"labels": {"a": "b"}}}}})
        }
        _ => json!({"spec": {"podMetadata": {"labels": {"a": "b"}}}}),
    }
}

/// Objects created and changed at the newer version get the same stamps and checks.
async fn check_newer_version(ns: &TestNamespace, alice: &Person, mallory: &Person) -> Result<()> {
    for (of, kind) in KINDS {
        let place = place(of, &ns.name);
        let mine = draft_of_alice(of, kind);
        if kind == "WorkflowTaskResult" {
            let fed = send_json(mallory, "POST", &place, &mine).await?;
            fed.expect_refusal(&["guard.namesake.dev", MALLORY])?;
            continue;
        }
        let made = send_json(alice, "POST", &place, &mine)
            .await?
            .expect_stored()?;
        ensure!(stamped_user(&made)? == ALICE, "{kind}");
        let path = format!("{place}/newer");
        let changed = send_json(mallory, "PATCH", &path, &change(kind)).await?;
        if kind == "WorkflowTemplate" {
            // The person who deploys it again is its deployer.
            ensure!(
                stamped_user(&changed.expect_stored()?)? == MALLORY,
                "{kind}"
            );
        } else {
            changed.expect_refusal(&[ALICE, MALLORY])?;
        }
    }
    Ok(())
}

#[test]
fn an_unknown_version_of_a_known_kind_is_admitted_like_the_known_one() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        let (alice, mallory) = (ns.alice().await?, ns.mallory().await?);
        serve(&ns, true).await?;
        let same = check_newer_version(&ns, &alice, &mallory).await;
        // A child that references its owner at the newer version.
        let owned = async {
            let argo = Controller::of(&ns).await?;
            let workflow = create(&alice, &inline()).await?;
            let mut step = pod(&workflow, "start");
            step["metadata"]["ownerReferences"][0]["apiVersion"] = json!("argoproj.io/v1");
            let planted: Pod = serde_json::from_value(step.clone())?;
            refused(mallory.create::<Pod>(planted).await)?.with_code(403)?;
            ns.runs_as(&argo.create_pod(step).await?, ALICE).await?;
            anyhow::Ok(())
        }
        .await;
        serve(&ns, false).await?;
        same?;
        owned?;
        check_webhook_still_answers(&ns).await
    })
}
