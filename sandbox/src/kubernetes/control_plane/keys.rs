//! Certificates and keys of the control plane.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};

use crate::{host::authority::new_authority, kubernetes::users::write_private};

/// Files in the folder of keys.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) ca_pem: String,
    pub(crate) ca: PathBuf,
    pub(crate) serving_cert: PathBuf,
    pub(crate) serving_key: PathBuf,
    /// The API server as a client of nodes.
    pub(crate) node_client_cert: PathBuf,
    pub(crate) node_client_key: PathBuf,
    /// Signs service account tokens (ES256).
    pub(crate) token_key: PathBuf,
    /// Its public key: to verify, the API server does not accept a PKCS #8 key.
    pub(crate) token_public_key: PathBuf,
}

impl Keys {
    /// A new CA, the API server's certificate, and the key that signs service account tokens.
    pub(crate) fn generate(folder: &Path) -> Result<Self> {
        let (ca_pem, issuer) = new_authority("namesake-sandbox")?;

        let serving_key = KeyPair::generate().context("cannot generate a key")?;
        let names = [
            "127.0.0.1",
            "localhost",
            "10.0.0.1",
            "kubernetes.default.svc",
        ]
        .map(str::to_owned);
        let mut serving = CertificateParams::new(names).context("cannot name the API server")?;
        serving
            .distinguished_name
            .push(DnType::CommonName, "kube-apiserver");
        let serving_cert = serving
            .signed_by(&serving_key, &issuer)
            .context("cannot sign a certificate")?;

        let node_client_key = KeyPair::generate().context("cannot generate a key")?;
        let mut node_client = CertificateParams::default();
        node_client
            .distinguished_name
            .push(DnType::CommonName, "kube-apiserver-kubelet-client");
        node_client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let node_client_cert = node_client
            .signed_by(&node_client_key, &issuer)
            .context("cannot sign a certificate")?;

        let keys = Self {
            ca: folder.join("ca.crt"),
            serving_cert: folder.join("apiserver.crt"),
            serving_key: folder.join("apiserver.key"),
            node_client_cert: folder.join("node-client.crt"),
            node_client_key: folder.join("node-client.key"),
            token_key: folder.join("service-accounts.key"),
            token_public_key: folder.join("service-accounts.pub"),
            ca_pem,
        };
        let token_key = KeyPair::generate().context("cannot generate a key")?;
        write_private(&keys.ca, &keys.ca_pem)?;
        write_private(&keys.serving_cert, &serving_cert.pem())?;
        write_private(&keys.serving_key, &serving_key.serialize_pem())?;
        write_private(&keys.node_client_cert, &node_client_cert.pem())?;
        write_private(&keys.node_client_key, &node_client_key.serialize_pem())?;
        write_private(&keys.token_key, &token_key.serialize_pem())?;
        write_private(&keys.token_public_key, &token_key.public_key_pem())?;
        Ok(keys)
    }
}
