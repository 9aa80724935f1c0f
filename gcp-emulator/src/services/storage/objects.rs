//! Objects: the permission check, and then the object store.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{Method, StatusCode, header};
use serde_json::Value;

use super::json_body::check_keys;
use super::preconditions::{self, Outcome, Preconditions, Version};
use super::request::{ObjectRequest, PermissionCheck, Subject};
use super::{access, list_prefixes};
use crate::api::body::read_body;
use crate::api::caller::Caller;
use crate::api::errors::{ApiError, json_response};
use crate::api::query;
use crate::world::object_store::ObjectStore;
use crate::world::state::State;

/// Refuses a Host header with a bucket: for `BUCKET.host/…` the object store would serve another object than was checked.
///
/// # Errors
/// 400.
pub(crate) fn check_host(parts: &Parts) -> Result<(), ApiError> {
    let host = host(parts);
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let is_allowed = name.is_empty()
        || matches!(name, "localhost" | "storage.googleapis.com")
        || name
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok();
    match is_allowed {
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

/// Serves a request for objects if all checks pass.
///
/// # Errors
/// 401, 403, 404, 412; 503 without an object store.
pub(crate) async fn serve(
    state: &State,
    parts: &Parts,
    body: Body,
    caller: &Caller,
    request: ObjectRequest,
) -> Result<Response, ApiError> {
    let (sources, body) = match request.composes {
        true => compose_sources(&request, body).await?,
        false => (Vec::new(), body),
    };
    for check in request.checks.iter().chain(&sources) {
        access::check(&mut state.world(), caller, check)?;
    }
    for check in &request.checks {
        access::check_overwrite(state, caller, check).await?;
    }
    let store = state.object_store()?;
    for check in &request.checks {
        state.ensure_bucket(&check.bucket).await?;
    }
    if let Some(unchanged) = check_preconditions(store, parts, &request).await? {
        return Ok(unchanged);
    }
    let query = parts
        .uri
        .query()
        .map(|query| format!("?{}", for_store(query)))
        .unwrap_or_default();
    let path = format!(
        "{}{query}",
        request.path.as_deref().unwrap_or(parts.uri.path())
    );
    let mut headers = parts.headers.clone();
    if request.composes {
        headers.remove(header::CONTENT_LENGTH);
    }
    let response = store.forward(&parts.method, &headers, &path, body).await?;
    adapt_answer(state, parts, &request, response).await
}

/// A query as the store understands it: Google's client for Python writes `versions=True`.
fn for_store(query: &str) -> String {
    let parts = query.split('&').map(|part| match part {
        "versions=True" => "versions=true",
        other => other,
    });
    parts.collect::<Vec<_>>().join("&")
}

/// Checks preconditions with the metadata in the object store, and returns the answer for a reader who has this version
/// already. Two writers at the same time can both pass; only the object store could prevent that, and it does for uploads.
///
/// # Errors
/// 404 for a source that does not exist, 412.
async fn check_preconditions(
    store: &ObjectStore,
    parts: &Parts,
    request: &ObjectRequest,
) -> Result<Option<Response>, ApiError> {
    let query = query::query(&parts.uri);
    let parameter = |name: &str| query::parameter(&query, name);
    let (source, target) = match request.checks.as_slice() {
        [target] => (None, target),
        [source, target] => (Some(source), target),
        _ => return Ok(None),
    };
    if let Some(source) = source {
        let wanted = Preconditions::on_source(&query)?;
        let generation = parameter("sourceGeneration");
        compare(store, &wanted, source, generation, &Method::POST).await?;
    }
    let wanted = Preconditions::on_target(&query, &parts.headers)?;
    compare(
        store,
        &wanted,
        target,
        parameter("generation"),
        &parts.method,
    )
    .await
}

/// Checks the preconditions on one object. A missing object that is read or changed passes here, because the object store
/// reports that it does not exist.
async fn compare(
    store: &ObjectStore,
    wanted: &Preconditions,
    check: &PermissionCheck,
    generation: Option<&str>,
    method: &Method,
) -> Result<Option<Response>, ApiError> {
    let Subject::Object(object) = &check.subject else {
        return Ok(None);
    };
    if wanted.is_empty() {
        return Ok(None);
    }
    let found = store.metadata(&check.bucket, object, generation).await?;
    if found.is_none() && check.permission != "storage.objects.create" {
        return Ok(None);
    }
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    match wanted.check(found.as_ref().map(Version::of)) {
        Outcome::Hold => Ok(None),
        Outcome::Unchanged if is_read => Ok(Some(StatusCode::NOT_MODIFIED.into_response())),
        Outcome::Unchanged | Outcome::Fail => Err(preconditions::failed()),
    }
}

/// Adapts the object store's answer where Google's differs: no body after a DELETE, the name of a missing object, managed
/// folders in the prefixes of a list.
///
/// # Errors
/// 404 with the object's name.
async fn adapt_answer(
    state: &State,
    parts: &Parts,
    request: &ObjectRequest,
    response: Response,
) -> Result<Response, ApiError> {
    let status = response.status();
    let Some(first) = request.checks.first() else {
        return Ok(response);
    };
    match &first.subject {
        Subject::Object(object) if status == StatusCode::NOT_FOUND && !request.composes => {
            Err(ApiError::storage(
                404,
                "notFound",
                format!("No such object: {}/{object}", first.bucket),
            ))
        }
        Subject::Object(_) if status.is_success() && parts.method == Method::DELETE => {
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        Subject::List(_) if status.is_success() => {
            let query = query::query(&parts.uri);
            if !list_prefixes::includes_folders(&query) {
                return Ok(response);
            }
            let body = read_body(response.into_body()).await?;
            let mut listing: Value = serde_json::from_slice(&body)
                .map_err(|error| ApiError::storage(503, "backendError", error.to_string()))?;
            if let Some(bucket) = state.world().buckets.get(&first.bucket) {
                list_prefixes::add_folders(&mut listing, &query, bucket.folders.keys());
            }
            Ok(json_response(200, &listing))
        }
        _ => Ok(response),
    }
}

/// Forwards a chunk of an upload that was checked when it started.
///
/// # Errors
/// 503 without an object store.
pub(crate) async fn session(
    state: &State,
    parts: &Parts,
    body: Body,
) -> Result<Response, ApiError> {
    let path = parts
        .uri
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str);
    state
        .object_store()?
        .forward(&parts.method, &parts.headers, path, body)
        .await
}

/// The objects that a compose request reads, and its body as it was parsed here, so that the object store cannot read it
/// differently.
async fn compose_sources(
    request: &ObjectRequest,
    body: Body,
) -> Result<(Vec<PermissionCheck>, Body), ApiError> {
    let body = read_body(body).await?;
    let body: Value = serde_json::from_slice(&body)
        .map_err(|error| ApiError::storage(400, "parseError", error.to_string()))?;
    check_keys(&body)?;
    let bucket = request
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
        check_keys(source)?;
        let name = source
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        checks.push(PermissionCheck::object(
            &bucket,
            "storage.objects.get",
            name,
        ));
    }
    Ok((checks, Body::from(body.to_string())))
}
