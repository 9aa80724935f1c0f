//! The keys that sign stamps, in their own Secret.

use std::fmt;

use data_encoding::HEXLOWER;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use namesake_api::names::{CURRENT_KEY_ANNOTATION, STAMP_KEY_SECRET};
use ring::rand::{SecureRandom, SystemRandom};

use crate::{Error, secrets};

const KEY_BYTES: usize = 32;
const MAX_ID_BYTES: usize = 32;
const REMEDY: &str = "restore it, or delete the secret and restart the webhook: it creates a new key, and every stamp \
                      signed before becomes void";

/// All keys that verify stamps, and which of them signs.
#[derive(Clone)]
pub struct StampKeys {
    /// Id of the signing key; always one of `keys`.
    pub current: String,
    /// Id (1 to 32 characters of `a-z`, `0-9`, `-`) and 32 bytes of each key, sorted by id.
    pub keys: Vec<(String, Vec<u8>)>,
}

impl fmt::Debug for StampKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.keys.iter().map(|(id, _)| id).collect();
        f.debug_struct("StampKeys")
            .field("current", &self.current)
            .field("ids", &ids)
            .finish_non_exhaustive()
    }
}

/// Reads the Secret of stamp keys in `namespace`, or creates it with one key.
///
/// # Errors
/// The API server refuses, or the Secret is invalid; the message says what to do.
pub async fn ensure_stamp_keys(client: &Client, namespace: &str) -> Result<StampKeys, Error> {
    let secret =
        secrets::get_or_create(client, namespace, STAMP_KEY_SECRET, || generate(namespace)).await?;
    read(&secret, namespace)
}

fn generate(namespace: &str) -> Result<Secret, Error> {
    let random = SystemRandom::new();
    let (mut id, mut key) = ([0; 4], [0; KEY_BYTES]);
    random.fill(&mut id).map_err(|_| Error::Random)?;
    random.fill(&mut key).map_err(|_| Error::Random)?;
    let id = HEXLOWER.encode(&id);
    let current = (CURRENT_KEY_ANNOTATION.to_owned(), id.clone());
    let mut secret = secrets::new(namespace, STAMP_KEY_SECRET, [(id, key.to_vec())]);
    secret.metadata.annotations = Some([current].into());
    Ok(secret)
}

fn read(secret: &Secret, namespace: &str) -> Result<StampKeys, Error> {
    let broken = |key: &str, problem: String| Error::BrokenSecret {
        namespace: namespace.to_owned(),
        name: STAMP_KEY_SECRET,
        key: key.to_owned(),
        problem,
        remedy: REMEDY,
    };
    let mut keys = Vec::new();
    for (id, key) in secret.data.iter().flatten() {
        if !is_id(id) {
            return Err(broken(
                id,
                format!("a key's id must be 1 to {MAX_ID_BYTES} characters of a-z, 0-9 and -"),
            ));
        }
        if key.0.len() != KEY_BYTES {
            return Err(broken(
                id,
                format!("has {} bytes, not {KEY_BYTES}", key.0.len()),
            ));
        }
        keys.push((id.clone(), key.0.clone()));
    }
    let annotations = secret.metadata.annotations.as_ref();
    let Some(current) = annotations.and_then(|a| a.get(CURRENT_KEY_ANNOTATION)) else {
        return Err(broken(
            CURRENT_KEY_ANNOTATION,
            "the annotation is missing".to_owned(),
        ));
    };
    if !keys.iter().any(|(id, _)| id == current) {
        return Err(broken(
            CURRENT_KEY_ANNOTATION,
            format!("the annotation names {current:?}, which is not a key of the secret"),
        ));
    }
    Ok(StampKeys {
        current: current.clone(),
        keys,
    })
}

fn is_id(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    #[test]
    fn a_new_secret_has_one_key_which_signs() {
        let keys = read(&generate("n").unwrap(), "n").unwrap();
        assert_eq!(keys.keys.len(), 1);
        assert_eq!(keys.keys[0].0, keys.current);
        let other = read(&generate("n").unwrap(), "n").unwrap();
        assert_ne!(keys.keys[0].1, other.keys[0].1);
    }

    #[test]
    fn all_keys_of_the_secret_are_read() {
        let mut secret = generate("n").unwrap();
        let old = ByteString(vec![7; 32]);
        secret.data.as_mut().unwrap().insert("2025".to_owned(), old);
        let keys = read(&secret, "n").unwrap();
        assert!(keys.keys.contains(&("2025".to_owned(), vec![7; 32])));
        assert_eq!(keys.keys.len(), 2);
    }

    #[test]
    fn the_error_for_an_invalid_secret_says_what_is_wrong_and_shows_no_key() {
        let with = |id: &str, bytes: usize| {
            let mut secret = generate("n").unwrap();
            let key = ByteString(vec![b'K'; bytes]);
            secret.data.as_mut().unwrap().insert(id.to_owned(), key);
            secret
        };
        let mut unnamed = generate("n").unwrap();
        unnamed.metadata.annotations = None;
        let mut gone = generate("n").unwrap();
        gone.data = None;
        for (secret, problem) in [
            (with("a.b", 32), "a key's id must be"),
            (with("short", 31), "has 31 bytes, not 32"),
            (unnamed, "the annotation is missing"),
            (gone, "is not a key of the secret"),
        ] {
            let error = read(&secret, "namesake-system").unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
            assert!(
                error.contains("namesake-system/namesake-stamp-key"),
                "{error}"
            );
            assert!(!error.contains("KKK"), "{error}");
        }
    }

    #[test]
    fn debug_output_shows_no_key() {
        let mut secret = generate("n").unwrap();
        secret
            .data
            .as_mut()
            .unwrap()
            .insert("x".to_owned(), ByteString(vec![b'K'; 32]));
        let text = format!("{:?}", read(&secret, "n").unwrap());
        assert!(text.contains('x') && !text.contains("75, 75"), "{text}");
    }
}
