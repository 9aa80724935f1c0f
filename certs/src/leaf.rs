//! A leaf: the certificate and key of one replica. It is kept in memory only.

use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use crate::{Error, schedule};

/// A server certificate with its key.
#[derive(Clone)]
pub struct Leaf {
    certified: Arc<CertifiedKey>,
    signer: CertificateDer<'static>,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Leaf {
    pub(crate) fn issue(
        (issuer, signer): (&Issuer<'_, KeyPair>, &CertificateDer<'static>),
        names: &[String],
        (not_before, not_after): (Timestamp, Timestamp),
    ) -> Result<Self, Error> {
        let failed = |problem: String| Error::Issue {
            names: names.to_vec(),
            problem,
        };
        let Some(first) = names.first() else {
            return Err(failed(
                "no name: set the DNS names and addresses that the server is reached at".to_owned(),
            ));
        };
        let broken = |e: rcgen::Error| failed(e.to_string());
        let key = KeyPair::generate().map_err(broken)?;
        let mut params = CertificateParams::new(names.to_vec()).map_err(broken)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        // A common name holds at most 64 characters; clients check the subject alternative names.
        params.distinguished_name.push(
            DnType::CommonName,
            first.chars().take(64).collect::<String>(),
        );
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, not_before, not_after);
        let certificate = params.signed_by(&key, issuer).map_err(broken)?;
        let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signing = rustls::crypto::ring::sign::any_supported_type(&der)
            .map_err(|e| failed(e.to_string()))?;
        Ok(Self {
            certified: Arc::new(CertifiedKey::new(vec![certificate.into()], signing)),
            signer: signer.clone(),
            not_before,
            not_after,
        })
    }

    /// Start of its validity.
    #[must_use]
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// End of its validity.
    #[must_use]
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Whether it must be renewed at `now`.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        schedule::is_due(self.not_before, self.not_after, now)
    }

    /// The certificate of the authority that signed it.
    pub(crate) const fn signer(&self) -> &CertificateDer<'static> {
        &self.signer
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf")
            .field("not_before", &self.not_before)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

// X.509 has whole seconds; times before 1970 do not occur.
pub(crate) fn set_validity(
    params: &mut CertificateParams,
    not_before: Timestamp,
    not_after: Timestamp,
) {
    let time = |t: Timestamp| {
        let seconds = u64::try_from(t.as_second()).unwrap_or(0);
        date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(seconds)
    };
    params.not_before = time(not_before);
    params.not_after = time(not_after);
}

/// Validity from [`schedule::SKEW`] before `now` to `lifetime` after it, but not beyond `limit`.
pub(crate) fn validity(
    now: Timestamp,
    lifetime: SignedDuration,
    limit: Timestamp,
) -> (Timestamp, Timestamp) {
    let begin = now.saturating_sub(schedule::SKEW).unwrap_or(now);
    let end = now.saturating_add(lifetime).unwrap_or(limit);
    (begin, end.min(limit))
}
