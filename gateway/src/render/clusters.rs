//! Where Envoy connects to: the authorizer, the services behind the hosts, and the issuers.

use std::{collections::BTreeMap, net::IpAddr, path::Path};

use reqwest::Url;
use serde_json::{Value, json};

use super::{Context, RenderError};

/// The authorizer, `namesake-gateway serve` in the same pod.
pub(super) const AUTHORIZER: &str = "authorizer";

/// All clusters, sorted by name.
pub(super) fn clusters(context: &Context<'_>) -> Result<Vec<Value>, RenderError> {
    let mut found = BTreeMap::from([(AUTHORIZER.to_owned(), authorizer(&context.options.socket))]);
    let services = context
        .config
        .hosts
        .iter()
        .flat_map(|host| [Some(&host.backend), host.r#static.as_ref()]);
    for url in services.flatten() {
        let url = parse(url)?;
        found.insert(
            name(&url),
            remote(&url, &context.options.issuer_ca, SERVICE_IDLE),
        );
    }
    for endpoints in context.endpoints.values() {
        for url in [Some(&endpoints.keys), endpoints.token.as_ref()]
            .into_iter()
            .flatten()
        {
            let url = parse(url)?;
            found.insert(
                name(&url),
                remote(&url, &context.options.issuer_ca, ISSUER_IDLE),
            );
        }
    }
    Ok(found.into_values().collect())
}

/// Shorter than the 5 s after which uvicorn closes idle connections: a request on a connection that the other side just closed fails.
const SERVICE_IDLE: &str = "4s";
const ISSUER_IDLE: &str = "30s";

/// The cluster of a URL.
pub(super) fn cluster_of(url: &str) -> Result<String, RenderError> {
    Ok(name(&parse(url)?))
}

fn parse(url: &str) -> Result<Url, RenderError> {
    let not_a_url = || RenderError::NotAUrl {
        url: url.to_owned(),
    };
    let parsed = Url::parse(url).map_err(|_| not_a_url())?;
    if parsed.has_host() {
        Ok(parsed)
    } else {
        Err(not_a_url())
    }
}

/// Scheme, host and port.
fn name(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    format!(
        "{}://{}:{port}",
        url.scheme(),
        url.host_str().unwrap_or_default()
    )
}

fn authorizer(socket: &Path) -> Value {
    json!({
        "name": AUTHORIZER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": assignment(AUTHORIZER, &json!({"pipe": {"path": socket}})),
        "typed_extension_protocol_options": http1(ISSUER_IDLE),
        "circuit_breakers": breakers(),
    })
}

fn remote(url: &Url, authorities: &Path, idle: &str) -> Value {
    let name = name(url);
    let host = url
        .host_str()
        .unwrap_or_default()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let port = url.port_or_known_default();
    let address = json!({"socket_address": {"address": host, "port_value": port}});
    let mut cluster = json!({
        "name": name,
        "type": "STRICT_DNS",
        "dns_lookup_family": "V4_PREFERRED",
        "connect_timeout": "3s",
        "load_assignment": assignment(&name, &address),
        "typed_extension_protocol_options": http1(idle),
        "circuit_breakers": breakers(),
    });
    if url.scheme() == "https" {
        cluster["transport_socket"] = tls(host, authorities);
    }
    cluster
}

fn assignment(name: &str, address: &Value) -> Value {
    let endpoint = json!({"endpoint": {"address": address}});
    json!({"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]})
}

fn http1(idle: &str) -> Value {
    json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": {"idle_timeout": idle},
        "explicit_http_config": {"http_protocol_options": {}},
    }})
}

/// Envoy's own default, 1024, is less than the websockets of a large team.
fn breakers() -> Value {
    json!({"thresholds": [{"max_connections": 10_000, "max_pending_requests": 10_000, "max_requests": 10_000}]})
}

/// TLS with the name and the authority checked.
fn tls(host: &str, authorities: &Path) -> Value {
    let is_address = host.parse::<IpAddr>().is_ok();
    let san_type = if is_address { "IP_ADDRESS" } else { "DNS" };
    let mut context = json!({
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
            "validation_context": {
                "trusted_ca": {"filename": authorities},
                "match_typed_subject_alt_names": [{"san_type": san_type, "matcher": {"exact": host}}],
            },
        },
    });
    if !is_address {
        context["sni"] = host.into();
    }
    json!({"name": "envoy.transport_sockets.tls", "typed_config": context})
}
