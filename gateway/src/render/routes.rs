//! Which host and path leads to which service.

use namesake_api::names::{self, GATEWAY_PATH};
use serde_json::{Value, json};

use super::{
    Context, RenderError,
    clusters::{AUTHORIZER, cluster_of},
    filters, seconds,
};
use crate::config::{Host, Serves};

/// How long a service may take to answer.
const TIMEOUT: &str = "60s";
/// Headers by which a service would let pages of other origins read its answers, or say what it runs.
const REMOVED_FROM_ANSWERS: [&str; 8] = [
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-expose-headers",
    "access-control-max-age",
    "server",
    "x-powered-by",
];

/// All hosts; requests for others are answered with 421.
pub(super) fn configuration(context: &Context<'_>) -> Result<Value, RenderError> {
    let mut hosts = Vec::new();
    for host in &context.config.hosts {
        hosts.push(virtual_host(context, host)?);
    }
    hosts.push(json!({
        "name": "unknown",
        "domains": ["*"],
        "routes": [answer(json!({"prefix": "/"}), 421)],
        "typed_per_filter_config": filters::of_unknown_hosts(),
    }));
    Ok(json!({
        "name": "public",
        "ignore_port_in_host_matching": true,
        "virtual_hosts": hosts,
        "response_headers_to_remove": REMOVED_FROM_ANSWERS,
        "response_headers_to_add": [
            header("strict-transport-security", "max-age=31536000"),
            header("x-content-type-options", "nosniff"),
            header("x-frame-options", "DENY"),
        ],
    }))
}

fn virtual_host(context: &Context<'_>, host: &Host) -> Result<Value, RenderError> {
    let own_page = route(
        json!({"path_separated_prefix": GATEWAY_PATH}),
        AUTHORIZER,
        json!({}),
    );
    let mut routes = vec![own_page];
    match host.serves {
        Serves::Ui => routes.extend(ui(context, host)?),
        Serves::Api => {
            // Metaflow's own sandbox uses it; elsewhere it only answers with a traceback.
            routes.push(answer(json!({"path_separated_prefix": "/auth"}), 404));
            routes.push(route(
                json!({"prefix": "/"}),
                &cluster_of(&host.backend)?,
                json!({}),
            ));
        }
    }
    Ok(json!({
        "name": host.name,
        "domains": [host.name],
        "routes": routes,
        "typed_per_filter_config": filters::of_host(context, host)?,
        // The services need neither, and could log them.
        "request_headers_to_remove": ["cookie", "authorization", names::IAP_ASSERTION_HEADER],
    }))
}

fn ui(context: &Context<'_>, host: &Host) -> Result<Vec<Value>, RenderError> {
    let backend = cluster_of(&host.backend)?;
    let lifetime = seconds(context.options.websocket_lifetime);
    let websocket = json!({
        "timeout": "0s",
        "idle_timeout": lifetime,
        "max_stream_duration": {"max_stream_duration": lifetime},
        "upgrade_configs": [{"upgrade_type": "websocket", "enabled": true}],
    });
    let mut routes = vec![
        route(json!({"path": "/api/ws"}), &backend, websocket),
        route(
            json!({"path_separated_prefix": "/api"}),
            &backend,
            json!({}),
        ),
    ];
    match &host.r#static {
        Some(files) => routes.push(route(
            json!({"prefix": "/"}),
            &cluster_of(files)?,
            json!({}),
        )),
        None => {
            routes.push(json!({"match": {"path": "/"}, "redirect": {"path_redirect": GATEWAY_PATH, "response_code": "FOUND"}}));
            routes.push(answer(json!({"prefix": "/"}), 404));
        }
    }
    Ok(routes)
}

/// A route to a cluster; `more` is added to its action.
fn route(matches: Value, cluster: &str, more: Value) -> Value {
    let mut action = json!({
        "cluster": cluster,
        "timeout": TIMEOUT,
        // Only what the service has not read: a write is never sent twice.
        "retry_policy": {"retry_on": "connect-failure,refused-stream,reset-before-request", "num_retries": 2},
    });
    if let (Value::Object(action), Value::Object(more)) = (&mut action, more) {
        action.extend(more);
    }
    if cluster == AUTHORIZER {
        return json!({"match": matches, "route": action});
    }
    action["auto_host_rewrite"] = true.into();
    action["append_x_forwarded_host"] = true.into();
    // Services get the user, and nothing else of the token.
    json!({
        "match": matches,
        "route": action,
        "request_headers_to_remove": [names::CLAIMS_HEADER, names::SERVES_HEADER],
    })
}

fn answer(matches: Value, status: u16) -> Value {
    json!({"match": matches, "direct_response": {"status": status}})
}

fn header(key: &str, value: &str) -> Value {
    json!({"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"})
}
