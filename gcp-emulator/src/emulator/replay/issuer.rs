//! The cluster of a replay: signs tokens of Kubernetes service accounts with a key of its own.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

const LIFETIME: Duration = Duration::from_secs(3_600);
/// The length of a coordinate of the public key.
const COORDINATE: usize = 32;
const KEY_ID: &str = "replay";

/// A Kubernetes service account.
pub(super) struct Ksa<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) uid: &'a str,
}

/// A key, and the issuer's URL.
pub(super) struct Issuer {
    key: EcdsaKeyPair,
    random: SystemRandom,
    url: String,
}

impl Issuer {
    /// An issuer with a new key.
    ///
    /// # Errors
    /// There is no randomness.
    pub(super) fn new(url: &str) -> Result<Self, String> {
        let random = SystemRandom::new();
        let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = EcdsaKeyPair::generate_pkcs8(kind, &random).map_err(|error| error.to_string())?;
        let key = EcdsaKeyPair::from_pkcs8(kind, key.as_ref(), &random)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            key,
            random,
            url: url.to_owned(),
        })
    }

    /// The public key, as the API server publishes it.
    pub(super) fn jwks(&self) -> Value {
        // The first byte says that the point is not compressed.
        let point = self.key.public_key().as_ref().get(1..).unwrap_or_default();
        let (x, y) = point.split_at(COORDINATE.min(point.len()));
        let [x, y] = [x, y].map(|part| BASE64URL_NOPAD.encode(part));
        json!({"keys": [{"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": KEY_ID, "x": x, "y": y}]})
    }

    /// A token of `ksa`; with a wrong signature if it is not `sound`.
    pub(super) fn token(&self, ksa: &Ksa<'_>, audience: &str, sound: bool) -> String {
        let now = Timestamp::now().as_second();
        let lifetime = i64::try_from(LIFETIME.as_secs()).unwrap_or_default();
        let claims = json!({
            "aud": [audience], "iss": self.url, "iat": now, "nbf": now, "exp": now + lifetime,
            "kubernetes.io": {"namespace": ksa.namespace, "serviceaccount": {"name": ksa.name, "uid": ksa.uid}},
            "sub": format!("system:serviceaccount:{}:{}", ksa.namespace, ksa.name),
        });
        let header = json!({"alg": "ES256", "kid": KEY_ID});
        let [header, claims] =
            [header, claims].map(|part| BASE64URL_NOPAD.encode(part.to_string().as_bytes()));
        let signed = format!("{header}.{claims}");
        let other = if sound { "" } else { "not what is sent" };
        let signature = self
            .key
            .sign(&self.random, format!("{signed}{other}").as_bytes());
        // Without randomness there is no signature, and the exchange is refused.
        let signature = signature.map(|it| BASE64URL_NOPAD.encode(it.as_ref()));
        format!("{signed}.{}", signature.unwrap_or_default())
    }
}
