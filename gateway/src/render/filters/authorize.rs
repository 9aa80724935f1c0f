//! The question to the authorizer: may this user do this?

use namesake_api::names;
use serde_json::{Value, json};

use crate::render::{Options, clusters::AUTHORIZER};

/// If the authorizer does not answer in time, or not at all, the request is refused with 503.
const TIMEOUT: &str = "3s";

/// The filter.
pub(super) fn filter(options: &Options) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
        "transport_api_version": "V3",
        "http_service": {
            "server_uri": {"uri": "http://authorizer", "cluster": AUTHORIZER, "timeout": TIMEOUT},
            "path_prefix": names::AUTHORIZE_PATH,
            "authorization_response": {
                "allowed_upstream_headers": exactly(&[names::USER_HEADER]),
                "allowed_client_headers": exactly(&["content-type", "cache-control", "retry-after"]),
            },
        },
        "allowed_headers": exactly(&[names::CLAIMS_HEADER, names::SERVES_HEADER, "content-type", "content-encoding"]),
        // Envoy would send it by default.
        "disallowed_headers": exactly(&["authorization", "cookie"]),
        "with_request_body": {"max_request_bytes": options.max_body, "allow_partial_message": false},
        "failure_mode_allow": false,
        "status_on_error": {"code": "ServiceUnavailable"},
        "clear_route_cache": false,
    })
}

fn exactly(names: &[&str]) -> Value {
    let patterns: Vec<Value> = names.iter().map(|name| json!({"exact": name})).collect();
    json!({"patterns": patterns})
}
