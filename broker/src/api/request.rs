//! Reads and checks the body of a request.

use axum::body::Body;
use futures::StreamExt;
use namesake_api::broker_api::IdentityRequest;

use super::{ApiError, Result};

/// Longest body of a request, in bytes; a real one has a few hundred.
pub(super) const BODY_BYTES: usize = 64 * 1024;
/// A longer body is read up to this many bytes before it is refused.
const DRAINED_BYTES: usize = 4 * 1024 * 1024;
/// Longest namespace, in bytes (a DNS label).
const NAMESPACE_BYTES: usize = 63;
/// Longest class, user, group or value, in bytes.
const TEXT_BYTES: usize = 1024;
/// Most groups, and most values.
const ENTRIES: usize = 256;

/// Reads a body. One that is too long is refused after reading on for a while: a client that is still sending would see a broken
/// connection instead of the answer.
pub(super) async fn read(body: Body) -> Result<Vec<u8>> {
    let (mut chunks, mut content, mut length) = (body.into_data_stream(), Vec::new(), 0);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk
            .map_err(|error| ApiError::bad_request(format!("failed to read the body: {error}")))?;
        length += chunk.len();
        if length > DRAINED_BYTES {
            break;
        }
        if length <= BODY_BYTES {
            content.extend_from_slice(&chunk);
        }
    }
    if length > BODY_BYTES {
        Err(ApiError::too_large(BODY_BYTES))
    } else {
        Ok(content)
    }
}

/// Parses a request and checks its lengths.
///
/// # Errors
/// `BadRequest` if it is not a request, or a field is empty or too long.
pub(super) fn parse(body: &[u8]) -> Result<IdentityRequest> {
    let request: IdentityRequest = serde_json::from_slice(body).map_err(|error| {
        ApiError::bad_request(format!(
            "the body is not a request for an identity: {error}"
        ))
    })?;
    check(&request).map_err(ApiError::bad_request)?;
    Ok(request)
}

fn check(request: &IdentityRequest) -> Result<(), String> {
    let IdentityRequest {
        namespace,
        class,
        user,
        groups,
        values,
    } = request;
    let is_legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let length_ok = (1..=NAMESPACE_BYTES).contains(&namespace.len());
    if !length_ok || !namespace.bytes().all(is_legal) {
        return Err(format!(
            "namespace {namespace:?} is not the name of a namespace"
        ));
    }
    let texts = [("class", class), ("user", user)].into_iter();
    let texts = texts.chain(groups.iter().map(|group| ("groups", group)));
    let texts = texts.chain(values.values().map(|value| ("values", value)));
    for (key, text) in texts {
        if text.is_empty() || text.len() > TEXT_BYTES {
            let length = text.len();
            return Err(format!(
                "{key}: must have 1 to {TEXT_BYTES} bytes, has {length}"
            ));
        }
    }
    if groups.len() > ENTRIES || values.len() > ENTRIES {
        return Err(format!("groups and values may have {ENTRIES} entries each"));
    }
    Ok(())
}
