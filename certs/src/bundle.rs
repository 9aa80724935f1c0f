//! A bundle: the certificates of one or more authorities in PEM.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::Error;

/// Every certificate of a bundle, in order.
///
/// # Errors
/// The text holds no certificate, or a truncated one.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|e| Error::Bundle(format!("not PEM: {e}")))?;
    if all.is_empty() {
        return Err(Error::Bundle("holds no certificate".to_owned()));
    }
    Ok(all)
}

/// Root certificates for a TLS client that trusts every authority of a bundle.
///
/// # Errors
/// The bundle holds no certificate, or one that cannot be an authority.
pub fn client_roots(bundle_pem: &str) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(bundle_pem.as_bytes())? {
        roots.add(certificate).map_err(|e| {
            Error::Bundle(format!("a certificate is not a certificate authority: {e}"))
        })?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_or_truncated_bundle_is_an_error() {
        let truncated = "-----BEGIN CERTIFICATE-----\nMIIB";
        let garbage = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        for bundle in ["", "hello", truncated, garbage] {
            assert!(client_roots(bundle).is_err(), "{bundle:?}");
        }
    }
}
