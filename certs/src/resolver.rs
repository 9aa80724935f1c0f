//! Serves the current leaf; a new one is swapped in while connections go on.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::Leaf;

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
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
