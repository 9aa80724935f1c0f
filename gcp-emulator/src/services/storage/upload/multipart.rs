//! Multipart bodies of uploads.

use axum::body::{Body, BodyDataStream};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::header;
use http::request::Parts;
use serde_json::Value;

use super::invalid;
use crate::api::errors::ApiError;
use crate::services::storage::json_body::check_keys;

/// The metadata part must end within this many bytes.
const MAX_METADATA: usize = 256 * 1024;

/// The metadata in the first part of a multipart body, and the complete body again.
///
/// # Errors
/// 400 for a malformed body.
pub(super) async fn read_metadata(parts: &Parts, body: Body) -> Result<(Value, Body), ApiError> {
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
        if let Some(part) = first_part(&read, &boundary) {
            let metadata: Value = serde_json::from_slice(part)
                .map_err(|error| ApiError::storage(400, "parseError", error.to_string()))?;
            check_keys(&metadata)?;
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

/// The boundary of a `multipart/…` content type, with or without quotes; gsutil uses single quotes.
fn boundary(kind: &str) -> Option<String> {
    let (_, rest) = kind.split_once("boundary=")?;
    let value = match rest.chars().next()? {
        quote @ ('"' | '\'') => rest.get(1..)?.split(quote).next()?,
        _ => rest.split(';').next()?.trim(),
    };
    (!value.is_empty()).then(|| value.to_owned())
}

/// The content of the first part, once it is complete.
fn first_part<'a>(read: &'a [u8], boundary: &str) -> Option<&'a [u8]> {
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
    fn the_first_part_is_found_once_it_is_complete() {
        let body = b"--x\r\ncontent-type: application/json\r\n\r\n{\"name\": \"a/b\"}\r\n--x\r\n\r\ndata\r\n--x--";
        let metadata: Value = serde_json::from_slice(first_part(body, "x").unwrap()).unwrap();
        assert_eq!(metadata["name"], "a/b");
        assert!(first_part(&body[..50], "x").is_none());
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
