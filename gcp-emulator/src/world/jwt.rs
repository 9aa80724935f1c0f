//! Subject tokens (JWTs): claims, and signatures with RS256 or ES256.

use std::collections::HashMap;

use data_encoding::BASE64URL_NOPAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;

/// The public keys of an issuer, by key id.
#[derive(Debug, Default)]
pub(crate) struct Keys(HashMap<String, Key>);

#[derive(Debug)]
enum Key {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// Uncompressed point on P-256.
    P256(Vec<u8>),
}

/// The claims that STS reads.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) sub: String,
    aud: Audience,
    pub(crate) exp: i64,
    pub(crate) iat: i64,
    #[serde(default)]
    pub(crate) nbf: Option<i64>,
    #[serde(default, rename = "kubernetes.io")]
    pub(crate) kubernetes: Option<Kubernetes>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// The `kubernetes.io` claim of a bound service account token.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Kubernetes {
    pub(crate) namespace: String,
    pub(crate) serviceaccount: Reference,
}

/// A reference to an object: name and uid.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Reference {
    pub(crate) name: String,
    pub(crate) uid: String,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

impl Claims {
    /// The audiences.
    pub(crate) fn audiences(&self) -> &[String] {
        match &self.aud {
            Audience::One(one) => std::slice::from_ref(one),
            Audience::Many(many) => many,
        }
    }
}

impl Keys {
    /// Reads a JSON Web Key Set, given as an object or as its text.
    ///
    /// # Errors
    /// Which key is invalid, and why. Keys of other types are ignored, but a set without a usable key is an error.
    pub(crate) fn parse(jwks: &Value) -> Result<Self, String> {
        let parsed;
        let jwks = match jwks {
            Value::String(text) => {
                parsed = serde_json::from_str(text).map_err(|error| error.to_string())?;
                &parsed
            }
            other => other,
        };
        let list: &Vec<Value> = jwks
            .get("keys")
            .and_then(Value::as_array)
            .ok_or("no list \"keys\"")?;
        let mut keys = HashMap::new();
        for (index, jwk) in list.iter().enumerate() {
            let kid = jwk.get("kid").and_then(Value::as_str);
            let kid = kid.ok_or_else(|| format!("keys[{index}]: no \"kid\""))?;
            if let Some(key) = Key::parse(jwk).map_err(|error| format!("keys[{index}]: {error}"))? {
                keys.insert(kid.to_owned(), key);
            }
        }
        match keys.is_empty() {
            true => Err("no RSA or P-256 key".to_owned()),
            false => Ok(Self(keys)),
        }
    }

    /// Whether `token` is signed by one of the keys.
    ///
    /// # Errors
    /// Google's message for a token whose signature is not valid.
    pub(crate) fn verify(&self, token: &str) -> Result<(), String> {
        let (signed, signature) = token.rsplit_once('.').ok_or("The ID Token is malformed.")?;
        let header: Header = decode(signed.split('.').next().unwrap_or_default())?;
        let signature = BASE64URL_NOPAD
            .decode(signature.as_bytes())
            .map_err(|_| "The ID Token is malformed.")?;
        // For a key that is not in the set, Google reports that it cannot get the keys from the issuer.
        let key = header.kid.and_then(|kid| self.0.get(&kid));
        let key = key.ok_or("Error connecting to the given credential's issuer.")?;
        match key.verify(&header.alg, signed.as_bytes(), &signature) {
            true => Ok(()),
            false => Err("The ID Token's signature is invalid.".to_owned()),
        }
    }
}

impl Key {
    fn parse(jwk: &Value) -> Result<Option<Self>, String> {
        let part = |name: &str| -> Result<Vec<u8>, String> {
            let text = jwk
                .get(name)
                .and_then(Value::as_str)
                .ok_or(format!("no \"{name}\""))?;
            BASE64URL_NOPAD
                .decode(text.trim_end_matches('=').as_bytes())
                .map_err(|error| format!("\"{name}\": {error}"))
        };
        match jwk.get("kty").and_then(Value::as_str) {
            Some("RSA") => Ok(Some(Self::Rsa {
                n: part("n")?,
                e: part("e")?,
            })),
            Some("EC") if jwk.get("crv").and_then(Value::as_str) == Some("P-256") => {
                Ok(Some(Self::P256([vec![4], part("x")?, part("y")?].concat())))
            }
            _ => Ok(None),
        }
    }

    fn verify(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        match (self, algorithm) {
            (Self::Rsa { n, e }, "RS256") => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
            (Self::P256(point), "ES256") => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(message, signature)
                .is_ok(),
            _ => false,
        }
    }
}

/// The claims of a token, unverified: the caller must verify the signature with the keys of the issuer.
///
/// # Errors
/// The token is malformed.
pub(crate) fn claims(token: &str) -> Result<Claims, String> {
    let mut parts = token.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(_), Some(payload), Some(_), None) => decode(payload),
        _ => Err("The ID Token is malformed.".to_owned()),
    }
}

fn decode<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, String> {
    let malformed = || "The ID Token is malformed.".to_owned();
    let bytes = BASE64URL_NOPAD
        .decode(part.as_bytes())
        .map_err(|_| malformed())?;
    serde_json::from_slice(&bytes).map_err(|_| malformed())
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_p256_signature_is_valid_for_its_text_and_key_id_only() {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random)
            .unwrap();
        let point = key.public_key().as_ref();
        let (x, y) = (
            BASE64URL_NOPAD.encode(&point[1..33]),
            BASE64URL_NOPAD.encode(&point[33..]),
        );
        let jwks = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "e1", "x": x, "y": y}]});
        let keys = Keys::parse(&json!(jwks.to_string())).unwrap();
        let sign = |header: Value| {
            let text = format!(
                "{}.e30",
                BASE64URL_NOPAD.encode(header.to_string().as_bytes())
            );
            let signature = key.sign(&random, text.as_bytes()).unwrap();
            format!("{text}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
        };
        let good = sign(json!({"alg": "ES256", "kid": "e1"}));
        assert_eq!(keys.verify(&good), Ok(()));
        assert!(keys.verify(&good.replacen(".e30.", ".e31.", 1)).is_err());
        assert!(
            keys.verify(&sign(json!({"alg": "none", "kid": "e1"})))
                .is_err()
        );
        for header in [
            json!({"alg": "ES256"}),
            json!({"alg": "ES256", "kid": "e2"}),
        ] {
            assert!(keys.verify(&sign(header)).unwrap_err().contains("issuer"));
        }
    }

    #[test]
    fn the_error_for_an_invalid_key_set_says_what_is_wrong() {
        for (jwks, words) in [
            (json!({}), "no list \"keys\""),
            (json!({"keys": []}), "no RSA or P-256 key"),
            (json!({"keys": [{"kty": "RSA"}]}), "keys[0]: no \"kid\""),
            (
                json!({"keys": [{"kty": "RSA", "kid": "1", "n": "!", "e": "AQAB"}]}),
                "keys[0]: \"n\"",
            ),
            (json!("text"), "expected"),
        ] {
            let error = Keys::parse(&jwks).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
