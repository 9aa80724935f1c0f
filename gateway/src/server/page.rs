//! Namesake's page for people, and the same as JSON: who they are, their identities, and which of their pods wait.

mod html;
mod status;

use std::sync::{Arc, LazyLock};

use axum::extract::State as Extract;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use data_encoding::BASE64;
use namesake_api::names;
use namesake_core::{Reason, Refusal, Rules};
use sha2::{Digest, Sha256};

use super::refusal::{self, refuse, refused};
use super::who::identify;
use crate::caller::Caller;
use crate::config::{Issuer, Login};
use crate::state::State;
use status::{Status, WhoAmI};

/// Nothing but the page's own style sheet: no script, no image, no frame around it, no form.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let digest = BASE64.encode(&Sha256::digest(html::STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// The routes of the page.
pub(super) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route(names::GATEWAY_PATH, get(page))
        .route(&format!("{}/", names::GATEWAY_PATH), get(page))
        .route(names::STATUS_PATH, get(status))
        .route(names::WHOAMI_PATH, get(whoami))
}

async fn page(Extract(state): Extract<Arc<State>>, headers: HeaderMap) -> Response {
    if wants_json(&headers) {
        return status(Extract(state), headers).await;
    }
    let (code, markup) = match caller(&state, &headers) {
        Ok((rules, caller)) => {
            let status = Status::read(&state, &rules, &caller).await;
            let page = html::page(&status, can_log_out(&state, &headers));
            (StatusCode::OK, page)
        }
        Err(refusal) => (refusal::status(&refusal), html::refused(&refusal)),
    };
    let policy = HeaderValue::from_str(&POLICY);
    let policy = policy.unwrap_or(HeaderValue::from_static("default-src 'none'"));
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
    ];
    (code, headers, markup.into_string()).into_response()
}

async fn status(Extract(state): Extract<Arc<State>>, headers: HeaderMap) -> Response {
    match caller(&state, &headers) {
        Ok((rules, caller)) => json(Status::read(&state, &rules, &caller).await),
        Err(refusal) => refused(&refusal),
    }
}

async fn whoami(Extract(state): Extract<Arc<State>>, headers: HeaderMap) -> Response {
    match caller(&state, &headers) {
        Ok((rules, caller)) => json(WhoAmI::new(&rules, &caller)),
        Err(refusal) => refused(&refusal),
    }
}

fn caller(state: &State, headers: &HeaderMap) -> Result<(Arc<Rules>, Caller), Refusal> {
    let rules = state.rules.get();
    let rules =
        rules.ok_or_else(|| refuse(Reason::RulesNotLoaded, "No rules are in force yet."))?;
    let caller = identify(state, &rules, headers)?;
    Ok((rules, caller))
}

fn json(body: impl serde::Serialize) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// Whether the caller logged in in a browser by OpenID Connect, which has a path for logging out.
fn can_log_out(state: &State, headers: &HeaderMap) -> bool {
    let issuers = &state.config.issuers;
    let logs_in = |issuer: &Issuer| matches!(issuer.login, Some(Login::Oidc { .. }));
    let serves = headers.get(names::SERVES_HEADER);
    serves.is_some_and(|serves| serves == "ui") && issuers.iter().any(logs_in)
}

/// Browsers ask for HTML; what asks for JSON and not for HTML gets JSON.
fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    accept
        .is_some_and(|accept| accept.contains("application/json") && !accept.contains("text/html"))
}
