//! JSON bodies that the object store reads as well.

use serde_json::Value;

use crate::api::errors::ApiError;

/// Refuses keys that the object store, which ignores case, would read as other keys.
///
/// # Errors
/// 400.
pub(crate) fn check_keys(object: &Value) -> Result<(), ApiError> {
    let known = ["name", "bucket", "sourceObjects"];
    let Some(fields) = object.as_object() else {
        return Err(ApiError::storage(
            400,
            "parseError",
            "Parse Error: not an object",
        ));
    };
    let is_ambiguous = |key: &&String| {
        !key.is_ascii()
            || known
                .iter()
                .any(|name| name.eq_ignore_ascii_case(key) && name != key)
    };
    match fields.keys().find(is_ambiguous) {
        Some(key) => Err(ApiError::storage(
            400,
            "invalid",
            format!("Unknown field \"{key}\""),
        )),
        None => Ok(()),
    }
}
