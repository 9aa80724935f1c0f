//! The HTTP filters, in the order in which a request passes them.

mod authorize;
mod login;
mod tokens;

use namesake_api::names::SERVES_HEADER;
use serde_json::{Map, Value, json};

use super::{Context, RenderError};
use crate::config::{Host, Serves};

const SERVES: &str = "serves";
const HOST_LIMIT: &str = "limit-of-host";
const LOGIN: &str = "login";
const TOKENS: &str = "tokens";
const AUTHORIZE: &str = "authorize";

/// All filters. Those that differ from host to host get their settings by [`of_host`].
pub(super) fn chain(context: &Context<'_>) -> Result<Vec<Value>, RenderError> {
    Ok(vec![
        filter(
            SERVES,
            json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"}),
        ),
        filter(
            "limit-of-connection",
            limit("connection", Some(context.options.max_connection_requests)),
        ),
        filter(HOST_LIMIT, limit("host", None)),
        filter(
            LOGIN,
            json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.oauth2.v3.OAuth2"}),
        ),
        filter(TOKENS, tokens::filter(context)?),
        filter(AUTHORIZE, authorize::filter(context.options)),
        router(),
    ])
}

/// The settings of a host.
pub(super) fn of_host(context: &Context<'_>, host: &Host) -> Result<Value, RenderError> {
    let serves = match host.serves {
        Serves::Ui => "ui",
        Serves::Api => "api",
    };
    let header = json!({"key": SERVES_HEADER, "value": serves});
    let mutation =
        json!({"append": {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}});
    let mut settings = Map::new();
    settings.insert(SERVES.to_owned(), json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute",
        "mutations": {"request_mutations": [mutation]},
    }));
    settings.insert(
        HOST_LIMIT.to_owned(),
        limit("host", Some(context.options.max_requests)),
    );
    settings.insert(TOKENS.to_owned(), json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig",
        "requirement_name": host.name,
    }));
    if let Some(login) = login::of_host(context, host)? {
        settings.insert(LOGIN.to_owned(), login);
    }
    Ok(Value::Object(settings))
}

/// The settings of unknown hosts: the authorizer is not asked, because every request is refused.
pub(super) fn of_unknown_hosts() -> Value {
    json!({AUTHORIZE: {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute",
        "disabled": true,
    }})
}

/// The last filter, which sends the request on.
pub(super) fn router() -> Value {
    filter(
        "envoy.filters.http.router",
        json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            "suppress_envoy_headers": true,
        }),
    )
}

fn filter(name: &str, settings: Value) -> Value {
    json!({"name": name, "typed_config": settings})
}

/// At most this number of requests per second, and twice as many at once. Without a number there is no limit.
fn limit(of: &str, requests: Option<u32>) -> Value {
    let always = json!({"default_value": {"numerator": 100, "denominator": "HUNDRED"}, "runtime_key": "namesake.unused"});
    let mut settings = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": of,
        "filter_enabled": always,
        "filter_enforced": always,
        "local_rate_limit_per_downstream_connection": of == "connection",
    });
    if let Some(requests) = requests {
        settings["token_bucket"] = json!({
            "max_tokens": requests.saturating_mul(2),
            "tokens_per_fill": requests,
            "fill_interval": "1s",
        });
    }
    settings
}
