//! The user in a task's environment variables.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use namesake_sandbox::kubernetes::users::{ALICE, BOB};
use namesake_tests::{
    drafts::metaflow_job,
    namespace::{TestNamespace, with_namespace, with_own_stack},
    stack::{Options, SHARED_RULES},
};
use serde_json::{Value, json};

const USER: &str = "METAFLOW_USER";
const HEADERS: &str = "METAFLOW_SERVICE_HEADERS";
const TOKEN: &str = r#"{"Authorization":"Bearer s3cret","x-own":"y"}"#;

/// A Job that claims to be bob's, and has a token in its environment.
fn job_claiming_bob() -> Result<Value> {
    let mut job = metaflow_job().claiming_user(BOB).into_value();
    let env = job
        .pointer_mut("/spec/template/spec/containers/0/env")
        .and_then(|env| env.as_array_mut())
        .context("no env")?;
    env.retain(|variable| variable["name"] != HEADERS);
    env.push(json!({"name": HEADERS, "value": TOKEN}));
    Ok(job)
}

/// The warnings when alice creates it.
async fn warnings(ns: &TestNamespace) -> Result<String> {
    let path = format!("/apis/batch/v1/namespaces/{}/jobs", ns.name);
    let request = http::Request::post(path).header("content-type", "application/json");
    let request = request.body(serde_json::to_vec(&job_claiming_bob()?)?)?;
    ns.alice().await?.warnings_of(request).await
}

/// The values of both variables in the pod of alice's Job.
async fn variables(ns: &TestNamespace) -> Result<[String; 2]> {
    let job: Job = serde_json::from_value(job_claiming_bob()?)?;
    let job = ns.alice().await?.create::<Job>(job).await?;
    let pod = ns.pod_of(&job).await?;
    ns.runs_as(&pod, ALICE).await?;
    let spec = pod.spec.context("no spec")?;
    let env = spec.containers.first().context("no container")?.env.clone();
    let value = |name: &str| {
        let mut all = env.iter().flatten();
        let found = all.find(|variable| variable.name == name);
        found.and_then(|v| v.value.clone()).unwrap_or_default()
    };
    Ok([value(USER), value(HEADERS)])
}

#[test]
fn the_environment_is_unchanged_unless_the_rules_say_otherwise() -> Result<()> {
    with_namespace(|ns| async move {
        let [user, headers] = variables(&ns).await?;
        ensure!(user == BOB && headers == TOKEN, "{user} {headers}");
        let warnings = warnings(&ns).await?;
        for part in [
            "METAFLOW_USER says bob@acme.com, you are alice@acme.com",
            HEADERS,
        ] {
            ensure!(warnings.contains(part), "{part} is not in {warnings:?}");
        }
        ensure!(!warnings.contains("s3cret"), "{warnings}");
        Ok(())
    })
}

#[test]
fn the_proven_user_is_set_and_the_token_removed_where_the_rules_say_so() -> Result<()> {
    let options = Options {
        rules: format!("{SHARED_RULES}\nhygiene: {{setUser: true, stripTokens: true}}\n"),
        ..Options::default()
    };
    with_own_stack(options, |ns| async move {
        let [user, headers] = variables(&ns).await?;
        ensure!(user == ALICE, "{user}");
        ensure!(headers == r#"{"x-own":"y"}"#, "{headers}");
        let warnings = warnings(&ns).await?;
        for part in [
            "is set to alice@acme.com",
            "was removed from METAFLOW_SERVICE_HEADERS",
        ] {
            ensure!(warnings.contains(part), "{part} is not in {warnings:?}");
        }
        Ok(())
    })
}
