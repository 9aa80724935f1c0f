//! The API server's audit log: pods that were created with an account. Pure, apart from the reader.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use jiff::Timestamp;
use namesake_api::names::PODS_WEBHOOK;
use serde::Deserialize;

use super::account::Account;
use super::lines::{self, Counts};

/// Pods that are kept; the rest is only counted.
const MAX_PODS: usize = 10_000;

/// A pod that was created with the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PodCreated {
    pub(super) time: Timestamp,
    pub(super) namespace: String,
    /// Its name, or the beginning of it and `*`.
    pub(super) name: String,
    /// The user that it belongs to.
    pub(super) user: String,
    pub(super) requester: String,
    /// Kind and name of its controller.
    pub(super) owner: String,
    pub(super) rule: String,
    pub(super) decision: String,
}

/// What the log says about the account.
#[derive(Clone, Debug, Default)]
pub(super) struct KubernetesLog {
    pub(super) counts: Counts,
    /// By time.
    pub(super) pods: Vec<PodCreated>,
    /// Pods beyond those that are kept.
    pub(super) more: usize,
    /// Creations of pods in which Namesake's webhook wrote, whatever the account.
    pub(super) decided: u64,
}

/// An event of the API server, or an entry of Cloud Logging about one.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Event {
    kind: String,
    stage: String,
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    stage_timestamp: Option<Timestamp>,
    object_ref: ObjectRef,
    response_status: Status,
    response_object: Object,
    annotations: BTreeMap<String, String>,
    // Of Cloud Logging.
    timestamp: Option<Timestamp>,
    labels: BTreeMap<String, String>,
    proto_payload: Option<Payload>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ObjectRef {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    code: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Object {
    metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Payload {
    method_name: String,
    resource_name: String,
    status: Status,
    response: Object,
}

/// Reads a log.
pub(super) fn read(
    log: impl BufRead,
    progress: impl FnMut(u64),
    account: &Account,
    since: Timestamp,
) -> io::Result<KubernetesLog> {
    let mut found = KubernetesLog::default();
    found.counts = lines::each(log, progress, |event: &Event| {
        let is_event = event.kind == "Event" || event.proto_payload.is_some();
        if let Some(pod) = event.created_pod().filter(|_| is_event) {
            add(&mut found, &pod, account, since);
        }
        is_event
    })?;
    found.pods.sort_by_key(|pod| pod.time);
    Ok(found)
}

fn add(found: &mut KubernetesLog, pod: &Creation<'_>, account: &Account, since: Timestamp) {
    let said = |key: &str| {
        let value = pod.annotations.get(&format!("{PODS_WEBHOOK}/{key}"));
        value.map(String::as_str).unwrap_or_default()
    };
    if said("decision").is_empty() {
        return;
    }
    found.decided += 1;
    let is_it = account.is_service_account(pod.namespace, said("service-account"));
    // The log of the API server itself has it in the address of the request, Google's log only here.
    let is_dry_run = said("dry-run") == "true";
    if !is_it || is_dry_run || pod.time < since {
        return;
    }
    if found.pods.len() == MAX_PODS {
        found.more += 1;
        return;
    }
    let name = match (pod.name, said("name"), said("generate-name")) {
        ("", "", beginning) => format!("{beginning}*"),
        ("", name, _) | (name, _, _) => name.to_owned(),
    };
    let rule = match said("class") {
        "" => said("rule").to_owned(),
        class => format!("{} ({class})", said("rule")),
    };
    found.pods.push(PodCreated {
        time: pod.time,
        namespace: pod.namespace.to_owned(),
        name,
        user: said("user").to_owned(),
        requester: said("requester").to_owned(),
        owner: format!("{} {}", said("owner-kind"), said("owner-name"))
            .trim()
            .to_owned(),
        rule,
        decision: said("decision").to_owned(),
    });
}

/// A pod that was created.
struct Creation<'e> {
    time: Timestamp,
    namespace: &'e str,
    name: &'e str,
    annotations: &'e BTreeMap<String, String>,
}

impl Event {
    /// The pod that a successful request has created, or would have in a dry run that only the webhook's annotation shows.
    fn created_pod(&self) -> Option<Creation<'_>> {
        if let Some(payload) = &self.proto_payload {
            let is_create = payload.method_name.ends_with(".pods.create");
            let path = payload.resource_name.split_once("/namespaces/")?.1;
            let (namespace, rest) = path.split_once("/pods").unwrap_or((path, ""));
            let name = rest.trim_start_matches('/');
            return (is_create && payload.status.code == 0).then_some(Creation {
                time: self.timestamp?,
                namespace,
                name: some(name, &payload.response.metadata.name),
                annotations: &self.labels,
            });
        }
        let object = &self.object_ref;
        let is_create = self.verb == "create"
            && object.resource == "pods"
            && object.subresource.is_empty()
            && self.stage == "ResponseComplete"
            && (200..300).contains(&self.response_status.code)
            && !self.request_uri.contains("dryRun=");
        is_create.then_some(Creation {
            time: self.stage_timestamp?,
            namespace: &object.namespace,
            name: some(&object.name, &self.response_object.metadata.name),
            annotations: &self.annotations,
        })
    }
}

fn some<'t>(first: &'t str, other: &'t str) -> &'t str {
    if first.is_empty() { other } else { first }
}
