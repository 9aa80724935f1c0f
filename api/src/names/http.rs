//! Paths, header and ports of the servers.

/// Path of the mutating admission.
pub const MUTATE_PATH: &str = "/mutate";
/// Path of the mutating admission that removes labels which only the webhook may set.
pub const MUTATE_LABELS_PATH: &str = "/mutate-labels";
/// Path of the mutating admission of Namespaces.
pub const MUTATE_NAMESPACES_PATH: &str = "/mutate-namespaces";
/// Path of the validating admission (the final check).
pub const VALIDATE_PATH: &str = "/validate";
/// Path of the validating admission of the ConfigMap of rules.
pub const VALIDATE_RULES_PATH: &str = "/validate-rules";
/// Path of the validating admission of access to running pods and of the objects from which Argo's steps get results.
pub const GUARD_PATH: &str = "/guard";
/// Path of the broker's API: `POST` creates an identity if it does not exist.
pub const IDENTITIES_PATH: &str = "/v1/identities";
/// Path that answers 200 while the process is running.
pub const HEALTH_PATH: &str = "/healthz";
/// Path that answers 200 while the process can serve requests.
pub const READY_PATH: &str = "/readyz";
/// Path of the metrics in Prometheus' text format.
pub const METRICS_PATH: &str = "/metrics";
/// Header of a request to the broker: the revision of the rules that the webhook decided by.
pub const RULES_REVISION_HEADER: &str = "namesake-rules-revision";

// Port 10250 is one that the control plane of a private GKE cluster reaches without a firewall rule.

/// TCP port of the webhook (HTTPS; admission and health).
pub const WEBHOOK_PORT: u16 = 10250;
/// TCP port of the broker (HTTPS; API and health).
pub const BROKER_PORT: u16 = 10251;
/// TCP port of the metrics of both programs (HTTP; nothing else). It is separate so that scrapers cannot reach admission or the
/// API.
pub const METRICS_PORT: u16 = 9402;
