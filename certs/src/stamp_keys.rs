//! The keys that stamps are signed with, in a Secret of their own.

use std::fmt;

use data_encoding::HEXLOWER;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::ObjectMeta;
use namesake_api::names::{CURRENT_KEY_ANNOTATION, MANAGED_BY, MANAGED_BY_VALUE, STAMP_KEY_SECRET};
use ring::rand::{SecureRandom, SystemRandom};

use crate::{Error, secrets};

const KEY_BYTES: usize = 32;
const ID_BYTES: usize = 32;
const REMEDY: &str = "restore it, or delete the secret and restart the webhook: a new key is made, and every stamp \
                      signed before is void";

/// Every key that verifies, and which one signs.
#[derive(Clone)]
pub struct StampKeys {
    /// Id of the key that signs; always one of `keys`.
    pub current: String,
    /// Id (1 to 32 of `a-z`, `0-9`, `-`) and 32 bytes of every key, sorted by id.
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

/// Reads the Secret of stamp keys in `namespace`, or makes it with one key.
///
/// # Errors
/// When the API server refuses, or the Secret is broken; the message says what to do.
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
    Ok(Secret {
        metadata: ObjectMeta {
            name: Some(STAMP_KEY_SECRET.to_owned()),
            namespace: Some(namespace.to_owned()),
            labels: Some([(MANAGED_BY.to_owned(), MANAGED_BY_VALUE.to_owned())].into()),
            annotations: Some([(CURRENT_KEY_ANNOTATION.to_owned(), id.clone())].into()),
            ..ObjectMeta::default()
        },
        data: Some([(id, ByteString(key.to_vec()))].into()),
        ..Secret::default()
    })
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
                format!("a key's id is 1 to {ID_BYTES} of a-z, 0-9 and -"),
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
            format!("the annotation names {current:?}, and there is no such key"),
        ));
    }
    Ok(StampKeys {
        current: current.clone(),
        keys,
    })
}

fn is_id(id: &str) -> bool {
    (1..=ID_BYTES).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_secret_reads_back_with_one_key_that_signs() {
        let keys = read(&generate("n").unwrap(), "n").unwrap();
        assert_eq!(keys.keys.len(), 1);
        assert_eq!(keys.keys[0].0, keys.current);
        let other = read(&generate("n").unwrap(), "n").unwrap();
        assert_ne!(keys.keys[0].1, other.keys[0].1);
    }

    #[test]
    fn every_key_of_the_secret_verifies() {
        let mut secret = generate("n").unwrap();
        let old = ByteString(vec![7; 32]);
        secret.data.as_mut().unwrap().insert("2025".to_owned(), old);
        let keys = read(&secret, "n").unwrap();
        assert!(keys.keys.contains(&("2025".to_owned(), vec![7; 32])));
        assert_eq!(keys.keys.len(), 2);
    }

    #[test]
    fn a_broken_secret_says_what_is_wrong_and_shows_no_key() {
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
            (with("a.b", 32), "a key's id is"),
            (with("short", 31), "has 31 bytes, not 32"),
            (unnamed, "the annotation is missing"),
            (gone, "there is no such key"),
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
    fn nothing_prints_a_key() {
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
