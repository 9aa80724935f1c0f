//! Seals: signed text in annotations. `v2.KEY_ID.EPOCH.PAYLOAD.MAC`, payload and MAC in base64url.
//!
//! The epoch is a random text that the object's namespace got when it was opted in; it is empty for an object in no namespace.
//! It is outside the payload so that an admission policy can compare it with the namespace.
//!
//! The MAC is HMAC-SHA256 over a tag for the purpose, key id and epoch (each after its length), and the payload's bytes. The
//! payload is parsed only after the MAC has been verified, from exactly the bytes that were signed.

use std::{collections::BTreeMap, fmt};

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Serialize, de::DeserializeOwned};
use sha2::Sha256;

use crate::names::quoted;

/// Longest sealed text that is read, in bytes. The longest that is signed is shorter.
pub const MAX_SEALED_BYTES: usize = 24 * 1024;
/// Shortest key, in bytes: as long as the hash.
pub const MIN_KEY_BYTES: usize = 32;
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

/// The keys. One signs and all verify, so that what an older key signed stays valid.
#[derive(Clone)]
pub struct KeyRing {
    current: String,
    keys: BTreeMap<String, Hmac<Sha256>>,
}

/// Why keys are not a key ring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// The signing key is missing.
    #[error("the current key {0} is not among the keys: name one that is")]
    CurrentMissing(String),
    /// An id is empty, longer than 63 bytes, or has other characters than letters, digits, `-` and `_`.
    #[error("key id {0} is not legal: use at most 63 letters, digits, hyphens and underscores")]
    Id(String),
    /// Fewer than [`MIN_KEY_BYTES`].
    #[error("key {id} has {bytes} bytes: at least {MIN_KEY_BYTES} are needed")]
    TooShort {
        /// Id of the key.
        id: String,
        /// Its length.
        bytes: usize,
    },
}

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
    /// A ring of keys by id; `current` is the id of the one that signs.
    ///
    /// # Errors
    /// An id is not legal, a key is too short, or the current key is missing.
    pub fn new<I, K>(current: &str, keys: I) -> Result<KeyRing, KeyRingError>
    where
        I: IntoIterator<Item = (String, K)>,
        K: AsRef<[u8]>,
    {
        let mut ring = BTreeMap::new();
        for (id, key) in keys {
            let key = key.as_ref();
            if !is_key_id(&id) {
                return Err(KeyRingError::Id(quoted(&id)));
            }
            let bytes = key.len();
            match Hmac::new_from_slice(key) {
                Ok(mac) if bytes >= MIN_KEY_BYTES => ring.insert(id, mac),
                _ => return Err(KeyRingError::TooShort { id, bytes }),
            };
        }
        if !ring.contains_key(current) {
            return Err(KeyRingError::CurrentMissing(quoted(current)));
        }
        Ok(KeyRing {
            current: current.to_owned(),
            keys: ring,
        })
    }

    /// The id of the key that signs.
    #[must_use]
    pub fn current(&self) -> &str {
        &self.current
    }

    /// The ids of all keys, sorted.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

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
            .mac(&self.current, purpose, epoch, &payload)
            .expect("the current key is in the ring");
        let (payload, mac) = (
            BASE64URL_NOPAD.encode(&payload),
            BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()),
        );
        format!("{VERSION}.{}.{epoch}.{payload}.{mac}", self.current)
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
        let mut parts = text.split('.');
        let (Some(VERSION), Some(id), Some(signed_in), Some(payload), Some(mac), None) = (
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        ) else {
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

    fn mac(&self, id: &str, purpose: Purpose, epoch: &str, payload: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = self.keys.get(id)?.clone();
        mac.update(purpose.tag());
        for text in [id, epoch] {
            mac.update(&(text.len() as u64).to_be_bytes());
            mac.update(text.as_bytes());
        }
        mac.update(payload);
        Some(mac)
    }
}

/// Shows the ids only, never a key.
impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&String> = self.keys.keys().collect();
        f.debug_struct("KeyRing")
            .field("current", &self.current)
            .field("ids", &ids)
            .finish_non_exhaustive()
    }
}

/// Whether a text can be an epoch: 16 to 63 letters, digits, hyphens and underscores.
#[must_use]
pub fn is_epoch(text: &str) -> bool {
    text.len() >= MIN_EPOCH_BYTES && is_key_id(text)
}

fn is_key_id(id: &str) -> bool {
    (1..=63).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// The signed and the present value of a field must be equal.
pub(super) fn check_same(field: &'static str, signed: &str, seen: &str) -> Result<(), SealError> {
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
pub(super) fn check_near(signed: i64, seen: i64, tolerance: u64) -> Result<(), SealError> {
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

#[cfg(test)]
mod tests;
