//! Why sealed text is not valid, and the comparisons of what was signed.

use super::MAX_SEALED_BYTES;
use crate::names::quoted;

/// Why sealed text is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// More than [`MAX_SEALED_BYTES`].
    #[error("it has {0} bytes, and at most {MAX_SEALED_BYTES} are read")]
    TooLong(usize),
    /// Not of the form `v2.KEY_ID.EPOCH.PAYLOAD.MAC`.
    #[error("it is not of the form v2.KEY_ID.EPOCH.PAYLOAD.MAC")]
    Malformed,
    /// Signed with a key that is not in the ring.
    #[error("it was signed with key {0}, which is unknown")]
    UnknownKey(String),
    /// The MAC does not match: others wrote or changed the text, or it was signed for another purpose.
    #[error("its signature does not match")]
    Forged,
    /// Its signature is valid, but this version cannot read the payload.
    #[error("it was signed by a version of Namesake that this one does not understand")]
    Payload,
    /// It was signed in another epoch of the namespace. Between the two, nothing recorded who wrote what.
    #[error("it is from before the namespace was last opted in")]
    Epoch,
    /// It was signed for something else.
    #[error(
        "it was signed for {field} {}, and this is {}",
        quoted(signed),
        quoted(seen)
    )]
    Differs {
        /// What differs: `stack`, `namespace`, `kind`, `name`, `uid`, `requester`, `credential`, `owner`, `service account`.
        field: &'static str,
        /// What was signed.
        signed: String,
        /// What was compared with it.
        seen: String,
    },
    /// It was signed too long before or after the time for which it is valid.
    #[error(
        "it was signed at {signed} and is for {seen} in Unix seconds, which differ by more than {tolerance}"
    )]
    Time {
        /// When it was signed, in Unix seconds.
        signed: i64,
        /// The time for which it is valid, in Unix seconds.
        seen: i64,
        /// The largest difference that is allowed, in seconds.
        tolerance: u64,
    },
}

/// The signed and the present value of a field must be equal.
pub(in crate::signed) fn check_same(
    field: &'static str,
    signed: &str,
    seen: &str,
) -> Result<(), SealError> {
    if signed == seen {
        return Ok(());
    }
    Err(SealError::Differs {
        field,
        signed: signed.to_owned(),
        seen: seen.to_owned(),
    })
}

/// The time of signing must be within `tolerance` seconds of the time for which it is valid.
pub(in crate::signed) fn check_near(
    signed: i64,
    seen: i64,
    tolerance: u64,
) -> Result<(), SealError> {
    if signed.abs_diff(seen) <= tolerance {
        Ok(())
    } else {
        Err(SealError::Time {
            signed,
            seen,
            tolerance,
        })
    }
}
