//! The one door: every request goes through faults, latency, its handler and the journal.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State as Extract};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use serde_json::Value;

use super::admin;
use crate::api::body::read_body;
use crate::api::call::{self, Call};
use crate::api::caller::Caller;
use crate::api::errors::json_response;
use crate::api::paths::is_storage;
use crate::policy::refusals;
use crate::services::{self, storage};
use crate::world::controls::clock::rfc3339;
use crate::world::controls::faults::{Cut, Fault, FaultAnswer};
use crate::world::controls::request_log::{Entry, redact};
use crate::world::state::State;

impl State {
    /// What is really so: answers a request without planned failures, latency, or a line in the journal. Status and body.
    pub async fn ask(&self, request: http::Request<Vec<u8>>) -> (u16, Value) {
        let (parts, body) = request.into_parts();
        let caller = self.world().caller(call::bearer(&parts.headers));
        let response = serve(self, &parts, Body::from(body), caller).await;
        let status = response.status().as_u16();
        let body = read_body(response.into_body()).await.unwrap_or_default();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }
}

/// Everything that the emulator serves, on one router. Over a real listener use [`crate::Emulator`], which also
/// can cut connections; here a cut shows as 502.
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
    state.answering().await;
    let path = format!("/{}", call::segments(parts.uri.path()).join("/"));
    let (caller, fault, latency) = prepare(&state, &parts, &path);
    tokio::time::sleep(latency).await;
    let failure = fault.as_ref().and_then(|fault| fault.answer.as_ref());
    let faulty = failure.is_some();
    let response = match failure {
        Some(answer) => {
            if fault.as_ref().is_some_and(|fault| fault.applied) {
                let _lost = serve(&state, &parts, body, caller.clone()).await;
            }
            answer.response()
        }
        None => match refused(&state, &path) {
            Some(refusal) => refusal,
            None => serve(&state, &parts, body, caller.clone()).await,
        },
    };
    if matches!(failure, Some(FaultAnswer::Stop)) {
        state.world().faults.stop();
    }
    note(&state, &parts, path, &caller, &response, faulty);
    if faulty {
        state.answering().await;
    }
    response
}

fn refused(state: &State, path: &str) -> Option<Response> {
    refusals::of_call(&mut state.world(), path).map(IntoResponse::into_response)
}

/// Who calls, whether this call is to fail, and how long to wait first.
fn prepare(state: &State, parts: &Parts, path: &str) -> (Caller, Option<Fault>, Duration) {
    let mut world = state.world();
    let caller = world.caller(call::bearer(&parts.headers));
    let fault = world
        .faults
        .next(parts.method.as_str(), path, caller.name());
    let latency = world.settings.latency.clone();
    let jitter = match latency.jitter_milliseconds {
        0 => 0,
        most => world.random.below(most + 1),
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

fn note(
    state: &State,
    parts: &Parts,
    path: String,
    caller: &Caller,
    response: &Response,
    fault: bool,
) {
    let cut = response.extensions().get::<Cut>().is_some();
    let status = if cut { 0 } else { response.status().as_u16() };
    tracing::debug!(method = %parts.method, path, caller = caller.name(), status, fault, "answered");
    let mut world = state.world();
    let time = rfc3339(world.clock.now());
    world.journal.add(Entry {
        number: 0,
        time,
        method: parts.method.to_string(),
        path,
        query: redact(parts.uri.query().unwrap_or_default()),
        caller: caller.name().to_owned(),
        status,
        fault,
    });
}
