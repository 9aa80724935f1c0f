//! The gateway: what Envoy and the program beside it agree on, and what pods and people see of both.

/// Name of the gateway's service account, Service and Deployment.
pub const GATEWAY_SERVICE_ACCOUNT: &str = "namesake-gateway";
/// Audience of the projected tokens with which task pods authenticate to the gateway.
pub const GATEWAY_AUDIENCE: &str = "namesake-gateway";
/// Folder in a pod with the token for the gateway.
pub const GATEWAY_TOKEN_FOLDER: &str = "/var/run/secrets/namesake.dev/gateway";
/// File with the token in [`GATEWAY_TOKEN_FOLDER`].
pub const GATEWAY_TOKEN_FILE: &str = "token";
/// Volume of a pod with the token for the gateway.
pub const GATEWAY_TOKEN_VOLUME: &str = "namesake-gateway-token";
/// How long such a token is valid, in seconds; the kubelet renews it before.
pub const GATEWAY_TOKEN_SECONDS: i64 = 3600;
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
/// Prefix of the headers that only the gateway sets. Envoy removes them from what clients send.
pub const GATEWAY_HEADER_PREFIX: &str = "x-namesake-";
/// Header from Envoy's login filter to its token filter: the id token of the login. Envoy removes it from what clients send.
pub const LOGIN_TOKEN_HEADER: &str = "x-namesake-login";
/// Path to which the issuer sends people back after they logged in.
pub const LOGIN_PATH: &str = "/namesake/login";
/// Path that logs people out, also at the issuer.
pub const LOGOUT_PATH: &str = "/namesake/logout";
/// Prefix of the login's cookies. Browsers send such a cookie only to the host that set it, and only over TLS.
pub const COOKIE_PREFIX: &str = "__Host-namesake-";
/// Where Envoy listens for requests, over TLS.
pub const GATEWAY_LISTEN: &str = "0.0.0.0:8443";
/// Where Envoy listens for health checks, over plain HTTP.
pub const GATEWAY_HEALTH_LISTEN: &str = "0.0.0.0:9403";
/// Path of Envoy's health check.
pub const GATEWAY_HEALTH_PATH: &str = "/healthz";
/// Folder for Envoy's rendered configuration.
pub const GATEWAY_ENVOY_FOLDER: &str = "/run/namesake/envoy";
/// Envoy's rendered configuration, in [`GATEWAY_ENVOY_FOLDER`].
pub const ENVOY_CONFIG_FILE: &str = "envoy.json";
/// Folder with the certificate of the gateway, as in a Secret of type `kubernetes.io/tls`.
pub const GATEWAY_TLS_FOLDER: &str = "/etc/namesake-tls";
/// Folder with a folder for each Secret of a login, of the Secret's name.
pub const GATEWAY_LOGIN_FOLDER: &str = "/etc/namesake-login";
/// Key of a login's Secret: the client secret at the issuer.
pub const CLIENT_SECRET_KEY: &str = "client-secret";
/// Key of a login's Secret: random text that signs and encrypts the login's cookies.
pub const COOKIE_SECRET_KEY: &str = "cookie-secret";
/// File with the certificates of the authorities that issuers' certificates are checked with.
pub const ISSUER_CA_FILE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Issuer of the assertions of Google's Identity-Aware Proxy.
pub const IAP_ISSUER: &str = "https://cloud.google.com/iap";
/// Keys of Google's Identity-Aware Proxy.
pub const IAP_KEYS_URL: &str = "https://www.gstatic.com/iap/verify/public_key-jwk";
/// Header with the assertion of Google's Identity-Aware Proxy.
pub const IAP_ASSERTION_HEADER: &str = "x-goog-iap-jwt-assertion";
/// File of the gateway's configuration; default is [`GATEWAY_CONFIG_FILE`].
pub const ENV_GATEWAY_CONFIG: &str = "NAMESAKE_GATEWAY_CONFIG";
/// Unix socket on which the authorizer serves; default is [`GATEWAY_SOCKET`].
pub const ENV_GATEWAY_SOCKET: &str = "NAMESAKE_GATEWAY_SOCKET";
/// Base URL of the metadata service, of which the authorizer asks whose run it is; default is the backend of the `api` host.
pub const ENV_METADATA_URL: &str = "NAMESAKE_METADATA_URL";
/// Path of the page's content as JSON.
pub const STATUS_PATH: &str = "/namesake/status";
