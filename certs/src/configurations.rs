//! The caBundle of our webhook configurations.
//!
//! Server-side apply of the webhooks' names and `clientConfig.caBundle` only: `webhooks` is a map by name and
//! `clientConfig` a map by field, so the rest stays with whoever applied the manifests, and their next apply, which
//! does not name caBundle, leaves ours alone.

use std::fmt::Debug;

use data_encoding::BASE64;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource};
use namesake_api::names::FIELD_MANAGER_WEBHOOK;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::Error;

/// Sets the caBundle of every webhook in the Mutating- and the ValidatingWebhookConfiguration of this name; writes
/// nothing when all have it.
///
/// # Errors
/// When a configuration is missing, or the API server refuses.
pub async fn apply_ca_bundle(
    client: &Client,
    configuration: &str,
    bundle_pem: &str,
) -> Result<(), Error> {
    apply::<MutatingWebhookConfiguration>(client, configuration, bundle_pem, |c| {
        let all = c.webhooks.iter().flatten();
        all.map(|w| {
            (
                w.name.clone(),
                w.client_config.ca_bundle.as_ref().map(|b| b.0.clone()),
            )
        })
        .collect()
    })
    .await?;
    apply::<ValidatingWebhookConfiguration>(client, configuration, bundle_pem, |c| {
        let all = c.webhooks.iter().flatten();
        all.map(|w| {
            (
                w.name.clone(),
                w.client_config.ca_bundle.as_ref().map(|b| b.0.clone()),
            )
        })
        .collect()
    })
    .await
}

/// A webhook's name and its present caBundle.
type Present = (String, Option<Vec<u8>>);

async fn apply<K>(
    client: &Client,
    name: &str,
    bundle_pem: &str,
    webhooks: fn(&K) -> Vec<Present>,
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
        &webhooks(&found),
        bundle_pem,
    ) else {
        return Ok(());
    };
    // Ours by right: nobody else makes our certificates.
    let params = PatchParams::apply(FIELD_MANAGER_WEBHOOK).force();
    api.patch(name, &params, &Patch::Apply(patch))
        .await
        .map_err(Error::kubernetes(format!(
            "apply the caBundle of {kind} {name}"
        )))?;
    tracing::info!(kind = %kind, name, "caBundle applied");
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
        .all(|(_, bundle)| bundle.as_deref() == Some(wanted))
    {
        return None;
    }
    // All of them, changed or not: what an applied object leaves out, it gives up.
    let webhooks: Vec<_> = present
        .iter()
        .map(|(name, _)| json!({"name": name, "clientConfig": {"caBundle": BASE64.encode(wanted)}}))
        .collect();
    Some(
        json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "webhooks": webhooks}),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present(name: &str, bundle: Option<&str>) -> Present {
        (name.to_owned(), bundle.map(|b| b.as_bytes().to_vec()))
    }

    #[test]
    fn a_bundle_that_is_everywhere_is_not_written_again() {
        let all = [present("a", Some("pem")), present("b", Some("pem"))];
        assert_eq!(patch("v1", "K", "namesake", &all, "pem"), None);
        assert_eq!(patch("v1", "K", "namesake", &[], "pem"), None);
    }

    #[test]
    fn a_patch_names_every_webhook_and_nothing_but_its_bundle() {
        let all = [present("a", Some("pem")), present("b", None)];
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
