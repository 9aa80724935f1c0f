//! Parses both versions of an object in a review in full: for the largest objects this is most of the cost.

use super::unreadable;
use crate::decide::kinds::Parts;
use crate::review::refused::Refused;
use crate::review::{self, Malformed};

/// The object of a review as it is, and as it would be. An absent version is empty.
#[derive(Debug, Default)]
pub(super) struct BothVersions<'b> {
    pub(super) old: Parts<'b>,
    pub(super) new: Parts<'b>,
}

/// Reads both versions.
///
/// # Errors
/// When the object cannot be parsed.
pub(super) fn read(body: &[u8]) -> Result<BothVersions<'_>, Refused> {
    let request = review::parse::<Parts<'_>>(body).map_err(|error| match error {
        Malformed::Json(error) => unreadable::refused("object", body, &error),
        other => Refused::bad_request(other.to_string()),
    })?;
    Ok(BothVersions {
        old: request.old_object.unwrap_or_default(),
        new: request.object.unwrap_or_default(),
    })
}
