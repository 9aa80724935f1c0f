//! The start of an upload: whose name may stand in the query, in a JSON body, or in the first part of a
//! multipart body. IAM is asked for that name, and the store is told it in the query, which it believes first.

use axum::body::{Body, BodyDataStream};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::header;
use http::request::Parts;
use serde_json::Value;

use super::access;
use super::json_body::plain_keys;
use super::request::Check;
use crate::api::body::read_body;
use crate::api::call;
use crate::api::caller::Caller;
use crate::api::errors::ApiError;
use crate::world::object_store::encode;
use crate::world::state::State;

/// The metadata part must end within this many bytes.
const MAX_METADATA: usize = 256 * 1024;
/// Parameters that decide what an upload is: each at most once.
const DECISIVE: [&str; 3] = ["name", "uploadType", "upload_id"];

/// Lets an upload start if its bearer may create the object.
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
    let query = call::query(&parts.uri);
    for name in DECISIVE {
        if query.iter().filter(|(each, _)| each == name).count() > 1 {
            return Err(invalid(format!(
                "Parameter {name} is given more than once."
            )));
        }
    }
    let kind = call::parameter(&query, "uploadType").unwrap_or_default();
    let (metadata, body) = match kind {
        "media" => (Value::Null, body),
        "multipart" => first_part(parts, body).await?,
        "resumable" => json_body(bucket, body).await?,
        _ => return Err(invalid("Invalid uploadType.".to_owned())),
    };
    let named = metadata
        .get("name")
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty());
    let object = match (
        call::parameter(&query, "name").filter(|name| !name.is_empty()),
        named,
    ) {
        (Some(one), Some(other)) if one != other => {
            return Err(invalid(format!(
                "Value '{other}' in content does not agree with value '{one}'."
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
    let check = Check::object(bucket, "storage.objects.create", &object);
    access::check(&mut state.world(), caller, &check)?;
    access::check_overwrite(state, caller, &check).await?;
    let store = state.object_store()?;
    store.ensure_bucket(bucket).await?;
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

/// The query with `name` set to the name that was checked.
fn with_name(query: &[(String, String)], object: &str) -> String {
    let mut out = format!("name={}", encode(object));
    for (name, value) in query.iter().filter(|(name, _)| name != "name") {
        out.push_str(&format!("&{}={}", encode(name), encode(value)));
    }
    out
}

/// The JSON metadata of a resumable upload, and the body as this side understood it, without a bucket.
async fn json_body(bucket: &str, body: Body) -> Result<(Value, Body), ApiError> {
    let bytes = read_body(body).await?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok((Value::Null, Body::empty()));
    }
    let mut metadata: Value = serde_json::from_slice(&bytes)
        .map_err(|error| ApiError::storage(400, "parseError", error.to_string()))?;
    plain_keys(&metadata)?;
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

/// The metadata in the first part of a multipart body, and the whole body again: what was read, then the rest.
async fn first_part(parts: &Parts, body: Body) -> Result<(Value, Body), ApiError> {
    let kind = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let boundary = kind
        .and_then(boundary)
        .ok_or_else(|| invalid("Multipart body without a boundary.".to_owned()))?;
    let mut stream = body.into_data_stream();
    let mut read = BytesMut::new();
    let metadata = loop {
        if let Some(part) = part(&read, &boundary) {
            let metadata: Value = serde_json::from_slice(part)
                .map_err(|error| ApiError::storage(400, "parseError", error.to_string()))?;
            plain_keys(&metadata)?;
            break metadata;
        }
        if read.len() > MAX_METADATA {
            return Err(invalid(
                "The metadata part of the multipart body does not end.".to_owned(),
            ));
        }
        match stream.next().await {
            Some(Ok(more)) => read.extend_from_slice(&more),
            _ => return Err(invalid("Malformed multipart body.".to_owned())),
        }
    };
    Ok((metadata, rejoin(read.freeze(), stream)))
}

fn rejoin(read: Bytes, rest: BodyDataStream) -> Body {
    Body::from_stream(futures::stream::once(std::future::ready(Ok(read))).chain(rest))
}

/// The boundary of a `multipart/…` content type, quoted (also by gsutil's single quotes) or not.
fn boundary(kind: &str) -> Option<String> {
    let (_, rest) = kind.split_once("boundary=")?;
    let value = match rest.chars().next()? {
        quote @ ('"' | '\'') => rest.get(1..)?.split(quote).next()?,
        _ => rest.split(';').next()?.trim(),
    };
    (!value.is_empty()).then(|| value.to_owned())
}

/// The content of the first part, once it is all there.
fn part<'a>(read: &'a [u8], boundary: &str) -> Option<&'a [u8]> {
    let delimiter = format!("--{boundary}");
    let start = find(read, delimiter.as_bytes())? + delimiter.len();
    let rest = read.get(start..)?;
    let blank = [b"\r\n\r\n".as_slice(), b"\n\n"];
    let (at, length) = blank
        .iter()
        .find_map(|blank| Some((find(rest, blank)?, blank.len())))?;
    let content = rest.get(at + length..)?;
    let end = find(content, format!("\n{delimiter}").as_bytes())?;
    content.get(..end)
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len())
        .position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_part_is_found_when_it_is_complete() {
        let body = b"--x\r\ncontent-type: application/json\r\n\r\n{\"name\": \"a/b\"}\r\n--x\r\n\r\ndata\r\n--x--";
        let metadata: Value = serde_json::from_slice(part(body, "x").unwrap()).unwrap();
        assert_eq!(metadata["name"], "a/b");
        assert!(part(&body[..50], "x").is_none());
        assert_eq!(
            boundary("multipart/related; boundary=\"a=b\"; x=y").unwrap(),
            "a=b"
        );
        assert_eq!(
            boundary("multipart/related; boundary='==1=='").unwrap(),
            "==1=="
        );
        assert_eq!(
            boundary("multipart/related; boundary=abc; x=y").unwrap(),
            "abc"
        );
    }
}
