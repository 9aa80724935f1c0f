//! What the authorizer reads of an API server: the rules, the identities in pages, and the keys of the cluster's tokens. Watches are
//! silent. The objects are made up because their number matters here; the tests have a real API server.

use std::collections::HashMap;
use std::convert::Infallible;

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use namesake_api::names;
use serde_json::{Value, json};

use super::rules;

/// Starts it on a free port of the loopback interface, and returns its URL. It stops with the runtime.
///
/// # Errors
/// No port is free.
pub(crate) async fn start(identities: usize) -> anyhow::Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .context("no free port")?;
    let url = format!("http://{}", listener.local_addr()?);
    let app = Router::new().fallback(answer).with_state(identities);
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(url)
}

async fn answer(
    State(identities): State<usize>,
    uri: Uri,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    if query.contains_key("watch") {
        return Body::from_stream(stream::pending::<Result<Bytes, Infallible>>()).into_response();
    }
    let is_rules = query
        .get("fieldSelector")
        .is_some_and(|selector| *selector == format!("metadata.name={}", names::RULES_CONFIG_MAP));
    let list = match uri.path() {
        "/openid/v1/jwks" => {
            json!({"keys": [{"kty": "RSA", "kid": "bench", "alg": "RS256", "use": "sig", "e": "AQAB", "n": "AQAB"}]})
        }
        path if path.ends_with("/configmaps") && is_rules => {
            list("v1", "ConfigMapList", &[rules::config_map()], None)
        }
        path if path.ends_with("/identities") => page(identities, &query),
        _ => list("v1", "List", &[], None),
    };
    ([("content-type", "application/json")], list.to_string()).into_response()
}

/// One page of the identities; `continue` is the number of the first one on it.
fn page(identities: usize, query: &HashMap<String, String>) -> Value {
    let number = |key: &str| query.get(key).and_then(|text| text.parse::<usize>().ok());
    let first = number("continue").unwrap_or_default();
    let next = number("limit").map_or(identities, |limit| identities.min(first + limit));
    let items: Vec<Value> = (first..next).map(rules::identity).collect();
    let more = (next < identities).then(|| next.to_string());
    list("namesake.dev/v1alpha1", "IdentityList", &items, more)
}

fn list(api_version: &str, kind: &str, items: &[Value], more: Option<String>) -> Value {
    json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"resourceVersion": "1", "continue": more.unwrap_or_default()},
        "items": items,
    })
}
