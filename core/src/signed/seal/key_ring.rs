//! The keys that sign and verify.

use std::{collections::BTreeMap, fmt};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Purpose;
use crate::names::quoted;

/// Shortest key, in bytes: as long as the hash.
pub const MIN_KEY_BYTES: usize = 32;

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

    /// The MAC with the key of this id, if there is one.
    pub(super) fn mac(
        &self,
        id: &str,
        purpose: Purpose,
        epoch: &str,
        payload: &[u8],
    ) -> Option<Hmac<Sha256>> {
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

pub(super) fn is_key_id(id: &str) -> bool {
    (1..=63).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}
