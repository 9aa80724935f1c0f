//! The caBundle of our webhook configurations.
//!
//! It is set by server-side apply of the webhooks' names and `clientConfig.caBundle` only. `webhooks` is a map by name and
//! `clientConfig` a map by field, so all other fields stay with whoever applied the manifests, and applying the manifests
//! again, which do not set caBundle, does not remove it.

use std::fmt::Debug;

use data_encoding::BASE64;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource};
use namesake_api::names::FIELD_MANAGER_WEBHOOK;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::Error;

/// Sets the caBundle of every webhook in the Mutating- and the ValidatingWebhookConfiguration of this name, unless all have it
/// already from here. One that only somebody else wrote (docs/upgrade.md) would go with the next apply that leaves it out.
///
/// # Errors
/// A configuration is missing, or the API server refuses.
pub async fn apply_ca_bundle(
    client: &Client,
    configuration: &str,
    bundle_pem: &str,
) -> Result<(), Error> {
    apply::<MutatingWebhookConfiguration>(client, configuration, bundle_pem, |c| {
        let all = c.webhooks.into_iter().flatten();
        all.map(|w| present(&c.metadata, w.name, w.client_config))
            .collect()
    })
    .await?;
    apply::<ValidatingWebhookConfiguration>(client, configuration, bundle_pem, |c| {
        let all = c.webhooks.into_iter().flatten();
        all.map(|w| present(&c.metadata, w.name, w.client_config))
            .collect()
    })
    .await
}

/// A webhook and its present caBundle.
struct Present {
    name: String,
    bundle: Option<Vec<u8>>,
    /// Whether the webhook applied it.
    is_ours: bool,
}

fn present(metadata: &ObjectMeta, name: String, config: WebhookClientConfig) -> Present {
    Present {
        is_ours: is_ours(metadata, &name),
        bundle: config.ca_bundle.map(|bundle| bundle.0),
        name,
    }
}

fn is_ours(metadata: &ObjectMeta, name: &str) -> bool {
    let key = format!("k:{}", json!({"name": name}));
    let mut applied = metadata.managed_fields.iter().flatten().filter(|entry| {
        let manager = entry.manager.as_deref();
        manager == Some(FIELD_MANAGER_WEBHOOK) && entry.operation.as_deref() == Some("Apply")
    });
    applied.any(|entry| {
        let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
        fields.is_some_and(|all| !all["f:webhooks"][&key]["f:clientConfig"]["f:caBundle"].is_null())
    })
}

async fn apply<K>(
    client: &Client,
    name: &str,
    bundle_pem: &str,
    webhooks: fn(K) -> Vec<Present>,
) -> Result<(), Error>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let api: Api<K> = Api::all(client.clone());
    let kind = K::kind(&());
    let found = api.get(name).await.map_err(Error::kubernetes(format!(
        "read {kind} {name} (apply the manifests first)"
    )))?;
    let Some(patch) = patch(
        &K::api_version(&()),
        &kind,
        name,
        &webhooks(found),
        bundle_pem,
    ) else {
        return Ok(());
    };
    // Forced, because nobody else issues our certificates.
    let params = PatchParams::apply(FIELD_MANAGER_WEBHOOK).force();
    api.patch(name, &params, &Patch::Apply(patch))
        .await
        .map_err(Error::kubernetes(format!(
            "apply the caBundle of {kind} {name}"
        )))?;
    tracing::info!(kind = %kind, name, "applied the caBundle");
    Ok(())
}

fn patch(
    api_version: &str,
    kind: &str,
    name: &str,
    present: &[Present],
    bundle_pem: &str,
) -> Option<Value> {
    let wanted = bundle_pem.as_bytes();
    if present
        .iter()
        .all(|one| one.is_ours && one.bundle.as_deref() == Some(wanted))
    {
        return None;
    }
    // All of them, changed or not: server-side apply gives up the fields that it leaves out.
    let webhooks: Vec<_> = present
        .iter()
        .map(|one| json!({"name": one.name, "clientConfig": {"caBundle": BASE64.encode(wanted)}}))
        .collect();
    Some(
        json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "webhooks": webhooks}),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(name: &str, bundle: Option<&str>) -> Present {
        Present {
            name: name.to_owned(),
            bundle: bundle.map(|b| b.as_bytes().to_vec()),
            is_ours: true,
        }
    }

    #[test]
    fn nothing_is_written_when_every_webhook_has_the_bundle() {
        let all = [webhook("a", Some("pem")), webhook("b", Some("pem"))];
        assert_eq!(patch("v1", "K", "namesake", &all, "pem"), None);
        assert_eq!(patch("v1", "K", "namesake", &[], "pem"), None);
    }

    #[test]
    fn a_bundle_that_only_somebody_else_wrote_is_written_again() {
        let applied = |manager: &str, operation: &str| -> ObjectMeta {
            let fields = json!({"f:webhooks": {"k:{\"name\":\"a\"}": {"f:clientConfig": {"f:caBundle": {}}}}});
            let entry = json!({"manager": manager, "operation": operation, "fieldsV1": fields});
            serde_json::from_value(json!({"managedFields": [entry]})).unwrap()
        };
        assert!(is_ours(&applied(FIELD_MANAGER_WEBHOOK, "Apply"), "a"));
        assert!(!is_ours(&applied(FIELD_MANAGER_WEBHOOK, "Apply"), "b"));
        assert!(!is_ours(&applied(FIELD_MANAGER_WEBHOOK, "Update"), "a"));
        assert!(!is_ours(&applied("kubectl", "Apply"), "a"));
        let foreign = Present {
            is_ours: false,
            ..webhook("a", Some("pem"))
        };
        assert!(patch("v1", "K", "namesake", &[foreign], "pem").is_some());
    }

    #[test]
    fn a_patch_has_every_webhook_with_its_name_and_bundle_only() {
        let all = [webhook("a", Some("pem")), webhook("b", None)];
        let bundle = BASE64.encode(b"pem");
        assert_eq!(
            patch(
                "admissionregistration.k8s.io/v1",
                "K",
                "namesake",
                &all,
                "pem"
            ),
            Some(json!({
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": "K",
                "metadata": {"name": "namesake"},
                "webhooks": [
                    {"name": "a", "clientConfig": {"caBundle": bundle}},
                    {"name": "b", "clientConfig": {"caBundle": bundle}},
                ],
            }))
        );
    }
}
