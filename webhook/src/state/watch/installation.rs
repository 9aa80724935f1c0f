//! Checks whether the policies and webhooks that protect Namesake are as shipped, and reports when they are not.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::ListParams;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Client};
use namesake_api::names;

use crate::state::State;
use crate::state::installation::{Installation, faults};
use crate::state::metrics::gauge;

/// Between two checks.
const PAUSE: Duration = Duration::from_secs(10);
/// Longest note of an Event, in bytes.
const MAX_NOTE: usize = 1024;

/// Checks again and again; never returns.
pub(super) async fn run(client: Client, namespace: &str, state: Arc<State>) {
    let reporter = Reporter::from(names::WEBHOOK_SERVICE_ACCOUNT);
    let recorder = Recorder::new(client.clone(), reporter);
    let mut before = Vec::new();
    loop {
        match read(&client, namespace).await {
            Ok(installation) => {
                let now = faults(&installation);
                state.metrics.guard_faults.set(gauge(now.len()));
                if now != before {
                    report(&recorder, namespace, &now).await;
                }
                before = now;
            }
            Err(error) => {
                state.metrics.count_watch_failure("installation");
                tracing::warn!(%error, "failed to read the policies and webhook configurations");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn read(client: &Client, namespace: &str) -> Result<Installation, kube::Error> {
    let all = ListParams::default();
    let configuration = &names::webhook_configuration(namespace);
    Ok(Installation {
        home: namespace.to_owned(),
        policies: Api::all(client.clone()).list(&all).await?.items,
        bindings: Api::all(client.clone()).list(&all).await?.items,
        mutating: Api::all(client.clone()).get_opt(configuration).await?,
        validating: Api::all(client.clone()).get_opt(configuration).await?,
    })
}

async fn report(recorder: &Recorder, namespace: &str, faults: &[String]) {
    let (kind, reason) = if faults.is_empty() {
        tracing::info!("all policies and webhooks are as shipped");
        (EventType::Normal, "GuardsIntact")
    } else {
        tracing::error!(
            faults = faults.join("; "),
            "policies or webhooks that protect Namesake are missing or weaker than shipped: apply the manifests again"
        );
        (EventType::Warning, "GuardFaults")
    };
    let mut note = faults.join("; ");
    note.truncate(note.floor_char_boundary(MAX_NOTE));
    let event = Event {
        type_: kind,
        reason: reason.to_owned(),
        note: (!note.is_empty()).then_some(note),
        action: "CheckGuards".to_owned(),
        secondary: None,
    };
    // On an object at which operators of Namesake look first.
    let about = ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("ConfigMap".to_owned()),
        name: Some(names::RULES_CONFIG_MAP.to_owned()),
        namespace: Some(namespace.to_owned()),
        ..ObjectReference::default()
    };
    if let Err(error) = recorder.publish(&event, &about).await {
        tracing::warn!(%error, "failed to write the Event");
    }
}
