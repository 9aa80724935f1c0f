//! Requests as JSON over HTTP, for objects that no client would write; and one object of each kind that gets a stamp.

use anyhow::{Context, Result, ensure};
use data_encoding::BASE64URL_NOPAD;
use namesake_api::names::STAMP_ANNOTATION;
use namesake_tests::{
    cluster::{person::Person, refusal::refused},
    controllers::replayed_argo::{inline, template},
    drafts::metaflow_job,
};
use serde_json::{Value, json};

/// What the API server says if a webhook did not answer, or not correctly.
const FAILED: &str = "failed calling webhook";

/// The URL path for creating objects of a kind in a namespace.
pub(super) fn place(of: &str, namespace: &str) -> String {
    let (api, plural) = of.rsplit_once('/').unwrap_or(("", of));
    let root = if api == "v1" { "/api" } else { "/apis" };
    format!("{root}/{api}/namespaces/{namespace}/{plural}")
}

/// Sends JSON as it is.
pub(super) async fn send_json(
    person: &Person,
    method: &str,
    path: &str,
    body: &Value,
) -> Result<Answer> {
    let json = if method == "PATCH" {
        "application/merge-patch+json"
    } else {
        "application/json"
    };
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", json)
        .body(serde_json::to_vec(body)?)?;
    Ok(Answer(person.client().request(request).await))
}

/// The response of the API server.
pub(super) struct Answer(pub(super) kube::Result<Value>);

impl Answer {
    /// Checks that the input was refused with these words, and that neither the webhook nor the API server failed.
    pub(super) fn expect_refusal(self, says: &[&str]) -> Result<()> {
        let mut told = refused(self.0)?;
        let code = told.code;
        ensure!([400, 403, 413, 422].contains(&code), "{code}: {told:?}");
        ensure!(!told.message.contains(FAILED), "{told:?}");
        for part in says {
            told = told.with_message(part)?;
        }
        Ok(())
    }

    pub(super) fn expect_stored(self) -> Result<Value> {
        self.0.context("it is refused")
    }
}

/// The content of an object's stamp.
pub(super) fn stamp_of(object: &Value) -> Result<Value> {
    let stamp = object["metadata"]["annotations"][STAMP_ANNOTATION].as_str();
    let stamp = stamp.with_context(|| format!("no stamp: {}", object["metadata"]))?;
    let payload = stamp
        .split('.')
        .nth(3)
        .context("a stamp without a payload")?;
    let payload = BASE64URL_NOPAD.decode(payload.as_bytes())?;
    Ok(serde_json::from_slice(&payload)?)
}

/// The user in an object's stamp.
pub(super) fn stamped_user(object: &Value) -> Result<String> {
    let says = stamp_of(object)?;
    Ok(says["requester"].as_str().unwrap_or_default().to_owned())
}

/// One object of each kind that gets a stamp.
pub(super) fn one_of_each_kind() -> Vec<(&'static str, Value)> {
    let job = metaflow_job().suspended().into_value();
    let jobs = json!([{"name": "a", "template": {"spec": {"template": job["spec"]["template"]}}}]);
    let cron = json!({"kind": "CronJob", "spec": {"schedule": "0 0 30 2 *", "suspend": true,
        "jobTemplate": {"spec": job["spec"]}}});
    let flow = inline()["spec"].take();
    vec![
        ("batch/v1/jobs", job),
        ("batch/v1/cronjobs", cron),
        (
            "jobset.x-k8s.io/v1alpha2/jobsets",
            json!({"kind": "JobSet", "spec": {"replicatedJobs": jobs}}),
        ),
        ("argoproj.io/v1alpha1/workflows", inline()),
        ("argoproj.io/v1alpha1/workflowtemplates", template()),
        (
            "argoproj.io/v1alpha1/cronworkflows",
            json!({"kind": "CronWorkflow", "spec": {"schedules": ["0 0 30 2 *"], "workflowSpec": flow}}),
        ),
    ]
}
