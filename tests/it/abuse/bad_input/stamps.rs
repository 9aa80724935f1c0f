//! Invalid stamps and resolutions: they have no effect, and cause no additional refusals.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use namesake_api::names::{
    IDENTITY_LABEL, RESOLUTION_ANNOTATION, STAMP_ANNOTATION, USER_ANNOTATION,
};
use namesake_sandbox::kubernetes::users::MALLORY;
use namesake_tests::{
    drafts::metaflow_pod,
    namespace::{TestNamespace, with_namespace},
};
use serde_json::{Value, json};

use super::{check_webhook_still_answers, one_of_each_kind, place, send_json, stamped_user};

/// Control characters, a text as large as annotations can be, and texts that resemble stamps.
fn texts() -> Vec<String> {
    vec![
        "\u{0}\u{1b}[2J\r\n\u{7f}\u{9b}".to_owned(),
        format!("v2.k1.e.{}", "x".repeat(100_000)),
        format!("v2.{}.e.e30.AAAA", "k".repeat(1000)),
        "v2....".to_owned(),
        "\u{202e}v2.k1.e.e30.AAAA\u{feff}".to_owned(),
        String::new(),
    ]
}

fn with_stamp(of: &str, object: &Value, name: &str, text: &str) -> Value {
    let (api_version, _) = of.rsplit_once('/').unwrap_or_default();
    let mut object = object.clone();
    object["apiVersion"] = json!(api_version);
    object["metadata"] = json!({"name": name, "annotations": {STAMP_ANNOTATION: text}});
    object
}

async fn is_stamped_for(ns: &TestNamespace, object: &Value, who: &str) -> Result<()> {
    let user =
        stamped_user(object).with_context(|| format!("{:.300}", object["metadata"].to_string()))?;
    ensure!(user == who, "{}: {user}", ns.name);
    Ok(())
}

#[test]
fn a_stamp_with_control_characters_or_of_100_kb_is_void_on_any_kind() -> Result<()> {
    with_namespace(|ns| async move {
        let (alice, mallory) = (ns.alice().await?, ns.mallory().await?);
        for (of, object) in one_of_each_kind() {
            let place = place(of, &ns.name);
            let alices = with_stamp(of, &object, "alices", "x");
            send_json(&alice, "POST", &place, &alices)
                .await?
                .expect_stored()?;
            for (number, text) in texts().iter().enumerate() {
                let about = || format!("{of}, text {number}");
                let own = with_stamp(of, &object, &format!("own-{number}"), text);
                let made = send_json(&mallory, "POST", &place, &own).await?;
                is_stamped_for(
                    &ns,
                    &made.expect_stored().with_context(about)?,
                    &mallory.name,
                )
                .await?;
                let over = json!({"metadata": {"annotations": {STAMP_ANNOTATION: text}}});
                let path = format!("{place}/alices");
                let changed = send_json(&mallory, "PATCH", &path, &over).await?;
                let changed = changed.expect_stored().with_context(about)?;
                is_stamped_for(&ns, &changed, &alice.name)
                    .await
                    .with_context(about)?;
            }
        }
        check_webhook_still_answers(&ns).await
    })
}

#[test]
fn a_pod_with_such_a_stamp_and_resolution_runs_as_its_creator() -> Result<()> {
    with_namespace(|ns| async move {
        let mallory = ns.mallory().await?;
        for text in texts() {
            let mut pod = metaflow_pod();
            for key in [STAMP_ANNOTATION, RESOLUTION_ANNOTATION, USER_ANNOTATION] {
                // All three must fit.
                let part: String = text.chars().take(80_000).collect();
                pod = pod.annotated(key, &part);
            }
            let pod = pod.labelled(IDENTITY_LABEL, "mf-bob-aaaaaaaaaaaaaa");
            let pod = mallory.create::<Pod>(pod).await?;
            ns.runs_as(&pod, MALLORY).await?;
            let resolution = &pod.annotations()[RESOLUTION_ANNOTATION];
            ensure!(resolution.split('.').count() == 5, "{resolution:.80}");
            ensure!(!text.starts_with(resolution.as_str()), "{resolution:.80}");
        }
        check_webhook_still_answers(&ns).await
    })
}
