//! Page sizes of lists.

use crate::api::errors::ApiError;

/// The page size that a query asks for: `default` if it asks for none or for 0, at most `max`.
///
/// # Errors
/// 400 for a text that is not a number.
pub(crate) fn page_size(text: Option<&str>, default: usize, max: usize) -> Result<usize, ApiError> {
    match text.map(str::parse::<usize>) {
        None | Some(Ok(0)) => Ok(default),
        Some(Ok(size)) => Ok(size.min(max)),
        Some(Err(_)) => Err(ApiError::invalid(
            "Invalid value at 'page_size' (TYPE_INT32).",
        )),
    }
}
