//! A cluster's side: Kubernetes service accounts and the tokens that the API server signs for them.

use std::fmt::Write;

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use ring::rsa::PublicKeyComponents;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use super::{CLUSTER, POOL, SCOPE};

/// The request of an exchange as GKE sends it, in camel case.
pub(crate) fn exchange(subject: &str) -> Value {
    json!({
        "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": format!("identitynamespace:{POOL}:{CLUSTER}"),
        "scope": SCOPE,
        "requestedTokenType": "urn:ietf:params:oauth:token-type:access_token",
        "subjectTokenType": "urn:ietf:params:oauth:token-type:jwt",
        "subjectToken": subject,
    })
}

/// A Kubernetes service account.
#[derive(Clone, Debug)]
pub(crate) struct Ksa {
    pub(crate) namespace: &'static str,
    pub(crate) name: &'static str,
    pub(crate) uid: &'static str,
}

pub(crate) const ALICE: Ksa = Ksa {
    namespace: "research",
    name: "mf-alice",
    uid: "0a1b2c3d-0000-4000-8000-000000000001",
};

impl Ksa {
    /// Its member in the older form.
    pub(crate) fn member(&self) -> String {
        format!("serviceAccount:{POOL}[{}/{}]", self.namespace, self.name)
    }
}

/// Signs tokens as the API server of a cluster does.
pub(crate) struct Issuer {
    key: RsaKeyPair,
}

impl Issuer {
    pub(crate) fn new() -> Self {
        let key =
            RsaKeyPair::from_pkcs8(include_bytes!("../../../testdata/issuer-key.der")).unwrap();
        Self { key }
    }

    /// Another issuer with the same key id.
    pub(crate) fn stranger() -> Self {
        let key =
            RsaKeyPair::from_pkcs8(include_bytes!("../../../testdata/stranger-key.der")).unwrap();
        Self { key }
    }

    pub(crate) fn jwks(&self) -> Value {
        let parts = PublicKeyComponents::<Vec<u8>>::from(self.key.public());
        let (n, e) = (
            BASE64URL_NOPAD.encode(&parts.n),
            BASE64URL_NOPAD.encode(&parts.e),
        );
        json!({"keys": [{"use": "sig", "kty": "RSA", "kid": "k1", "alg": "RS256", "n": n, "e": e}]})
    }

    pub(crate) fn token(&self, ksa: &Ksa, now: Timestamp) -> String {
        self.sign(&claims(ksa, now))
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = json!({"alg": "RS256", "kid": "k1"});
        let mut token = BASE64URL_NOPAD.encode(header.to_string().as_bytes());
        write!(
            token,
            ".{}",
            BASE64URL_NOPAD.encode(claims.to_string().as_bytes())
        )
        .unwrap();
        let mut signature = vec![0; self.key.public().modulus_len()];
        let random = ring::rand::SystemRandom::new();
        self.key
            .sign(&RSA_PKCS1_SHA256, &random, token.as_bytes(), &mut signature)
            .unwrap();
        write!(token, ".{}", BASE64URL_NOPAD.encode(&signature)).unwrap();
        token
    }
}

/// The claims of a bound token, as a real API server writes them.
pub(crate) fn claims(ksa: &Ksa, now: Timestamp) -> Value {
    let now = now.as_second();
    json!({
        "aud": [POOL],
        "exp": now + 900,
        "iat": now,
        "nbf": now,
        "iss": CLUSTER,
        "jti": "7d2f7b6c-4f0e-4c3d-8a67-2f9d2f1f9c11",
        "kubernetes.io": {
            "namespace": ksa.namespace,
            "pod": {"name": "t-1", "uid": "9b1d"},
            "serviceaccount": {"name": ksa.name, "uid": ksa.uid},
        },
        "sub": format!("system:serviceaccount:{}:{}", ksa.namespace, ksa.name),
    })
}
