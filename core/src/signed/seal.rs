//! Seals: signed text in annotations. `v2.KEY_ID.EPOCH.PAYLOAD.MAC`, payload and MAC in base64url.
//!
//! The epoch is a random text that the object's namespace got when it was opted in; it is empty for an object in no namespace.
//! It is outside the payload so that an admission policy can compare it with the namespace.
//!
//! The MAC is HMAC-SHA256 over a tag for the purpose, key id and epoch (each after its length), and the payload's bytes. The
//! payload is parsed only after the MAC has been verified, from exactly the bytes that were signed.

use data_encoding::BASE64URL_NOPAD;
use hmac::Mac;
use serde::{Serialize, de::DeserializeOwned};

use crate::names::quoted;

mod error;
mod key_ring;

pub use error::SealError;
pub use key_ring::{KeyRing, KeyRingError, MIN_KEY_BYTES};

pub(super) use error::{check_near, check_same};
use key_ring::is_key_id;

/// Longest sealed text that is read, in bytes. The longest that is signed is shorter.
pub const MAX_SEALED_BYTES: usize = 24 * 1024;
/// Shortest epoch, in bytes: too long to be guessed.
const MIN_EPOCH_BYTES: usize = 16;
const VERSION: &str = "v2";

/// What a seal is for. A seal for one purpose is not valid for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Stamp,
    Resolution,
}

impl Purpose {
    /// No tag is a prefix of another.
    fn tag(self) -> &'static [u8] {
        match self {
            Purpose::Stamp => b"namesake/stamp/v2\0",
            Purpose::Resolution => b"namesake/resolution/v2\0",
        }
    }
}

/// Reads sealed text without verifying it: for people to read, never evidence.
pub(super) fn read_unverified<T: DeserializeOwned>(text: &str) -> Option<T> {
    if text.len() > MAX_SEALED_BYTES {
        return None;
    }
    let payload = text.split('.').nth(3)?;
    let payload = BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?;
    serde_json::from_slice(&payload).ok()
}

impl KeyRing {
    /// The key id in sealed text, which is not verified.
    #[must_use]
    pub fn id_in(text: &str) -> Option<&str> {
        text.strip_prefix(VERSION)?
            .strip_prefix('.')?
            .split('.')
            .next()
    }

    /// Signs a payload. The epoch must not contain a dot: see [`is_epoch`].
    pub(crate) fn seal<T: Serialize>(&self, purpose: Purpose, epoch: &str, payload: &T) -> String {
        #[expect(
            clippy::expect_used,
            reason = "stamps and resolutions contain only strings and numbers, which always serialize"
        )]
        let payload = serde_json::to_vec(payload).expect("plain data serializes as JSON");
        #[expect(
            clippy::expect_used,
            reason = "`new` returns no ring without its current key, and keys are never removed"
        )]
        let mac = self
            .mac(self.current(), purpose, epoch, &payload)
            .expect("the current key is in the ring");
        let (payload, mac) = (
            BASE64URL_NOPAD.encode(&payload),
            BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()),
        );
        format!("{VERSION}.{}.{epoch}.{payload}.{mac}", self.current())
    }

    /// Verifies sealed text and reads its payload, which must be signed for this purpose in this epoch.
    pub(crate) fn open<T: DeserializeOwned>(
        &self,
        purpose: Purpose,
        epoch: &str,
        text: &str,
    ) -> Result<T, SealError> {
        if text.len() > MAX_SEALED_BYTES {
            return Err(SealError::TooLong(text.len()));
        }
        let parts: Vec<&str> = text.splitn(6, '.').collect();
        let [VERSION, id, signed_in, payload, mac] = parts[..] else {
            return Err(SealError::Malformed);
        };
        let decode = |part: &str| {
            BASE64URL_NOPAD
                .decode(part.as_bytes())
                .map_err(|_| SealError::Malformed)
        };
        let (payload, signature) = (decode(payload)?, decode(mac)?);
        let mac = self
            .mac(id, purpose, signed_in, &payload)
            .ok_or_else(|| SealError::UnknownKey(quoted(id)))?;
        mac.verify_slice(&signature)
            .map_err(|_| SealError::Forged)?;
        if signed_in != epoch {
            return Err(SealError::Epoch);
        }
        serde_json::from_slice(&payload).map_err(|_| SealError::Payload)
    }
}

/// Whether a text can be an epoch: 16 to 63 letters, digits, hyphens and underscores.
#[must_use]
pub fn is_epoch(text: &str) -> bool {
    text.len() >= MIN_EPOCH_BYTES && is_key_id(text)
}

#[cfg(test)]
mod tests;
