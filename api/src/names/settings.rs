//! Environment variables of the servers, each of which is also a flag, and their defaults.

/// Namespace of webhook and broker.
pub const ENV_NAMESPACE: &str = "NAMESAKE_NAMESPACE";
/// Address and port to listen on.
pub const ENV_LISTEN: &str = "NAMESAKE_LISTEN";
/// Default of [`ENV_LISTEN`] for the webhook.
pub const WEBHOOK_LISTEN: &str = "0.0.0.0:10250";
/// Default of [`ENV_LISTEN`] for the broker.
pub const BROKER_LISTEN: &str = "0.0.0.0:10251";
/// Address and port to serve metrics on.
pub const ENV_METRICS_LISTEN: &str = "NAMESAKE_METRICS_LISTEN";
/// Default of [`ENV_METRICS_LISTEN`].
pub const METRICS_LISTEN: &str = "0.0.0.0:9402";
/// URL of the broker, for the webhook.
pub const ENV_BROKER_URL: &str = "NAMESAKE_BROKER_URL";
/// Default of [`ENV_BROKER_URL`].
pub const BROKER_URL: &str = "https://namesake-broker.namesake-system.svc:10251";
/// File with the token that the webhook sends to the broker; read again when it changes.
pub const ENV_BROKER_TOKEN_FILE: &str = "NAMESAKE_BROKER_TOKEN_FILE";
/// Default of [`ENV_BROKER_TOKEN_FILE`].
pub const BROKER_TOKEN_FILE: &str = "/var/run/secrets/namesake.dev/broker/token";
/// How long the webhook waits for the broker. Must be less than `timeoutSeconds` of the webhook configuration.
pub const ENV_BROKER_DEADLINE: &str = "NAMESAKE_BROKER_DEADLINE";
/// Default of [`ENV_BROKER_DEADLINE`], a duration with its unit.
pub const BROKER_DEADLINE: &str = "6s";
/// How often to check for a new certificate authority, new stamp keys and a removed caBundle.
pub const ENV_UPKEEP: &str = "NAMESAKE_UPKEEP";
/// Default of [`ENV_UPKEEP`], a duration with its unit.
pub const UPKEEP: &str = "60s";
/// DNS names and IP addresses in the server's certificate, separated by commas.
pub const ENV_TLS_NAMES: &str = "NAMESAKE_TLS_NAMES";
/// Variable of the webhook with the MutatingWebhookConfigurations that may change pods after it.
pub const ENV_TRUSTED_WEBHOOKS: &str = "NAMESAKE_TRUSTED_WEBHOOKS";
/// File of the webhook with the certificate authorities of the API server's client certificate.
pub const ENV_CLIENT_CA_FILE: &str = "NAMESAKE_CLIENT_CA_FILE";
/// Filter of the log, in the form of `tracing_subscriber::EnvFilter`.
pub const ENV_LOG: &str = "NAMESAKE_LOG";
/// Default of [`ENV_LOG`].
pub const LOG: &str = "info";
/// Form of the log: `json` or `text`.
pub const ENV_LOG_FORMAT: &str = "NAMESAKE_LOG_FORMAT";
/// Default of [`ENV_LOG_FORMAT`].
pub const LOG_FORMAT: &str = "json";
/// Name of this replica of the broker: the name of its pod.
pub const ENV_REPLICA: &str = "NAMESAKE_REPLICA";
/// Name of this replica of the webhook: Kubernetes sets it to the name of the pod.
pub const ENV_HOSTNAME: &str = "HOSTNAME";
/// Default of [`ENV_HOSTNAME`].
pub const HOSTNAME: &str = "local";
/// How long to answer requests after SIGTERM.
pub const ENV_DRAIN: &str = "NAMESAKE_DRAIN";
/// Default of [`ENV_DRAIN`].
pub const DRAIN: &str = "5s";
