//! Serves the current leaf; a new one is swapped in while connections go on.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoClientAuth, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;

use crate::bundle::client_roots;
use crate::{Error, Leaf};

/// Gives every new connection the newest leaf, without a lock.
#[derive(Debug)]
pub struct Resolver(ArcSwap<CertifiedKey>);

impl Resolver {
    /// Serves this leaf until another is swapped in.
    #[must_use]
    pub fn new(leaf: &Leaf) -> Self {
        Self(ArcSwap::new(leaf.certified()))
    }

    /// Serves another leaf from the next connection on.
    pub fn swap(&self, leaf: &Leaf) {
        self.0.store(leaf.certified());
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// TLS 1.2 and 1.3 without client certificates, HTTP/1.1: the API server speaks it to webhooks, because one HTTP/2
/// connection would send everything to one replica.
///
/// # Errors
/// When the crypto provider does not know these versions.
pub fn server_config(resolver: Arc<Resolver>) -> Result<Arc<ServerConfig>, rustls::Error> {
    config(resolver, provider(), Arc::new(NoClientAuth))
}

/// As [`server_config`], and asks clients for a certificate of one of these authorities. A client that shows none is served
/// too, because a kubelet probes without one: who may ask for what is the server's to decide. A certificate of any other
/// authority ends the handshake.
///
/// # Errors
/// A text that holds no authority.
pub fn server_config_asking_clients(
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
