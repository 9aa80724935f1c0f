//! The signing key of all accounts. It is public: a signature proves nothing outside of tests.

use std::sync::OnceLock;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ring::rsa::PublicKeyComponents;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::api::errors::ApiError;

/// The private key, in PKCS #8.
const PRIVATE_KEY: &[u8] = include_bytes!("key.der");
/// A self-signed certificate of the key.
const CERTIFICATE: &str = include_str!("certificate.pem");

/// The signing key and its id.
pub(super) struct SigningKey {
    pair: RsaKeyPair,
    pub(super) id: String,
}

impl SigningKey {
    /// The key, which is parsed once.
    ///
    /// # Errors
    /// 500 if the key file is invalid.
    pub(super) fn get() -> Result<&'static Self, ApiError> {
        static KEY: OnceLock<Option<SigningKey>> = OnceLock::new();
        let key = KEY.get_or_init(|| {
            let pair = RsaKeyPair::from_pkcs8(PRIVATE_KEY).ok()?;
            let digest = Sha256::digest(pair.public().as_ref());
            let id = HEXLOWER.encode(digest.get(..20).unwrap_or_default());
            Some(SigningKey { pair, id })
        });
        key.as_ref()
            .ok_or_else(|| ApiError::internal("the signing key cannot be read"))
    }

    /// An RS256 signature.
    ///
    /// # Errors
    /// 500 if signing fails.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ApiError> {
        let mut signature = vec![0; self.pair.public().modulus_len()];
        let random = ring::rand::SystemRandom::new();
        self.pair
            .sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
            .map_err(|_| ApiError::internal("signing failed"))?;
        Ok(signature)
    }

    /// A JSON Web Token with these claims.
    ///
    /// # Errors
    /// 500 if signing fails.
    pub(super) fn token(&self, claims: &str) -> Result<String, ApiError> {
        let header = json!({"alg": "RS256", "kid": self.id, "typ": "JWT"}).to_string();
        let signed = format!(
            "{}.{}",
            BASE64URL_NOPAD.encode(header.as_bytes()),
            BASE64URL_NOPAD.encode(claims.as_bytes())
        );
        let signature = self.sign(signed.as_bytes())?;
        Ok(format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature)))
    }
}

/// The certificate by key id: `/oauth2/v1/certs`, and `/robot/v1/metadata/x509/{account}`.
///
/// # Errors
/// 500 if the key file is invalid.
pub(crate) fn certificates() -> Result<Value, ApiError> {
    let key = SigningKey::get()?;
    Ok(json!({&key.id: CERTIFICATE}))
}

/// The key as a JSON Web Key Set: `/oauth2/v3/certs`, and `/service_accounts/v1/jwk/{account}`.
///
/// # Errors
/// 500 if the key file is invalid.
pub(crate) fn json_web_keys() -> Result<Value, ApiError> {
    let key = SigningKey::get()?;
    let public = PublicKeyComponents::<Vec<u8>>::from(key.pair.public());
    Ok(json!({"keys": [{
        "use": "sig", "kty": "RSA", "alg": "RS256", "kid": key.id,
        "n": BASE64URL_NOPAD.encode(&public.n), "e": BASE64URL_NOPAD.encode(&public.e),
    }]}))
}
