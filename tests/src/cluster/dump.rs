//! The content of a namespace, to explain a failure; without Secrets and tokens.

use std::fmt::Write as _;

use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Event, Pod, ServiceAccount},
};
use kube::{Api, Client, ResourceExt, api::ListParams};
use namesake_api::Identity;
use serde_json::Value;

use crate::cluster::person::Namespaced;

/// Jobs, pods, Identities, service accounts and events of a namespace, as text.
pub async fn dump(client: &Client, namespace: &str) -> String {
    let mut text = format!("--- namespace {namespace}\n");
    describe::<Job>(client, namespace, &mut text).await;
    describe::<Pod>(client, namespace, &mut text).await;
    describe::<Identity>(client, namespace, &mut text).await;
    describe::<ServiceAccount>(client, namespace, &mut text).await;
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    for event in events
        .list(&ListParams::default())
        .await
        .into_iter()
        .flatten()
    {
        let _ = writeln!(
            text,
            "Event {} {}: {}: {}",
            event.involved_object.kind.unwrap_or_default(),
            event.involved_object.name.unwrap_or_default(),
            event.reason.unwrap_or_default(),
            event.message.unwrap_or_default()
        );
    }
    text
}

async fn describe<K: Namespaced>(client: &Client, namespace: &str, text: &mut String) {
    let kind = K::kind(&());
    let objects: Api<K> = Api::namespaced(client.clone(), namespace);
    match objects.list(&ListParams::default()).await {
        Ok(list) => {
            for object in list {
                let mut value = serde_json::to_value(&object).unwrap_or_default();
                shorten(&mut value);
                let _ = writeln!(text, "{kind} {} {value}", object.name_any());
            }
        }
        Err(error) => {
            let _ = writeln!(text, "{kind}: cannot be listed: {error}");
        }
    }
}

/// Omits what never explains a failure: managed fields, and the containers' commands and environment.
fn shorten(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for noise in ["managedFields", "command", "env"] {
                fields.remove(noise);
            }
            fields.values_mut().for_each(shorten);
        }
        Value::Array(items) => items.iter_mut().for_each(shorten),
        _ => {}
    }
}
