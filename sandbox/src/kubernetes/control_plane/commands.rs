//! The command lines of etcd, kube-apiserver, kube-controller-manager and kube-scheduler.

use std::path::Path;

use super::keys::Keys;
use crate::{
    WorkFolder,
    kubernetes::users::{CONTROLLER_MANAGER, SCHEDULER, kubeconfig_path},
};

/// Requests and our own audit annotations, without bodies; nothing about reads, leases and Events.
pub(crate) const AUDIT_POLICY: &str = r#"apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  verbs: [get, list, watch]
- level: None
  resources:
  - {group: coordination.k8s.io, resources: [leases]}
  - {group: "", resources: [events]}
  - {group: events.k8s.io, resources: [events]}
- level: Metadata
"#;

/// The API server sends the trace of each request to webhooks, and exports none.
pub(crate) const TRACING: &str = "apiVersion: apiserver.config.k8s.io/v1beta1\nkind: TracingConfiguration\nsamplingRatePerMillion: 0\n";

/// The minor version of Kubernetes that first has the feature gate `DetectCacheInconsistency`.
const CACHE_DETECTOR_SINCE: u32 = 34;

/// Ports of one attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) etcd: u16,
    pub(crate) etcd_peer: u16,
    pub(crate) api: u16,
}

pub(crate) fn etcd(ports: Ports, folder: &WorkFolder) -> Vec<String> {
    let (client, peer) = (url(ports.etcd), url(ports.etcd_peer));
    vec![
        "--name=sandbox".into(),
        format!("--data-dir={}", folder.data().join("etcd").display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=sandbox={peer}"),
        // The data is needed only during the run.
        "--unsafe-no-fsync".into(),
        "--log-level=warn".into(),
    ]
}

pub(crate) fn api_server(
    ports: Ports,
    folder: &WorkFolder,
    keys: &Keys,
    issuer: &str,
    minor_version: Option<u32>,
) -> Vec<String> {
    let mut args = vec![
        format!("--etcd-servers={}", url(ports.etcd)),
        "--bind-address=127.0.0.1".into(),
        "--advertise-address=127.0.0.1".into(),
        // The reconciler refuses to publish a loopback address; nobody here needs the `kubernetes` Service.
        "--endpoint-reconciler-type=none".into(),
        format!("--secure-port={}", ports.api),
        file("cert-dir", &folder.keys()),
        file("tls-cert-file", &keys.serving_cert),
        file("tls-private-key-file", &keys.serving_key),
        // For exec on the node, whose name is in no DNS.
        file("kubelet-certificate-authority", &keys.ca),
        file("kubelet-client-certificate", &keys.node_client_cert),
        file("kubelet-client-key", &keys.node_client_key),
        "--kubelet-preferred-address-types=InternalIP".into(),
        format!("--service-account-issuer={issuer}"),
        file("service-account-key-file", &keys.token_public_key),
        file("service-account-signing-key-file", &keys.token_key),
        file("token-auth-file", &folder.keys().join("tokens.csv")),
        "--authorization-mode=Node,RBAC".into(),
        "--enable-admission-plugins=NodeRestriction".into(),
        "--service-cluster-ip-range=10.0.0.0/24".into(),
        "--allow-privileged=true".into(),
        file(
            "audit-policy-file",
            &folder.keys().join("audit-policy.yaml"),
        ),
        file("tracing-config-file", &folder.keys().join("tracing.yaml")),
        file("audit-log-path", &folder.logs().join("audit.log")),
        "--profiling=false".into(),
    ];
    if minor_version.is_none_or(|minor| minor >= CACHE_DETECTOR_SINCE) {
        // Every five minutes it would read all of etcd to compare its caches: with 50,000 objects a benchmark would measure that.
        args.push("--feature-gates=DetectCacheInconsistency=false".into());
    }
    args
}

pub(crate) fn controller_manager(folder: &WorkFolder, keys: &Keys) -> Vec<String> {
    vec![
        file(
            "kubeconfig",
            &kubeconfig_path(&folder.kubeconfigs(), CONTROLLER_MANAGER),
        ),
        file("service-account-private-key-file", &keys.token_key),
        file("root-ca-file", &keys.ca),
        // So that pods of Jobs are created by system:serviceaccount:kube-system:job-controller, as on GKE.
        "--use-service-account-credentials=true".into(),
        "--leader-elect=false".into(),
        // The only node is part of this process and cannot become unreachable.
        "--controllers=*,-node-lifecycle-controller".into(),
        "--kube-api-qps=200".into(),
        "--kube-api-burst=400".into(),
        "--secure-port=0".into(),
        "--profiling=false".into(),
    ]
}

pub(crate) fn scheduler(kubeconfigs: &Path) -> Vec<String> {
    vec![
        file("kubeconfig", &kubeconfig_path(kubeconfigs, SCHEDULER)),
        "--leader-elect=false".into(),
        "--kube-api-qps=200".into(),
        "--kube-api-burst=400".into(),
        "--secure-port=0".into(),
        "--profiling=false".into(),
    ]
}

pub(crate) fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn file(flag: &str, path: &Path) -> String {
    format!("--{flag}={}", path.display())
}
