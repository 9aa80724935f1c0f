//! The start of an upload. The object's name may be in the query, in a JSON body, or in the first part of a multipart body.
//! The permission is checked for this name, and the object store gets it in the query, which takes precedence there.

mod multipart;

use axum::body::Body;
use axum::response::Response;
use http::header;
use http::request::Parts;
use serde_json::Value;

use super::access;
use super::json_body::check_keys;
use super::request::PermissionCheck;
use crate::api::body::read_body;
use crate::api::caller::Caller;
use crate::api::errors::ApiError;
use crate::api::query;
use crate::world::object_store::encode;
use crate::world::state::State;

/// Parameters that determine the upload; each may be given once only.
const UNIQUE_PARAMETERS: [&str; 3] = ["name", "uploadType", "upload_id"];

/// Starts an upload if the caller is allowed to create the object.
///
/// # Errors
/// 400 without a name, 401, 403, 404, 503.
pub(crate) async fn start(
    state: &State,
    parts: &Parts,
    body: Body,
    caller: &Caller,
    bucket: &str,
) -> Result<Response, ApiError> {
    let query = query::query(&parts.uri);
    for name in UNIQUE_PARAMETERS {
        if query.iter().filter(|(each, _)| each == name).count() > 1 {
            return Err(invalid(format!(
                "Parameter {name} is given more than once."
            )));
        }
    }
    let kind = query::parameter(&query, "uploadType").unwrap_or_default();
    let (metadata, body) = match kind {
        "media" => (Value::Null, body),
        "multipart" => multipart::read_metadata(parts, body).await?,
        "resumable" => read_json(bucket, body).await?,
        _ => return Err(invalid("Invalid uploadType.".to_owned())),
    };
    let named = metadata
        .get("name")
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty());
    let object = match (
        query::parameter(&query, "name").filter(|name| !name.is_empty()),
        named,
    ) {
        (Some(name), Some(other)) if name != other => {
            return Err(invalid(format!(
                "Value '{other}' in content does not agree with value '{name}'."
            )));
        }
        (Some(name), _) | (None, Some(name)) => name.to_owned(),
        (None, None) => {
            return Err(ApiError::storage(
                400,
                "required",
                "Required parameter: name",
            ));
        }
    };
    let check = PermissionCheck::object(bucket, "storage.objects.create", &object);
    access::check(&mut state.world(), caller, &check)?;
    access::check_overwrite(state, caller, &check).await?;
    let store = state.object_store()?;
    state.ensure_bucket(bucket).await?;
    let mut headers = parts.headers.clone();
    if kind == "resumable" {
        headers.remove(header::CONTENT_LENGTH);
    }
    let path = format!("{}?{}", parts.uri.path(), with_name(&query, &object));
    store.forward(&parts.method, &headers, &path, body).await
}

fn invalid(message: String) -> ApiError {
    ApiError::storage(400, "invalid", message)
}

/// The query, with `name` set to the name that was checked.
fn with_name(query: &[(String, String)], object: &str) -> String {
    let mut out = format!("name={}", encode(object));
    for (name, value) in query.iter().filter(|(name, _)| name != "name") {
        out.push_str(&format!("&{}={}", encode(name), encode(value)));
    }
    out
}

/// The JSON metadata of a resumable upload, and the body as it was parsed here, without the bucket.
async fn read_json(bucket: &str, body: Body) -> Result<(Value, Body), ApiError> {
    let bytes = read_body(body).await?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok((Value::Null, Body::empty()));
    }
    let mut metadata: Value = serde_json::from_slice(&bytes)
        .map_err(|error| ApiError::storage(400, "parseError", error.to_string()))?;
    check_keys(&metadata)?;
    if let Some(fields) = metadata.as_object_mut()
        && let Some(other) = fields.remove("bucket")
        && other != bucket
    {
        return Err(invalid(format!(
            "Value {other} in content does not agree with value '{bucket}'."
        )));
    }
    let body = Body::from(metadata.to_string());
    Ok((metadata, body))
}
