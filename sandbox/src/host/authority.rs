//! Certificate authorities of one run.

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// A new authority: its certificate (PEM), and what it signs with.
///
/// # Errors
/// The key cannot be generated, or the certificate not be signed.
pub(crate) fn new_authority(common_name: &str) -> Result<(String, Issuer<'static, KeyPair>)> {
    let key = KeyPair::generate().context("cannot generate a key")?;
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    let certificate = params
        .self_signed(&key)
        .context("cannot sign the authority's certificate")?;
    Ok((certificate.pem(), Issuer::new(params, key)))
}
