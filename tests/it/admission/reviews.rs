//! Unusual request bodies, sent directly to the webhook.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use namesake_api::names::{IDENTITIES_PATH, METRICS_PATH, MUTATE_PATH, VALIDATE_PATH};
use namesake_sandbox::kubernetes::users::ALICE;
use namesake_tests::{
    cluster::in_process_log,
    drafts::{metaflow_job, metaflow_pod},
    namespace::{TestNamespace, with_namespace},
};
use serde_json::{Value, json};

/// Status and body of a POST to the webhook.
async fn post(ns: &TestNamespace, path: &str, body: Vec<u8>) -> Result<(u16, String)> {
    let url = format!("{}{path}", ns.stack.webhook_url());
    let sent = ns
        .stack
        .https()?
        .post(url)
        .header("content-type", "application/json")
        .body(body);
    let response = sent.send().await?;
    Ok((response.status().as_u16(), response.text().await?))
}

fn review(ns: &TestNamespace, object: &Value, user: &str) -> Value {
    let kind = match object["kind"].as_str() {
        Some("Job") => json!({"group": "batch", "version": "v1", "kind": "Job"}),
        _ => json!({"group": "", "version": "v1", "kind": "Pod"}),
    };
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "kind": kind, "operation": "CREATE", "namespace": ns.name,
        "userInfo": {"username": user, "groups": ["system:authenticated"]}, "object": object, "dryRun": false,
    }})
}

/// Sends a review, and returns the `response`.
async fn response_of(ns: &TestNamespace, path: &str, review: &Value) -> Result<Value> {
    let (status, text) = post(ns, path, review.to_string().into_bytes()).await?;
    ensure!(status == 200, "{status} {text}");
    let answer: Value = serde_json::from_str(&text)?;
    ensure!(
        answer["apiVersion"] == "admission.k8s.io/v1" && answer["kind"] == "AdmissionReview",
        "{answer}"
    );
    ensure!(
        answer["response"]["uid"] == review["request"]["uid"],
        "{answer}"
    );
    Ok(answer["response"].clone())
}

fn patch_of(response: &Value) -> Result<Vec<Value>> {
    let Some(text) = response["patch"].as_str() else {
        return Ok(Vec::new());
    };
    let bytes = data_encoding::BASE64.decode(text.as_bytes())?;
    Ok(serde_json::from_slice(&bytes)?)
}

#[test]
fn a_body_that_is_not_a_review_gets_a_clear_4xx() -> Result<()> {
    with_namespace(|ns| async move {
        let mut old = review(&ns, &metaflow_pod().into_value(), ALICE);
        old["apiVersion"] = json!("admission.k8s.io/v1beta1");
        let mut without_uid = review(&ns, &metaflow_pod().into_value(), ALICE);
        without_uid["request"]["uid"] = json!("");
        let bodies = [
            String::new(),
            "{".into(),
            "[1,2]".into(),
            "null".into(),
            "\"review\"".into(),
            "{}".into(),
            old.to_string(),
            without_uid.to_string(),
        ];
        for path in ["/mutate", "/validate", "/validate-rules"] {
            for body in &bodies {
                let (status, text) = post(&ns, path, body.clone().into_bytes()).await?;
                ensure!(status == 400, "{path} {body:.60}: {status} {text}");
                ensure!(
                    !text.trim().is_empty(),
                    "{path}: no word about what is wrong"
                );
            }
            let (status, text) = post(&ns, path, vec![0xff, 0xfe, b'{']).await?;
            ensure!(status == 400, "{status} {text}");
        }
        Ok(())
    })
}

#[test]
fn a_body_over_eight_mebibytes_is_refused_unread() -> Result<()> {
    with_namespace(|ns| async move {
        let huge = vec![b' '; 8 * 1024 * 1024 + 1];
        let (status, text) = post(&ns, "/mutate", huge).await?;
        ensure!(status == 413 && text.contains("8388608"), "{status} {text}");
        // The largest request of the API server (3 MiB) is accepted.
        let fat = metaflow_pod()
            .annotated("fat", &"x".repeat(1024 * 1024))
            .into_value();
        ensure!(response_of(&ns, "/mutate", &review(&ns, &fat, ALICE)).await?["allowed"] == true);
        Ok(())
    })
}

#[test]
fn an_unexpected_kind_is_refused_by_name() -> Result<()> {
    with_namespace(|ns| async move {
        for (group, kind) in [
            ("apps", "Deployment"),
            ("", "Secret"),
            ("batch", "Pod"),
            ("", "Job"),
            ("argoproj.io", "Sensor"),
        ] {
            let mut asked = review(
                &ns,
                &json!({"kind": kind, "metadata": {"name": "x"}}),
                ALICE,
            );
            asked["request"]["kind"] = json!({"group": group, "version": "v1", "kind": kind});
            let response = response_of(&ns, "/mutate", &asked).await?;
            ensure!(
                response["allowed"] == false
                    && response["status"]["message"].to_string().contains(kind),
                "{response}"
            );
        }
        for operation in ["DELETE", "CONNECT", "PATCH", ""] {
            let mut asked = review(&ns, &metaflow_pod().into_value(), ALICE);
            asked["request"]["operation"] = json!(operation);
            ensure!(
                response_of(&ns, "/mutate", &asked).await?["allowed"] == false,
                "{operation}"
            );
        }
        Ok(())
    })
}

#[test]
fn a_patch_changes_only_namesakes_own_fields() -> Result<()> {
    with_namespace(|ns| async move {
        let mut pod = metaflow_pod().annotated("acme.com/cost", "42").into_value();
        pod["spec"]["fieldOfNextYear"] = json!({"nested": [1, 2]});
        pod["spec"]["containers"][0]["futureKnob"] = json!("on");
        let response = response_of(&ns, "/mutate?timeout=10s", &review(&ns, &pod, ALICE)).await?;
        ensure!(response["allowed"] == true, "{response}");
        let ours = [
            "/metadata/labels/namesake.dev~1",
            "/metadata/annotations/namesake.dev~1",
            "/spec/serviceAccount",
            "/spec/schedulingGates",
        ];
        let patch = patch_of(&response)?;
        ensure!(!patch.is_empty());
        for change in patch {
            let path = change["path"].as_str().unwrap_or_default();
            ensure!(ours.iter().any(|start| path.starts_with(start)), "{change}");
        }
        Ok(())
    })
}

#[test]
fn an_already_patched_object_gets_an_empty_patch() -> Result<()> {
    with_namespace(|ns| async move {
        for draft in [metaflow_pod(), metaflow_job()] {
            let mut asked = review(&ns, &draft.into_value(), ALICE);
            let first = patch_of(&response_of(&ns, "/mutate", &asked).await?)?;
            ensure!(!first.is_empty());
            let patch: json_patch::Patch = serde_json::from_value(json!(first))?;
            json_patch::patch(&mut asked["request"]["object"], &patch)?;
            let again = patch_of(&response_of(&ns, "/mutate", &asked).await?)?;
            // An identity may have become ready in between: then only its gate is removed.
            let more: Vec<_> = again
                .iter()
                .filter(|change| !change["path"].to_string().contains("schedulingGates"))
                .collect();
            ensure!(more.is_empty(), "{more:?}");
        }
        Ok(())
    })
}

#[test]
fn user_names_that_only_a_forged_review_can_have_are_refused() -> Result<()> {
    with_namespace(|ns| async move {
        for user in [
            "🦀@acme.com",
            "аlice@acme.com",
            "alice@acme.com\u{0}",
            "\u{202e}alice@acme.com",
            "",
            "alice\n@acme.com",
        ] {
            let response = response_of(
                &ns,
                "/mutate",
                &review(
                    &ns,
                    &metaflow_pod().running_as("metaflow").into_value(),
                    user,
                ),
            )
            .await?;
            ensure!(response["allowed"] == false, "{user:?}: {response}");
            ensure!(response["status"]["code"] == 403, "{user:?}: {response}");
        }
        ensure!(ns.identities().await?.is_empty(), "an identity was made");
        Ok(())
    })
}

#[test]
fn nothing_is_signed_for_a_namespace_that_is_not_opted_in() -> Result<()> {
    with_namespace(|ns| async move {
        for namespace in ["kube-system", "namesake-system", "no-such-namespace", ""] {
            let mut asked = review(&ns, &metaflow_job().into_value(), ALICE);
            asked["request"]["namespace"] = json!(namespace);
            let response = response_of(&ns, "/mutate", &asked).await?;
            ensure!(
                response["allowed"] == false && response["patch"].is_null(),
                "{namespace}: {response}"
            );
        }
        Ok(())
    })
}

#[test]
fn health_and_readiness_are_served_and_metrics_on_their_own_port() -> Result<()> {
    with_namespace(|ns| async move {
        let (https, url) = (ns.stack.https()?, ns.stack.webhook_url());
        for path in ["healthz", "readyz"] {
            ensure!(
                https.get(format!("{url}/{path}")).send().await?.status() == 200,
                "{path}"
            );
        }
        let metrics = ns.stack.webhook_metrics().await?;
        let line = metrics
            .lines()
            .find(|line| line.starts_with("namesake_webhook_decisions_total"));
        line.context("no decision was counted")?;
        Ok(())
    })
}

#[test]
fn the_log_names_the_trace_of_which_the_api_server_sends_the_id() -> Result<()> {
    with_namespace(|ns| async move {
        ns.alice().await?.create::<Job>(metaflow_job()).await?;
        let namespace = format!("namespace=\"{}\"", ns.name);
        let log = in_process_log()?;
        let mut lines = log
            .lines()
            .filter(|line| line.contains(" decision ") && line.contains(&namespace));
        let line = lines.next_back().context("no decision was logged")?;
        let (_, trace) = line
            .split_once("trace_id=\"")
            .with_context(|| line.to_owned())?;
        let digits = trace.chars().take_while(char::is_ascii_hexdigit).count();
        ensure!(digits == 32, "{line}");
        Ok(())
    })
}

#[test]
fn the_metrics_ports_answer_neither_reviews_nor_identity_requests() -> Result<()> {
    with_namespace(|ns| async move {
        let asked = review(&ns, &metaflow_job().into_value(), ALICE).to_string();
        let (webhook, broker) = (
            ns.stack.webhook_metrics_url()?,
            ns.stack.broker_metrics_url()?,
        );
        let plain = reqwest::Client::builder().no_proxy().build()?;
        for url in [
            format!("{webhook}{MUTATE_PATH}"),
            format!("{webhook}{VALIDATE_PATH}"),
            format!("{broker}{IDENTITIES_PATH}"),
        ] {
            let answer = plain.post(&url).body(asked.clone()).send().await?;
            ensure!(answer.status() == 404, "{url}: {}", answer.status());
        }
        let https = ns.stack.https()?;
        for url in [ns.stack.webhook_url(), ns.stack.broker_url()] {
            let answer = https.get(format!("{url}{METRICS_PATH}")).send().await?;
            ensure!(answer.status() == 404, "{url}: {}", answer.status());
        }
        Ok(())
    })
}
