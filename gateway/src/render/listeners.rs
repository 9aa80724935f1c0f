//! Where Envoy listens, and how it reads HTTP before any filter sees a request.

use std::net::SocketAddr;

use namesake_api::names;
use serde_json::{Value, json};

use super::{Context, Options, RenderError, access_log, filters, replies, routes, secrets};
use crate::config::Login;

/// Largest sum of all headers, in KiB: a token of 16 KiB and the rest.
const MAX_HEADERS_KIB: u32 = 32;

/// Headers from which services behind other proxies read the user, and the host, which Envoy writes.
const PROXY_HEADERS: [&str; 7] = [
    "x-forwarded-host",
    "x-forwarded-user",
    "x-forwarded-email",
    "x-forwarded-preferred-username",
    "x-forwarded-groups",
    "x-remote-user",
    "remote-user",
];
/// Prefixes of such headers, and of those by which a client could configure Envoy.
const HEADER_PREFIXES: [&str; 4] = [
    names::GATEWAY_HEADER_PREFIX,
    "x-auth-request-",
    "x-goog-authenticated-user-",
    "x-envoy-",
];

/// The listener for requests.
pub(super) fn public(context: &Context<'_>) -> Result<Value, RenderError> {
    let options = context.options;
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "public",
        "access_log": access_log::access_log(),
        "early_header_mutation_extensions": [{
            "name": "envoy.http.early_header_mutation.header_mutation",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
                "mutations": removed_headers(context),
            },
        }],
        "use_remote_address": true,
        "xff_num_trusted_hops": options.trusted_hops,
        "normalize_path": true,
        "merge_slashes": true,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "max_request_headers_kb": MAX_HEADERS_KIB,
        "common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST", "idle_timeout": "300s"},
        "http2_protocol_options": {
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 65_536,
            "initial_connection_window_size": 1_048_576,
        },
        "request_headers_timeout": "10s",
        "request_timeout": "60s",
        "stream_idle_timeout": "60s",
        // What software answers, and in which version, is nobody's business.
        "server_header_transformation": "PASS_THROUGH",
        "upgrade_configs": [{"upgrade_type": "websocket", "enabled": false}],
        "local_reply_config": replies::local_replies(),
        "http_filters": filters::chain(context)?,
        "route_config": routes::configuration(context)?,
    });
    Ok(json!({
        "name": "public",
        "address": address(options.listen),
        "per_connection_buffer_limit_bytes": 32_768,
        "filter_chains": [{
            "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}],
            "transport_socket": tls(options),
        }],
    }))
}

/// Removed before anything reads them. The assertion of Google's proxy stays where a host verifies it.
fn removed_headers(context: &Context<'_>) -> Vec<Value> {
    let has_iap = context
        .config
        .issuers
        .iter()
        .any(|issuer| issuer.login == Some(Login::Iap));
    let prefixes = HEADER_PREFIXES
        .iter()
        .map(|prefix| json!({"remove_on_match": {"key_matcher": {"prefix": prefix}}}));
    let assertion = (!has_iap).then_some(names::IAP_ASSERTION_HEADER);
    let names = PROXY_HEADERS
        .into_iter()
        .chain(assertion)
        .map(|name| json!({"remove": name}));
    prefixes.chain(names).collect()
}

fn tls(options: &Options) -> Value {
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_certificate_sds_secret_configs": [secrets::certificate(options)],
            },
        },
    })
}

/// The listener for health checks: of the kubelet, and of a load balancer in front.
pub(super) fn health(options: &Options) -> Value {
    let route =
        json!({"match": {"path": names::GATEWAY_HEALTH_PATH}, "direct_response": {"status": 200}});
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "health",
        "route_config": {"virtual_hosts": [{"name": "health", "domains": ["*"], "routes": [route]}]},
        "http_filters": [filters::router()],
    });
    json!({
        "name": "health",
        "address": address(options.health_listen),
        // A full Envoy is not a broken one.
        "ignore_global_conn_limit": true,
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}],
    })
}

fn address(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip(), "port_value": address.port()}})
}
