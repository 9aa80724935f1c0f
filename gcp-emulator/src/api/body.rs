//! Reads the body of a request.

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};

use crate::api::errors::ApiError;

/// API requests are small: a body of more bytes than this is refused.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// The whole body.
///
/// # Errors
/// 400 if it is larger than 8 MiB or the connection ends early.
pub(crate) async fn read_body(body: Body) -> Result<Bytes, ApiError> {
    match Limited::new(body, MAX_BYTES).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => Err(ApiError::invalid(format!(
            "Request payload cannot be read: {error}."
        ))),
    }
}
