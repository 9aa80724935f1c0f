//! The certificate authority: it signs leaf certificates, and its Secret is shared by the replicas of webhook and broker.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use namesake_api::names::AUTHORITY_SECRET;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};

use crate::{Error, Leaf, bundle, leaf, schedule, secrets};

const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const REMEDY: &str = "restore it, or delete the secret and restart the webhook and the broker: they create a new authority";

/// The authority that signs leaf certificates, and all authorities that clients should trust.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    /// PEM of the trusted authorities, the signing one first.
    bundle: String,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Authority {
    /// Reads the authority's Secret in `namespace`, or creates it.
    ///
    /// # Errors
    /// The API server refuses, or the Secret is invalid or expired; the message says what to do.
    pub async fn ensure(client: &Client, namespace: &str, now: Timestamp) -> Result<Self, Error> {
        let secret = secrets::get_or_create(client, namespace, AUTHORITY_SECRET, || {
            generate(namespace, now)
        })
        .await?;
        Self::read(&secret, namespace, now)
    }

    /// Certificates of all trusted authorities, in PEM; the signing one is the first.
    #[must_use]
    pub fn bundle_pem(&self) -> &str {
        &self.bundle
    }

    /// Whether clients with this bundle trust a leaf.
    pub(crate) fn trusts(&self, leaf: &Leaf) -> bool {
        let all = bundle::certificates(self.bundle.as_bytes()).unwrap_or_default();
        all.iter().any(|certificate| certificate == leaf.signer())
    }

    /// Signs a new leaf for these DNS names and IP addresses, valid for `lifetime` but not longer than the authority.
    ///
    /// # Errors
    /// There is no name, or one is neither a DNS name nor an IP address.
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

    /// End of its validity.
    pub(crate) const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Whether the authority expires so soon that an admin should replace it.
    #[must_use]
    pub fn is_old(&self, now: Timestamp) -> bool {
        schedule::authority_is_old(self.not_before, self.not_after, now)
    }

    fn read(secret: &Secret, namespace: &str, now: Timestamp) -> Result<Self, Error> {
        Self::parse(secret, now).map_err(|Invalid { key, problem }| Error::BrokenSecret {
            namespace: namespace.to_owned(),
            name: AUTHORITY_SECRET,
            key: key.to_owned(),
            problem,
            remedy: REMEDY,
        })
    }

    fn parse(secret: &Secret, now: Timestamp) -> Result<Self, Invalid> {
        let invalid = |problem: String| Invalid {
            key: CERTIFICATE,
            problem,
        };
        let pem = entry(secret, CERTIFICATE)?;
        // The parser's own error may quote its input, which is a private key.
        let key = KeyPair::from_pem(entry(secret, KEY)?).map_err(|_| Invalid {
            key: KEY,
            problem: "is not a private key in PKCS #8 and PEM".to_owned(),
        })?;
        let all = bundle::certificates(pem.as_bytes()).map_err(|e| invalid(e.to_string()))?;
        let Some(first) = all.first() else {
            return Err(invalid("holds no certificate".to_owned()));
        };
        let (_, parsed) = X509Certificate::from_der(first)
            .map_err(|e| invalid(format!("its first certificate does not parse: {e}")))?;
        if !parsed.is_ca() {
            let problem = "its first certificate is not a certificate authority";
            return Err(invalid(problem.to_owned()));
        }
        if parsed.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
            return Err(Invalid {
                key: KEY,
                problem: "does not belong to the first certificate of tls.crt".to_owned(),
            });
        }
        let validity = parsed.validity();
        let time = |t: ASN1Time| {
            Timestamp::from_second(t.timestamp())
                .map_err(|_| invalid("its validity is out of range".to_owned()))
        };
        let (not_before, not_after) = (time(validity.not_before)?, time(validity.not_after)?);
        if now >= not_after {
            let problem = format!("its first certificate expired at {not_after}");
            return Err(invalid(problem));
        }
        Ok(Self {
            issuer: Issuer::from_ca_cert_der(first, key).map_err(|e| invalid(e.to_string()))?,
            certificate: first.clone(),
            bundle: pem.to_owned(),
            not_before,
            not_after,
        })
    }
}

/// What is wrong with which entry of the Secret.
struct Invalid {
    key: &'static str,
    problem: String,
}

fn entry<'a>(secret: &'a Secret, key: &'static str) -> Result<&'a str, Invalid> {
    let invalid = |problem: &str| Invalid {
        key,
        problem: problem.to_owned(),
    };
    let found = secret.data.as_ref().and_then(|data| data.get(key));
    let bytes = found.ok_or_else(|| invalid("is missing"))?;
    std::str::from_utf8(&bytes.0).map_err(|_| invalid("is not text"))
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
    // The time distinguishes an authority from the one that replaces it.
    params.distinguished_name.push(
        DnType::CommonName,
        format!("namesake authority {}", now.as_second()),
    );
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let (not_before, not_after) = leaf::validity(now, schedule::AUTHORITY_LIFETIME, Timestamp::MAX);
    leaf::set_validity(&mut params, not_before, not_after);
    let certificate = params.self_signed(&key).map_err(failed)?;
    let data = [(CERTIFICATE, certificate.pem()), (KEY, key.serialize_pem())]
        .map(|(key, pem)| (key.to_owned(), pem.into_bytes()));
    Ok(Secret {
        type_: Some("kubernetes.io/tls".to_owned()),
        ..secrets::new(namespace, AUTHORITY_SECRET, data)
    })
}

#[cfg(test)]
mod tests;
