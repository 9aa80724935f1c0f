//! The authority: signs leaves; its Secret is shared by replicas of webhook and broker.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::ObjectMeta;
use namesake_api::names::{AUTHORITY_SECRET, MANAGED_BY, MANAGED_BY_VALUE};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{Error, Leaf, bundle, leaf, schedule, secrets};

const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const TYPE: &str = "kubernetes.io/tls";
const REMEDY: &str = "restore it, or delete the secret and restart the webhook and the broker: a new authority is made";

/// An authority that signs leaves, and every authority that clients should trust besides.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    bundle: String,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Authority {
    /// Reads the authority's Secret in `namespace`, or makes it.
    ///
    /// # Errors
    /// When the API server refuses, or the Secret is broken or expired; the message says what to do.
    pub async fn ensure(client: &Client, namespace: &str, now: Timestamp) -> Result<Self, Error> {
        let secret = secrets::get_or_create(client, namespace, AUTHORITY_SECRET, || {
            generate(namespace, now)
        })
        .await?;
        Self::read(&secret, namespace, now)
    }

    /// Certificates of every authority to trust, in PEM; the one that signs is the first.
    #[must_use]
    pub fn bundle_pem(&self) -> &str {
        &self.bundle
    }

    /// Whether clients that were given this bundle trust a leaf.
    pub(crate) fn trusts(&self, leaf: &Leaf) -> bool {
        let all = bundle::certificates(self.bundle.as_bytes()).unwrap_or_default();
        all.iter().any(|certificate| certificate == leaf.signer())
    }

    /// Signs a new leaf for these DNS names and IP addresses, valid for `lifetime` but not longer than the authority.
    ///
    /// # Errors
    /// When there is no name, or one is neither a DNS name nor an IP address.
    pub fn issue(
        &self,
        names: &[String],
        now: Timestamp,
        lifetime: SignedDuration,
    ) -> Result<Leaf, Error> {
        Leaf::issue(
            (&self.issuer, &self.certificate),
            names,
            leaf::validity(now, lifetime, self.not_after),
        )
    }

    /// Whether so little life is left that an admin should replace it.
    #[must_use]
    pub fn is_old(&self, now: Timestamp) -> bool {
        schedule::authority_is_old(self.not_before, self.not_after, now)
    }

    fn read(secret: &Secret, namespace: &str, now: Timestamp) -> Result<Self, Error> {
        let broken = |key: &str, problem: &str| Error::BrokenSecret {
            namespace: namespace.to_owned(),
            name: AUTHORITY_SECRET,
            key: key.to_owned(),
            problem: problem.to_owned(),
            remedy: REMEDY,
        };
        let value = |key: &str| {
            let found = secret.data.as_ref().and_then(|d| d.get(key));
            let bytes = found.ok_or_else(|| broken(key, "is missing"))?;
            std::str::from_utf8(&bytes.0).map_err(|_| broken(key, "is not text"))
        };
        let pem = value(CERTIFICATE)?;
        // The parser's own error may quote what it parsed, which is a private key.
        let key = KeyPair::from_pem(value(KEY)?)
            .map_err(|_| broken(KEY, "is no private key in PKCS #8 and PEM"))?;

        let all = bundle::certificates(pem.as_bytes())
            .map_err(|e| broken(CERTIFICATE, &e.to_string()))?;
        let Some(first) = all.first() else {
            return Err(broken(CERTIFICATE, "holds no certificate"));
        };
        let (_, parsed) = X509Certificate::from_der(first).map_err(|e| {
            broken(
                CERTIFICATE,
                &format!("its first certificate does not parse: {e}"),
            )
        })?;
        if !parsed.is_ca() {
            return Err(broken(CERTIFICATE, "its first certificate is no authority"));
        }
        if parsed.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
            return Err(broken(
                KEY,
                "does not belong to the first certificate of tls.crt",
            ));
        }
        let validity = parsed.validity();
        let time = |t: i64| {
            Timestamp::from_second(t)
                .map_err(|_| broken(CERTIFICATE, "its validity is out of range"))
        };
        let (not_before, not_after) = (
            time(validity.not_before.timestamp())?,
            time(validity.not_after.timestamp())?,
        );
        if now >= not_after {
            return Err(broken(
                CERTIFICATE,
                &format!("its first certificate expired at {not_after}"),
            ));
        }
        let issuer = Issuer::from_ca_cert_der(first, key)
            .map_err(|e| broken(CERTIFICATE, &e.to_string()))?;
        Ok(Self {
            issuer,
            certificate: first.clone(),
            bundle: pem.to_owned(),
            not_before,
            not_after,
        })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("bundle", &self.bundle)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

fn generate(namespace: &str, now: Timestamp) -> Result<Secret, Error> {
    let failed = |e: rcgen::Error| Error::Issue {
        names: vec!["the authority".to_owned()],
        problem: e.to_string(),
    };
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    // The time tells authorities that follow each other apart.
    params.distinguished_name.push(
        DnType::CommonName,
        format!("namesake authority {}", now.as_second()),
    );
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let (not_before, not_after) = leaf::validity(now, schedule::AUTHORITY_LIFETIME, Timestamp::MAX);
    leaf::set_validity(&mut params, not_before, not_after);
    let certificate = params.self_signed(&key).map_err(failed)?;
    let data = [(CERTIFICATE, certificate.pem()), (KEY, key.serialize_pem())];
    Ok(Secret {
        metadata: ObjectMeta {
            name: Some(AUTHORITY_SECRET.to_owned()),
            namespace: Some(namespace.to_owned()),
            labels: Some([(MANAGED_BY.to_owned(), MANAGED_BY_VALUE.to_owned())].into()),
            ..ObjectMeta::default()
        },
        type_: Some(TYPE.to_owned()),
        data: Some(
            data.map(|(k, v)| (k.to_owned(), ByteString(v.into_bytes())))
                .into(),
        ),
        ..Secret::default()
    })
}

#[cfg(test)]
mod tests;
