//! The alarm of the webhook about missing or changed policies, which policies cannot protect themselves.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{
    admissionregistration::v1::ValidatingAdmissionPolicyBinding, events::v1::Event,
};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use namesake_api::names::SYSTEM_NAMESPACE;
use namesake_tests::{
    eventually::eventually,
    namespace::{TestNamespace, with_own_stack},
    stack::Options,
};
use serde_json::json;

async fn wait_for_faults(ns: &TestNamespace, count: u32) -> Result<()> {
    eventually(&format!("the webhook counts {count} faults"), async || {
        let text = ns.stack.webhook_metrics().await?;
        let line = text
            .lines()
            .find(|line| line.starts_with("namesake_webhook_guard_faults "))
            .context("no such metric")?;
        ensure!(line.ends_with(&format!(" {count}")), "{line}");
        Ok(())
    })
    .await
}

#[test]
fn a_policy_that_an_admin_weakens_is_reported_until_it_is_restored() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        wait_for_faults(&ns, 0).await?;
        let client = ns.admin().await?.client().clone();
        let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(client.clone());
        let become_ = async |actions: &[&str]| {
            let patch = Patch::Merge(json!({"spec": {"validationActions": actions}}));
            bindings
                .patch("namesake-adoption", &PatchParams::default(), &patch)
                .await
        };
        become_(&["Warn"]).await?;
        let alarm = async {
            wait_for_faults(&ns, 1).await?;
            let events: Api<Event> = Api::namespaced(client, SYSTEM_NAMESPACE);
            eventually("an Event names the policy", async || {
                let all = events.list(&ListParams::default()).await?.items;
                let told = all.iter().any(|event| {
                    event.reason.as_deref() == Some("GuardFaults")
                        && event.note.as_deref().is_some_and(|note| {
                            note.contains("namesake-adoption") && note.ends_with("(NS2310)")
                        })
                });
                ensure!(told, "not yet");
                Ok(())
            })
            .await
        }
        .await;
        become_(&["Deny"]).await?;
        alarm?;
        wait_for_faults(&ns, 0).await
    })
}
