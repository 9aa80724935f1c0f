//! Requests as JSON over HTTP, for what no client would write; and one object of each kind that carries a stamp.

use anyhow::{Context, Result, ensure};
use data_encoding::BASE64URL_NOPAD;
use namesake_api::names::STAMP_ANNOTATION;
use namesake_tests::{
    cluster::{person::Person, refusal::refused},
    controllers::replayed_argo::{inline, template},
    drafts::metaflow_job,
};
use serde_json::{Value, json};

/// What the API server says when it could not use a webhook's answer, or got none.
const FAILED: &str = "failed calling webhook";

/// Where objects of a kind are made in a namespace.
pub(super) fn place(of: &str, namespace: &str) -> String {
    let (api, plural) = of.rsplit_once('/').unwrap_or(("", of));
    let root = if api == "v1" { "/api" } else { "/apis" };
    format!("{root}/{api}/namespaces/{namespace}/{plural}")
}

/// Somebody sends JSON, whatever it says.
pub(super) async fn sends(
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

/// What the API server answered.
pub(super) struct Answer(pub(super) kube::Result<Value>);

impl Answer {
    /// Checks that it is a refusal of what was written, in these words, and no failure of ours or the API server's.
    pub(super) fn tells(self, says: &[&str]) -> Result<()> {
        let mut told = refused(self.0)?;
        let code = told.code;
        ensure!([400, 403, 413, 422].contains(&code), "{code}: {told:?}");
        ensure!(!told.message.contains(FAILED), "{told:?}");
        for part in says {
            told = told.with_message(part)?;
        }
        Ok(())
    }

    pub(super) fn kept(self) -> Result<Value> {
        self.0.context("it is refused")
    }
}

/// What the stamp of an object says.
pub(super) fn stamped(object: &Value) -> Result<Value> {
    let stamp = object["metadata"]["annotations"][STAMP_ANNOTATION].as_str();
    let stamp = stamp.with_context(|| format!("no stamp: {}", object["metadata"]))?;
    let payload = stamp
        .split('.')
        .nth(3)
        .context("a stamp without a payload")?;
    let payload = BASE64URL_NOPAD.decode(payload.as_bytes())?;
    Ok(serde_json::from_slice(&payload)?)
}

/// Who made an object, as its stamp says.
pub(super) fn maker(object: &Value) -> Result<String> {
    let says = stamped(object)?;
    Ok(says["requester"].as_str().unwrap_or_default().to_owned())
}

/// One of each kind that carries a stamp.
pub(super) fn parents() -> Vec<(&'static str, Value)> {
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
