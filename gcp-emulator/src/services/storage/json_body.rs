//! JSON bodies that the object store reads too.

use serde_json::Value;

use crate::api::errors::ApiError;

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
