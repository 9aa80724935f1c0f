//! The gateway's certificate and the Secret of its login, in the folders that Envoy reads.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use namesake_api::names::{CLIENT_SECRET_KEY, COOKIE_SECRET_KEY};
use rcgen::{CertificateParams, Issuer, KeyPair};

use super::{API_HOST, UI_HOST, provider::WEB_SECRET};
use crate::{host::authority::new_authority, kubernetes::users::write_private};

/// The login's Secret.
pub(super) const LOGIN_SECRET: &str = "login";

/// Where they are.
#[derive(Debug)]
pub struct Keys {
    authority: PathBuf,
    tls: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// The folder with the certificate, below the gateway's.
pub(super) const TLS: &str = "tls";
/// The folder with a folder for each login's Secret.
pub(super) const LOGIN: &str = "login";

impl Keys {
    /// A new authority, certificate and cookie secret, below a folder.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn generate(folder: &Path) -> Result<Self> {
        let secret = folder.join(LOGIN).join(LOGIN_SECRET);
        let tls = folder.join(TLS);
        for place in [&secret, &tls] {
            fs::create_dir_all(place)
                .with_context(|| format!("cannot create {}", place.display()))?;
        }
        write_private(&secret.join(CLIENT_SECRET_KEY), WEB_SECRET)?;
        // Any text nobody else knows.
        write_private(
            &secret.join(COOKIE_SECRET_KEY),
            &KeyPair::generate()?.serialize_pem(),
        )?;
        let (certificate, issuer) = new_authority("namesake-sandbox-gateway")?;
        let authority = folder.join("ca.crt");
        write_private(&authority, &certificate)?;
        let keys = Self {
            authority,
            tls,
            issuer,
        };
        keys.renew()?;
        Ok(keys)
    }

    /// Replaces the certificate and its key, in the way of the kubelet: a link to the folder with both is replaced.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn renew(&self) -> Result<()> {
        let key = KeyPair::generate().context("cannot generate a key")?;
        let params = CertificateParams::new([UI_HOST, API_HOST].map(str::to_owned))
            .context("cannot name the gateway")?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .context("cannot sign a certificate")?;
        let version = format!("..{}", fs::read_dir(&self.tls)?.count());
        let folder = self.tls.join(&version);
        fs::create_dir_all(&folder)?;
        write_private(&folder.join("tls.key"), &key.serialize_pem())?;
        write_private(&folder.join("tls.crt"), &certificate.pem())?;
        let (new, current) = (self.tls.join("..new"), self.tls.join("..data"));
        symlink(&version, &new)?;
        fs::rename(&new, &current)?;
        for name in ["tls.key", "tls.crt"] {
            let link = self.tls.join(name);
            if !link.is_symlink() {
                symlink(Path::new("..data").join(name), link)?;
            }
        }
        Ok(())
    }

    /// The authority, a PEM file.
    #[must_use]
    pub fn authority(&self) -> &Path {
        &self.authority
    }
}
