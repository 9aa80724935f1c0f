//! What `doctor` reads.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::check::{Read, Snapshot};

/// Whether the API server got an answer from the webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// It did.
    Answered,
    /// It did not; with its own words.
    Failed(String),
}

/// A pod of webhook or broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProgramPod {
    /// The program, as its Deployment is named.
    pub(super) program: String,
    /// Its name.
    pub(super) name: String,
}

/// A PodMonitoring or PodMonitor.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Monitor {
    /// Kind and name.
    pub(super) name: String,
    /// The pods that it is for.
    pub(super) selector: LabelSelector,
    /// Name or number of each port of them that it scrapes.
    pub(super) ports: Vec<String>,
}

/// What `doctor` reads of an installation. What a check that is left out would need is not read.
pub(super) struct Facts {
    /// What `check` reads: version, rules, policies, webhook configurations, namespaces, and who may do what.
    pub(super) snapshot: Snapshot,
    /// The Deployments of the stack.
    pub(super) deployments: Read<Vec<Deployment>>,
    /// The Lease of the broker.
    pub(super) lease: Read<Option<Lease>>,
    /// The rules as written.
    pub(super) rules: Read<Option<ConfigMap>>,
    /// The rules that the broker accepted last.
    pub(super) accepted: Read<Option<ConfigMap>>,
    /// The broker's report on quotas; each broker also says on it what it is.
    pub(super) quota: Read<Option<ConfigMap>>,
    /// The webhook's report on parents without a proven requester; each webhook also says on it what it is, and which rules it uses.
    pub(super) unproven: Read<Option<ConfigMap>>,
    /// The pods of webhook and broker.
    pub(super) pods: Read<Vec<ProgramPod>>,
    /// The PodMonitorings and PodMonitors of the stack's namespace.
    pub(super) monitors: Read<Vec<Monitor>>,
    /// The network policies of the stack's namespace.
    pub(super) network_policies: Read<Vec<NetworkPolicy>>,
    /// Whether the API server got an answer from the webhook.
    pub(super) reach: Read<Reach>,
}
