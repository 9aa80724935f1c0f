//! The gateway: what Envoy and the program beside it agree on, and what pods and people see of both.

/// Name of the gateway's service account, Service and Deployment.
pub const GATEWAY_SERVICE_ACCOUNT: &str = "namesake-gateway";
/// Audience of the projected tokens with which task pods authenticate to the gateway.
pub const GATEWAY_AUDIENCE: &str = "namesake-gateway";
/// Folder in a pod with the token for the gateway.
pub const GATEWAY_TOKEN_FOLDER: &str = "/var/run/secrets/namesake.dev/gateway";
/// File with the token in [`GATEWAY_TOKEN_FOLDER`].
pub const GATEWAY_TOKEN_FILE: &str = "token";
/// Variable of a container with the path of the token's file; the client package reads it.
pub const ENV_GATEWAY_TOKEN_FILE: &str = "NAMESAKE_GATEWAY_TOKEN_FILE";
/// Prefix of the paths at which Envoy asks whether a request is allowed; the path of the request follows.
pub const AUTHORIZE_PATH: &str = "/authorize";
/// Path at which Envoy gets the keys of the cluster's tokens, as a JSON Web Key Set.
pub const CLUSTER_KEYS_PATH: &str = "/cluster-keys";
/// Prefix of the paths of Namesake's own page and API on every public host.
pub const GATEWAY_PATH: &str = "/namesake";
/// Path that says who the caller is, as JSON.
pub const WHOAMI_PATH: &str = "/namesake/whoami";
/// Header from Envoy to the authorizer: the claims of the verified token, base64url. Envoy removes it from what clients send.
pub const CLAIMS_HEADER: &str = "x-namesake-claims";
/// Header from the authorizer to the services: the user. Envoy removes it from what clients send.
pub const USER_HEADER: &str = "x-namesake-user";
/// Header from Envoy to the authorizer: what the host serves, `ui` or `api`. Envoy sets it for each host.
pub const SERVES_HEADER: &str = "x-namesake-serves";
/// The file of the gateway.
pub const GATEWAY_CONFIG_FILE: &str = "/etc/namesake-gateway/gateway.yaml";
/// The Unix socket of the authorizer.
pub const GATEWAY_SOCKET: &str = "/run/namesake/authorizer.sock";
