//! The emulator's own API under `/emulator/v1/`. It is for tests, not for the code under test.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use jiff::SignedDuration;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::listing;
use crate::api::errors::{ApiError, json_response};
use crate::api::principal::Principal;
use crate::api::query;
use crate::emulator::seed::Seed;
use crate::world::World;
use crate::world::controls::clock::rfc3339;
use crate::world::controls::faults::Fault;
use crate::world::pools::PoolSeed;
use crate::world::state::State;

/// `POST /emulator/v1/userTokens`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UserToken {
    email: String,
    #[serde(default = "cloud_platform")]
    scopes: Vec<String>,
    #[serde(default = "hour")]
    lifetime_seconds: i64,
}

/// `POST /emulator/v1/clock:advance`
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Advance {
    seconds: f64,
    token_seconds: f64,
}

fn cloud_platform() -> Vec<String> {
    vec!["https://www.googleapis.com/auth/cloud-platform".to_owned()]
}

fn hour() -> i64 {
    3_600
}

pub(crate) fn serve(state: &State, parts: &Parts, body: &Bytes) -> Response {
    let mut world = state.world();
    match dispatch(&mut world, parts, body) {
        Ok(answer) => json_response(200, &answer),
        Err(error) => error.into_response(),
    }
}

fn dispatch(world: &mut World, parts: &Parts, body: &Bytes) -> Result<Value, ApiError> {
    let segments = query::segments(parts.uri.path());
    let path: Vec<&str> = segments.iter().skip(2).map(String::as_str).collect();
    match (parts.method.as_str(), path.as_slice()) {
        ("GET", ["settings"]) => Ok(json!(world.settings)),
        ("PUT", ["settings"]) => {
            world.settings = world
                .settings
                .merged(&read::<Value>(body)?)
                .map_err(ApiError::invalid)?;
            Ok(json!(world.settings))
        }
        ("GET", ["state"]) => Ok(listing::state(world)),
        ("GET", ["requests"]) => {
            let query = query::query(&parts.uri);
            let after = query::parameter(&query, "after").and_then(|after| after.parse().ok());
            let requests: Vec<_> = world.request_log.after(after.unwrap_or(0)).collect();
            Ok(json!({ "requests": requests }))
        }
        ("DELETE", ["requests"]) => {
            world.request_log.clear();
            Ok(json!({}))
        }
        ("GET", ["faults"]) => Ok(json!({"faults": world.faults.list()})),
        ("POST", ["faults"]) => Ok(json!({"id": world.faults.add(read::<Fault>(body)?)})),
        ("DELETE", ["faults"]) => {
            world.faults.clear();
            Ok(json!({}))
        }
        ("POST", ["clock:advance"]) => advance(world, &read(body)?),
        ("POST", ["userTokens"]) => user_token(world, read(body)?),
        ("POST", ["seed"]) => {
            world.seed(read::<Seed>(body)?).map_err(ApiError::invalid)?;
            Ok(json!({}))
        }
        ("PUT", ["pools", pool]) => {
            let mut seed = read::<Value>(body)?;
            if let Some(seed) = seed.as_object_mut() {
                seed.insert("pool".to_owned(), json!(pool));
            }
            let seed: PoolSeed = serde_json::from_value(seed).map_err(unreadable)?;
            let now = world.clock.now();
            world.put_pool(seed, now).map_err(ApiError::invalid)?;
            Ok(json!({}))
        }
        ("DELETE", ["pools", pool]) => {
            world.pools.remove(*pool);
            Ok(json!({}))
        }
        _ => Err(ApiError::not_found(format!(
            "the emulator's own API has no {} {}: see the list in its README",
            parts.method,
            parts.uri.path()
        ))),
    }
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(unreadable)
}

#[expect(clippy::needless_pass_by_value, reason = "used as a map_err function")]
fn unreadable(error: serde_json::Error) -> ApiError {
    ApiError::invalid(format!("body: {error}"))
}

fn advance(world: &mut World, by: &Advance) -> Result<Value, ApiError> {
    let span = |seconds: f64| {
        SignedDuration::try_from_secs_f64(seconds)
            .map_err(|error| ApiError::invalid(format!("{seconds}: {error}")))
    };
    if by.seconds < 0.0 {
        return Err(ApiError::invalid("seconds: must not be negative"));
    }
    world.clock.advance(span(by.seconds)?);
    world.clock.advance_tokens(span(by.token_seconds)?);
    Ok(json!({"now": rfc3339(world.clock.now()), "tokenNow": rfc3339(world.clock.token_now())}))
}

fn user_token(world: &mut World, wanted: UserToken) -> Result<Value, ApiError> {
    if !wanted.email.contains('@') || wanted.email.ends_with(".gserviceaccount.com") {
        return Err(ApiError::invalid(format!(
            "email: \"{}\" is not the e-mail of a person",
            wanted.email
        )));
    }
    let principal = Principal::User {
        email: wanted.email.to_ascii_lowercase(),
    };
    let lifetime = SignedDuration::from_secs(wanted.lifetime_seconds.max(1));
    let (token, grant) = world.issue_token(principal, wanted.scopes, lifetime);
    Ok(json!({"accessToken": token, "expireTime": rfc3339(grant.expires)}))
}
