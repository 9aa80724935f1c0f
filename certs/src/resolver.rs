//! Serves the current leaf; a new one is swapped in without closing connections.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoClientAuth, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;

use crate::bundle::client_roots;
use crate::{Error, Leaf};

/// Serves the newest leaf on every new connection, without a lock.
#[derive(Debug)]
pub struct Resolver(ArcSwap<CertifiedKey>);

impl Resolver {
    /// Serves `leaf` until another is swapped in.
    #[must_use]
    pub fn new(leaf: &Leaf) -> Self {
        Self(ArcSwap::new(leaf.certified()))
    }

    /// Serves `leaf` from the next connection on.
    pub fn swap(&self, leaf: &Leaf) {
        self.0.store(leaf.certified());
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// TLS 1.2 and 1.3 without client certificates. HTTP/1.1 only, because over one HTTP/2 connection the API server would
/// send all its requests to one replica.
///
/// # Errors
/// The crypto provider does not support these versions.
pub fn server_config(resolver: Arc<Resolver>) -> Result<Arc<ServerConfig>, rustls::Error> {
    config(resolver, provider(), Arc::new(NoClientAuth))
}

/// As [`server_config`], but requests a client certificate of one of these authorities. A client without a certificate is
/// accepted too, because the kubelet probes without one: the server decides who is allowed to do what. A certificate of
/// another authority ends the handshake.
///
/// # Errors
/// `authorities_pem` holds no authority.
pub fn server_config_with_client_auth(
    resolver: Arc<Resolver>,
    authorities_pem: &str,
) -> Result<Arc<ServerConfig>, Error> {
    let unusable = |problem: String| Error::Bundle(format!("of clients: {problem}"));
    let roots = Arc::new(client_roots(authorities_pem)?);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
        .allow_unauthenticated()
        .build()
        .map_err(|error| unusable(error.to_string()))?;
    config(resolver, provider(), verifier).map_err(|error| unusable(error.to_string()))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn config(
    resolver: Arc<Resolver>,
    provider: Arc<CryptoProvider>,
    clients: Arc<dyn ClientCertVerifier>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
