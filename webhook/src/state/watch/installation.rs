//! Checks whether the policies and webhooks that protect Namesake are as shipped, and reports when they are not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{Namespace, ObjectReference};
use kube::api::ListParams;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Client, ResourceExt};
use namesake_api::names;
use namesake_core::{Glob, Reason};
use namesake_service::gauge_value;

use crate::state::State;
use crate::state::installation::{Installation, decides_last, faults};

/// Between two checks.
const PAUSE: Duration = Duration::from_secs(10);
/// Longest note of an Event, in bytes.
const MAX_NOTE: usize = 1024;

/// Checks again and again, and also in which namespaces no other webhook changes pods after this one; never returns.
pub(super) async fn run(client: Client, namespace: &str, trusted: &[Glob], state: Arc<State>) {
    let reporter = Reporter::from(names::WEBHOOK_SERVICE_ACCOUNT);
    let recorder = Recorder::new(client.clone(), reporter);
    let mut before = Vec::new();
    loop {
        match read(&client, namespace).await {
            Ok((installation, configurations, namespaces)) => {
                let now = faults(&installation);
                let ours = (namespace, now.as_slice());
                state.set_decides_last(decides_last(ours, &configurations, &namespaces, trusted));
                state.metrics.guard_faults.set(gauge_value(now.len()));
                if now != before {
                    report(&recorder, namespace, &now).await;
                }
                before = now;
            }
            Err(error) => {
                state.set_decides_last(BTreeSet::new());
                state.metrics.count_watch_failure("installation");
                tracing::warn!(%error, "failed to read the policies and webhook configurations");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The labels of each opted-in namespace.
type Labels = BTreeMap<String, BTreeMap<String, String>>;

/// What protects Namesake, all mutating webhook configurations, and the opted-in namespaces.
type Everything = (Installation, Vec<MutatingWebhookConfiguration>, Labels);

async fn read(client: &Client, namespace: &str) -> Result<Everything, kube::Error> {
    let all = ListParams::default();
    let configuration = &names::webhook_configuration(namespace);
    let opted_in = ListParams::default().labels(names::OPT_IN_LABEL);
    let namespaces = Api::<Namespace>::all(client.clone());
    let namespaces = namespaces.list_metadata(&opted_in).await?;
    let labels = namespaces.into_iter().map(|namespace| {
        let labels = namespace.labels().clone();
        (namespace.name_any(), labels)
    });
    let configurations = Api::<MutatingWebhookConfiguration>::all(client.clone());
    let configurations = configurations.list(&all).await?.items;
    let own = configurations
        .iter()
        .find(|c| c.name_any() == *configuration);
    let installation = Installation {
        home: namespace.to_owned(),
        policies: Api::all(client.clone()).list(&all).await?.items,
        bindings: Api::all(client.clone()).list(&all).await?.items,
        mutating: own.cloned(),
        validating: Api::all(client.clone()).get_opt(configuration).await?,
    };
    Ok((installation, configurations, labels.collect()))
}

async fn report(recorder: &Recorder, namespace: &str, faults: &[String]) {
    let (kind, reason) = if faults.is_empty() {
        tracing::info!("all policies and webhooks are as shipped");
        (EventType::Normal, Reason::GuardsIntact)
    } else {
        tracing::error!(
            faults = faults.join("; "),
            "policies or webhooks that protect Namesake are missing or weaker than shipped: apply the manifests again"
        );
        (EventType::Warning, Reason::GuardFaults)
    };
    let note = match faults {
        [] => reason.meaning().to_owned(),
        faults => faults.join("; "),
    };
    let event = Event {
        type_: kind,
        reason: reason.to_string(),
        note: Some(reason.referenced(&note, None, MAX_NOTE)),
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
