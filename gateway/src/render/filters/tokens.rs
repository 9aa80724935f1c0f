//! Verification of tokens. Who a token names is decided by the authorizer, from the claims that this filter verified.

use namesake_api::names;
use serde_json::{Map, Value, json};

use crate::{
    config::{Config, Host, Issuer, Login, Serves},
    render::{
        Context, Options, RenderError,
        clusters::{AUTHORIZER, cluster_of},
        seconds,
    },
};

/// Accepted difference between the clocks of issuer and gateway, in seconds.
const CLOCK_SKEW: u32 = 60;
/// The provider of the cluster's tokens.
const CLUSTER: &str = "cluster";

/// The filter. Each host has a requirement of its own name, which accepts the tokens that belong there and no others.
pub(super) fn filter(context: &Context<'_>) -> Result<Value, RenderError> {
    let config = context.config;
    let mut providers = Map::new();
    for issuer in &config.issuers {
        let keys = &context.endpoints(&issuer.name)?.keys;
        let keys = remote_keys(keys, &cluster_of(keys)?, context.options);
        match &issuer.login {
            Some(Login::Iap) => {
                let assertion = header(names::IAP_ASSERTION_HEADER, "");
                providers.insert(
                    login_provider(&issuer.name),
                    provider(&issuer.issuer, &issuer.audiences, assertion, &keys),
                );
                continue;
            }
            Some(Login::Oidc { client_id, .. }) => {
                let login = header(names::LOGIN_TOKEN_HEADER, "");
                let audience = std::slice::from_ref(client_id);
                providers.insert(
                    login_provider(&issuer.name),
                    provider(&issuer.issuer, audience, login, &keys),
                );
            }
            None => {}
        }
        providers.insert(
            bearer_provider(issuer),
            provider(&issuer.issuer, &issuer.audiences, bearer(), &keys),
        );
    }
    if let Some(cluster) = &config.cluster {
        let url = format!("http://authorizer{}", names::CLUSTER_KEYS_PATH);
        let keys = remote_keys(&url, AUTHORIZER, context.options);
        let audience = std::slice::from_ref(&cluster.audience);
        providers.insert(
            CLUSTER.to_owned(),
            provider(&cluster.issuer, audience, bearer(), &keys),
        );
    }
    let requirements: Map<String, Value> = config
        .hosts
        .iter()
        .map(|host| (host.name.clone(), requirement(config, host)))
        .collect();
    Ok(json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": providers,
        "requirement_map": requirements,
    }))
}

/// Any one of the providers that belong to the host.
fn requirement(config: &Config, host: &Host) -> Value {
    let names: Vec<String> = match host.serves {
        Serves::Ui => host
            .login
            .as_deref()
            .map(login_provider)
            .into_iter()
            .collect(),
        Serves::Api => {
            let people = config
                .issuers
                .iter()
                .filter(|issuer| issuer.login != Some(Login::Iap))
                .map(bearer_provider);
            people
                .chain(config.cluster.as_ref().map(|_| CLUSTER.to_owned()))
                .collect()
        }
    };
    let mut providers: Vec<Value> = names
        .iter()
        .map(|name| json!({"provider_name": name}))
        .collect();
    match providers.len() {
        1 => providers.remove(0),
        _ => json!({"requires_any": {"requirements": providers}}),
    }
}

fn bearer_provider(issuer: &Issuer) -> String {
    format!("bearer {}", issuer.name)
}

fn login_provider(issuer: &str) -> String {
    format!("login {issuer}")
}

/// The only place of a token on an `api` host: a token in a query would be in logs.
fn bearer() -> Value {
    header("authorization", "Bearer ")
}

fn header(name: &str, prefix: &str) -> Value {
    json!([{"name": name, "value_prefix": prefix}])
}

fn provider(issuer: &str, audiences: &[String], from: Value, keys: &Value) -> Value {
    json!({
        "issuer": issuer,
        "audiences": audiences,
        "from_headers": from,
        "require_expiration": true,
        "clock_skew_seconds": CLOCK_SKEW,
        "forward": false,
        "forward_payload_header": names::CLAIMS_HEADER,
        "remote_jwks": keys,
    })
}

/// Keys are read before they are needed, and stay in use while the issuer is down.
fn remote_keys(url: &str, cluster: &str, options: &Options) -> Value {
    json!({
        "http_uri": {"uri": url, "cluster": cluster, "timeout": "5s"},
        "cache_duration": seconds(options.keys_cache),
        "async_fetch": {"failed_refetch_duration": "2s"},
        "retry_policy": {"num_retries": 2, "retry_back_off": {"base_interval": "0.2s", "max_interval": "2s"}},
    })
}
