//! Objects: IAM first, then the store behind.

use axum::body::Body;
use axum::response::Response;
use http::header;
use http::request::Parts;
use serde_json::Value;

use super::access;
use super::ask::{Check, Objects, On};
use super::upstream::Upstream;
use crate::app::{State, read};
use crate::authorize::Caller;
use crate::errors::ApiError;

/// Refuses a Host that names a bucket: the store would serve `BUCKET.host/…` as another object than was checked.
///
/// # Errors
/// 400.
pub(crate) fn check_host(parts: &Parts) -> Result<(), ApiError> {
    let host = host(parts);
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let plain = name.is_empty()
        || matches!(name, "localhost" | "storage.googleapis.com")
        || name
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok();
    match plain {
        true => Ok(()),
        false => Err(ApiError::storage(
            400,
            "invalid",
            format!("Host {name}: gcp-emulator does not emulate buckets in host names"),
        )),
    }
}

fn host(parts: &Parts) -> &str {
    parts
        .headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default()
}

/// The URL that the client used, without its path.
pub(crate) fn base(parts: &Parts) -> String {
    format!("http://{}", host(parts))
}

/// Serves an object request if every check passes.
///
/// # Errors
/// 401, 403, 404; 503 without a store.
pub(crate) async fn objects(
    state: &State,
    parts: &Parts,
    body: Body,
    caller: &Caller,
    ask: Objects,
) -> Result<Response, ApiError> {
    let (sources, body) = match ask.composes {
        true => sources(&ask, body).await?,
        false => (Vec::new(), body),
    };
    for check in ask.checks.iter().chain(&sources) {
        access::check(&mut state.world(), caller, check)?;
    }
    for check in &ask.checks {
        overwrite(state, caller, check).await?;
    }
    let store = store(state)?;
    for check in &ask.checks {
        store.ensure_bucket(&check.bucket).await?;
    }
    let query = parts
        .uri
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    let path = format!("{}{query}", ask.path.as_deref().unwrap_or(parts.uri.path()));
    let mut headers = parts.headers.clone();
    if ask.composes {
        headers.remove(header::CONTENT_LENGTH);
    }
    store.forward(&parts.method, &headers, &path, body).await
}

/// A chunk of an upload that was let in at its start.
///
/// # Errors
/// 503 without a store.
pub(crate) async fn session(
    state: &State,
    parts: &Parts,
    body: Body,
) -> Result<Response, ApiError> {
    let path = parts
        .uri
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str);
    store(state)?
        .forward(&parts.method, &parts.headers, path, body)
        .await
}

/// Who replaces an object must also be allowed to delete it.
///
/// # Errors
/// 403.
pub(crate) async fn overwrite(
    state: &State,
    caller: &Caller,
    create: &Check,
) -> Result<(), ApiError> {
    let On::Object(object) = &create.on else {
        return Ok(());
    };
    if create.permission != "storage.objects.create" {
        return Ok(());
    }
    let delete = Check::object(&create.bucket, "storage.objects.delete", object);
    let denied = access::check(&mut state.world(), caller, &delete).err();
    match denied {
        Some(denied) if store(state)?.has(&create.bucket, object).await? => Err(denied),
        _ => Ok(()),
    }
}

/// The store behind.
///
/// # Errors
/// 503 if there is none.
pub(crate) fn store(state: &State) -> Result<&Upstream, ApiError> {
    state.objects().ok_or_else(|| {
        ApiError::storage(
            503,
            "backendError",
            "gcp-emulator keeps no objects: start it with --storage-upstream and a fake-gcs-server",
        )
    })
}

/// The objects that a compose request reads, and its body as this side understood it: the store must not find
/// another meaning in it.
async fn sources(ask: &Objects, body: Body) -> Result<(Vec<Check>, Body), ApiError> {
    let body = read(body).await?;
    let body: Value = serde_json::from_slice(&body)
        .map_err(|error| ApiError::storage(400, "parseError", error.to_string()))?;
    plain_keys(&body)?;
    let bucket = ask
        .checks
        .first()
        .map(|check| check.bucket.clone())
        .unwrap_or_default();
    let list = body
        .get("sourceObjects")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let mut checks = Vec::new();
    for source in &list {
        plain_keys(source)?;
        let name = source
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        checks.push(Check::object(&bucket, "storage.objects.get", name));
    }
    Ok((checks, Body::from(body.to_string())))
}

/// Refuses keys that a reader who ignores case would take for others.
///
/// # Errors
/// 400.
pub(crate) fn plain_keys(object: &Value) -> Result<(), ApiError> {
    let known = ["name", "bucket", "sourceObjects"];
    let Some(fields) = object.as_object() else {
        return Err(ApiError::storage(
            400,
            "parseError",
            "Parse Error: not an object",
        ));
    };
    let doubtful = |key: &&String| {
        !key.is_ascii()
            || known
                .iter()
                .any(|name| name.eq_ignore_ascii_case(key) && name != key)
    };
    match fields.keys().find(doubtful) {
        Some(key) => Err(ApiError::storage(
            400,
            "invalid",
            format!("Unknown field \"{key}\""),
        )),
        None => Ok(()),
    }
}
