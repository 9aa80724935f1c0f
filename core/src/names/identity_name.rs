//! Names of identities: one name for KSA, GSA and `Identity`, derived from what the identity is for.

use std::{collections::BTreeMap, fmt};

use data_encoding::BASE32_NOPAD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Per;

/// Beginning of every generated name.
const PREFIX: &str = "mf-";
/// Longest readable part, in characters.
const SLUG_LENGTH: usize = 12;
/// Length of the hash in base32 characters: 70 bits. Among ten million users, a collision has a probability of 4e-8.
const HASH_LENGTH: usize = 14;
/// The readable part of a name if its value has no character that is allowed there.
const FALLBACK_SLUG: &str = "id";
/// Part of what is hashed. Another way of hashing would need another version.
const HASH_VERSION: &str = "namesake/name/v1";

/// Regular expression of all generated names, the same as [`is_managed_name`], for policies in the API server.
pub const MANAGED_NAME_PATTERN: &str = "^mf-[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?-[a-z2-7]{14}$";

/// The name of an identity: at most 30 characters of `[a-z]([-a-z0-9]*[a-z0-9])`, legal for a KSA, a GSA and a label value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct IdentityName(String);

impl IdentityName {
    /// `mf-` + slug + `-` + hash. The hash covers every field with its length, so that different fields never give the same
    /// input; the slug is for people only.
    #[must_use]
    pub fn derive(
        stack: &str,
        cluster: &str,
        namespace: &str,
        class: &str,
        values: &BTreeMap<Per, String>,
    ) -> IdentityName {
        let mut hash = Sha256::new();
        let mut field = |text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        };
        [HASH_VERSION, stack, cluster, namespace, class]
            .into_iter()
            .for_each(&mut field);
        for (per, value) in values {
            field(per.as_str());
            field(value);
        }
        let mut encoded = BASE32_NOPAD.encode(&hash.finalize()).to_ascii_lowercase();
        encoded.truncate(HASH_LENGTH);
        let readable = values.first_key_value().map_or("", |(_, value)| value);
        IdentityName(format!("{PREFIX}{}-{encoded}", slug(readable)))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What replaces `{key}` in a grant: slug and hash, without the prefix. As unique as the name.
    #[must_use]
    pub fn key(&self) -> &str {
        self.0.strip_prefix(PREFIX).unwrap_or(&self.0)
    }
}

impl fmt::Display for IdentityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a name is reserved for identities. Every derived name is, and nothing else is allowed to have such a name.
#[must_use]
pub fn is_managed_name(name: &str) -> bool {
    let Some((slug, hash)) = name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.rsplit_once('-'))
    else {
        return false;
    };
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=SLUG_LENGTH).contains(&slug.len())
        && slug.bytes().all(inner)
        && !slug.starts_with('-')
        && !slug.ends_with('-')
        && hash.len() == HASH_LENGTH
        && hash
            .bytes()
            .all(|b| b.is_ascii_lowercase() || matches!(b, b'2'..=b'7'))
}

/// The readable part: the local part of an e-mail address in lower case, with one hyphen for any characters that are not allowed.
fn slug(value: &str) -> String {
    let local = value.split('@').next().unwrap_or_default();
    let words = local
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let mut slug = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
    slug.truncate(SLUG_LENGTH);
    match slug.trim_end_matches('-') {
        "" => FALLBACK_SLUG.to_owned(),
        slug => slug.to_owned(),
    }
}

#[cfg(test)]
mod tests;
