//! Looks whether what protects us is there as it was shipped, and raises the alarm when it is not.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::ListParams;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Client};
use namesake_api::names;

use crate::state::State;
use crate::state::installation::{Installation, faults};
use crate::state::metrics::WatchLabels;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(10);
/// Longest note of an Event, in bytes.
const MAX_NOTE: usize = 1024;

/// Looks again and again; never returns.
pub(super) async fn run(client: Client, namespace: &str, state: Arc<State>) {
    let reporter = Reporter::from(names::WEBHOOK_SERVICE_ACCOUNT);
    let recorder = Recorder::new(client.clone(), reporter);
    let mut before = Vec::new();
    loop {
        match look(&client).await {
            Ok(there) => {
                let now = faults(&there);
                let count = i64::try_from(now.len()).unwrap_or(i64::MAX);
                state.metrics.guard_faults.set(count);
                if now != before {
                    tell(&recorder, namespace, &now).await;
                }
                before = now;
            }
            Err(error) => {
                let labels = WatchLabels {
                    watch: "installation",
                };
                state.metrics.watch_failures.get_or_create(&labels).inc();
                tracing::warn!(%error, "the policies cannot be looked at");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn look(client: &Client) -> Result<Installation, kube::Error> {
    let all = ListParams::default();
    let configuration = names::WEBHOOK_CONFIGURATION;
    Ok(Installation {
        policies: Api::all(client.clone()).list(&all).await?.items,
        bindings: Api::all(client.clone()).list(&all).await?.items,
        mutating: Api::all(client.clone()).get_opt(configuration).await?,
        validating: Api::all(client.clone()).get_opt(configuration).await?,
    })
}

async fn tell(recorder: &Recorder, namespace: &str, faults: &[String]) {
    let (kind, reason) = if faults.is_empty() {
        tracing::info!("all policies and webhooks are as they were shipped");
        (EventType::Normal, "GuardsIntact")
    } else {
        tracing::error!(
            faults = faults.join("; "),
            "what protects Namesake is missing or weaker: apply the manifests again"
        );
        (EventType::Warning, "GuardFaults")
    };
    let mut note = faults.join("; ");
    note.truncate(note.floor_char_boundary(MAX_NOTE));
    let event = Event {
        type_: kind,
        reason: reason.to_owned(),
        note: (!note.is_empty()).then_some(note),
        action: "LookAtGuards".to_owned(),
        secondary: None,
    };
    // Where whoever runs Namesake looks first.
    let about = ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("ConfigMap".to_owned()),
        name: Some(names::RULES_CONFIG_MAP.to_owned()),
        namespace: Some(namespace.to_owned()),
        ..ObjectReference::default()
    };
    if let Err(error) = recorder.publish(&event, &about).await {
        tracing::warn!(%error, "the Event could not be written");
    }
}
