//! The HTTP router: every request passes the planned faults, the latency, its handler and the request log.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State as Extract};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use serde_json::Value;

use super::admin;
use crate::api::body::read_body;
use crate::api::call::{Call, bearer};
use crate::api::caller::Caller;
use crate::api::errors::json_response;
use crate::api::paths::is_storage;
use crate::api::query;
use crate::policy::refusals;
use crate::services::{self, storage};
use crate::world::controls::clock::rfc3339;
use crate::world::controls::faults::{Cut, Fault, FaultAnswer};
use crate::world::controls::permission_checks::{self, PermissionCheck};
use crate::world::controls::request_log::{LoggedRequest, redact};
use crate::world::state::State;

impl State {
    /// Answers a request without planned faults, refusals of calls, latency or the request log. Returns status and body.
    pub async fn call(&self, request: http::Request<Vec<u8>>) -> (u16, Value) {
        let (parts, body) = request.into_parts();
        let caller = self.world().caller(bearer(&parts.headers));
        let response = serve(self, &parts, Body::from(body), caller).await;
        let status = response.status().as_u16();
        let body = read_body(response.into_body()).await.unwrap_or_default();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }
}

/// The router for all APIs of the emulator. With [`crate::Emulator`] planned faults can close connections; with the router
/// alone they answer 502 instead.
pub fn app(state: State) -> Router {
    Router::new().fallback(handle).with_state(state)
}

async fn handle(Extract(state): Extract<State>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if parts.uri.path().starts_with("/emulator/v1/") {
        return match read_body(body).await {
            Ok(body) => admin::serve(&state, &parts, &body),
            Err(error) => error.into_response(),
        };
    }
    state.wait_until_resumed().await;
    let path = format!("/{}", query::segments(parts.uri.path()).join("/"));
    let (caller, fault, latency) = prepare(&state, &parts, &path);
    tokio::time::sleep(latency).await;
    let failure = fault.as_ref().and_then(|fault| fault.answer.as_ref());
    let is_fault = failure.is_some();
    let response = async {
        match failure {
            Some(answer) => {
                if fault.as_ref().is_some_and(|fault| fault.applied) {
                    let _unused = serve(&state, &parts, body, caller.clone()).await;
                }
                answer.response()
            }
            None => match refused(&state, &path) {
                Some(refusal) => refusal,
                None => serve(&state, &parts, body, caller.clone()).await,
            },
        }
    };
    let (response, permissions) = permission_checks::recorded(response).await;
    if matches!(failure, Some(FaultAnswer::Stop)) {
        state.world().faults.stop();
    }
    log_request(
        &state,
        &parts,
        path,
        &caller,
        &response,
        is_fault,
        permissions,
    );
    if is_fault {
        state.wait_until_resumed().await;
    }
    response
}

/// The refusal of a call by the organization.
fn refused(state: &State, path: &str) -> Option<Response> {
    refusals::check_call(&mut state.world(), path).map(IntoResponse::into_response)
}

/// The caller, the planned fault for this call, and how long to wait before the answer.
fn prepare(state: &State, parts: &Parts, path: &str) -> (Caller, Option<Fault>, Duration) {
    let mut world = state.world();
    let caller = world.caller(bearer(&parts.headers));
    let fault = world
        .faults
        .next(parts.method.as_str(), path, caller.name());
    let latency = world.settings.latency.clone();
    let jitter = match latency.jitter_milliseconds {
        0 => 0,
        max => world.random.below(max + 1),
    };
    let extra = fault.as_ref().map_or(0.0, |fault| fault.delay_seconds);
    let wait = Duration::from_millis(latency.milliseconds + jitter)
        + Duration::try_from_secs_f64(extra).unwrap_or_default();
    (caller, fault, wait)
}

async fn serve(state: &State, parts: &Parts, body: Body, caller: Caller) -> Response {
    if is_storage(parts.uri.path()) {
        return storage::serve(state, parts, body, caller).await;
    }
    let body = match read_body(body).await {
        Ok(body) => body,
        Err(error) => return error.into_response(),
    };
    let call = Call::read(
        parts.method.clone(),
        &parts.uri,
        &parts.headers,
        &body,
        caller,
    );
    match call.and_then(|call| services::dispatch(&mut state.world(), &call)) {
        Ok(answer) => json_response(200, &answer),
        Err(error) => error.into_response(),
    }
}

fn log_request(
    state: &State,
    parts: &Parts,
    path: String,
    caller: &Caller,
    response: &Response,
    fault: bool,
    permissions: Vec<PermissionCheck>,
) {
    let is_cut = response.extensions().get::<Cut>().is_some();
    let status = if is_cut {
        0
    } else {
        response.status().as_u16()
    };
    tracing::debug!(method = %parts.method, path, caller = caller.name(), status, fault, "answered");
    let mut world = state.world();
    let time = rfc3339(world.clock.now());
    world.request_log.add(LoggedRequest {
        number: 0,
        time,
        method: parts.method.to_string(),
        path,
        query: redact(parts.uri.query().unwrap_or_default()),
        caller: caller.name().to_owned(),
        status,
        fault,
        permissions,
    });
}
