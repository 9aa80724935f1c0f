//! Renews a server's certificate, and publishes the bundle that clients trust.
//!
//! When the authority is replaced while the old one is still trusted, no client must be locked out: the new bundle is
//! published first, and a leaf of the new authority is served one interval later, when all replicas and clients have the
//! bundle.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::Client;

use crate::{Authority, Error, Leaf, Resolver, schedule};

/// Default time between two reads of the authority's Secret.
const INTERVAL: Duration = Duration::from_secs(60);
/// Pause after the first failure, doubled after each further one. It is short because a webhook may start while its own
/// configuration is still being applied.
const RETRY: Duration = Duration::from_secs(1);

/// A server's certificate: the authority, the current leaf, and the resolver that serves it.
pub struct Keeper {
    client: Client,
    namespace: String,
    names: Vec<String>,
    lifetime: SignedDuration,
    authority: Authority,
    leaf: Leaf,
    pending: Option<PendingLeaf>,
    resolver: Arc<Resolver>,
    interval: Duration,
    watcher: Option<Box<dyn Fn(Expiry) + Send + Sync>>,
}

/// When the certificates of a server expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The certificate that it serves, which is renewed long before.
    pub serving: Timestamp,
    /// The certificate of the authority that signs, which only an admin renews.
    pub authority: Timestamp,
}

impl Expiry {
    /// Both, with their names in metrics.
    #[must_use]
    pub const fn by_name(&self) -> [(&'static str, Timestamp); 2] {
        [("serving", self.serving), ("authority", self.authority)]
    }
}

/// A leaf of a new authority whose bundle clients do not all have yet.
struct PendingLeaf {
    leaf: Leaf,
    /// Whether the bundle has been published once.
    is_published: bool,
}

impl Keeper {
    /// Reads or creates the authority in `namespace` and issues a leaf for `names` (DNS names and IP addresses).
    ///
    /// # Errors
    /// As [`Authority::ensure`] and [`Authority::issue`].
    pub async fn start(
        client: Client,
        namespace: &str,
        names: Vec<String>,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let lifetime = schedule::LEAF_LIFETIME;
        let authority = Authority::ensure(&client, namespace, now).await?;
        let leaf = authority.issue(&names, now, lifetime)?;
        let resolver = Arc::new(Resolver::new(&leaf));
        Ok(Self {
            client,
            namespace: namespace.to_owned(),
            names,
            lifetime,
            authority,
            leaf,
            pending: None,
            resolver,
            interval: INTERVAL,
            watcher: None,
        })
    }

    /// Reads the Secret at this interval, at most once a second.
    #[must_use]
    pub fn every(self, interval: Duration) -> Self {
        let interval = interval.max(RETRY);
        Self { interval, ..self }
    }

    /// Calls `watcher` with the current expiry, and again whenever it changes.
    #[must_use]
    pub fn watched(self, watcher: impl Fn(Expiry) + Send + Sync + 'static) -> Self {
        let watched = Self {
            watcher: Some(Box::new(watcher)),
            ..self
        };
        watched.report_expiry();
        watched
    }

    fn report_expiry(&self) {
        if let Some(watcher) = &self.watcher {
            watcher(Expiry {
                serving: self.leaf.not_after(),
                authority: self.authority.not_after(),
            });
        }
    }

    /// The resolver that serves the current leaf, and each later one.
    #[must_use]
    pub fn resolver(&self) -> Arc<Resolver> {
        Arc::clone(&self.resolver)
    }

    /// Certificates of all trusted authorities, in PEM.
    #[must_use]
    pub fn bundle_pem(&self) -> &str {
        self.authority.bundle_pem()
    }

    /// Reads the Secret again, and issues a new leaf if the authority has changed or the leaf is due. Returns whether it did.
    ///
    /// # Errors
    /// As [`Authority::ensure`] and [`Authority::issue`]; the current leaf stays in use.
    pub async fn refresh(&mut self, now: Timestamp) -> Result<bool, Error> {
        let authority = Authority::ensure(&self.client, &self.namespace, now).await?;
        let same = authority.bundle_pem() == self.authority.bundle_pem();
        if same && (self.pending.is_some() || !self.leaf.is_due(now)) {
            return Ok(false);
        }
        let leaf = authority.issue(&self.names, now, self.lifetime)?;
        if authority.is_old(now) {
            tracing::warn!(
                "the certificate authority expires soon: put a new certificate first in its secret, with its key"
            );
        }
        let publish_first =
            !same && must_publish_first(&self.authority, &authority, (&self.leaf, &leaf), now);
        self.authority = authority;
        if publish_first {
            tracing::info!(not_after = %leaf.not_after(), "publishing the bundle of a new authority before serving its certificate");
            self.pending = Some(PendingLeaf {
                leaf,
                is_published: false,
            });
            self.report_expiry();
        } else {
            self.serve(leaf);
        }
        Ok(true)
    }

    fn serve(&mut self, leaf: Leaf) {
        self.resolver.swap(&leaf);
        tracing::info!(not_after = %leaf.not_after(), "serving a new certificate");
        (self.leaf, self.pending) = (leaf, None);
        self.report_expiry();
    }

    // The pending leaf is served when its bundle is published for the second time, one interval after the first.
    fn on_published(&mut self) {
        match self.pending.take() {
            Some(pending) if pending.is_published => self.serve(pending.leaf),
            pending => {
                self.pending = pending.map(|pending| PendingLeaf {
                    is_published: true,
                    ..pending
                });
            }
        }
    }

    /// Refreshes at the interval, and each time calls `publish` with the bundle (for the webhook:
    /// [`crate::apply_ca_bundle`], which restores a caBundle that somebody removed). Failures are logged and retried with a
    /// growing pause. Never returns: drop the future to stop.
    pub async fn run(mut self, mut publish: impl AsyncFnMut(&str) -> Result<(), Error>) {
        let mut retry = RETRY;
        loop {
            let refreshed = self.refresh(Timestamp::now()).await;
            if let Err(error) = &refreshed {
                tracing::warn!(%error, not_after = %self.leaf.not_after(), "failed to refresh the certificate");
            }
            let published = publish(self.authority.bundle_pem()).await;
            match &published {
                Ok(()) => self.on_published(),
                Err(error) => tracing::warn!(%error, "failed to publish the bundle"),
            }
            let wait = if refreshed.is_ok() && published.is_ok() {
                retry = RETRY;
                self.interval
            } else {
                let next = (retry * 2).min(INTERVAL);
                std::mem::replace(&mut retry, next)
            };
            tokio::time::sleep(wait).await;
        }
    }
}

/// Whether the bundle of a new authority must be published before its leaf `next` is served: clients do not trust it yet,
/// and they still trust the current leaf.
pub(crate) fn must_publish_first(
    old: &Authority,
    new: &Authority,
    (current, next): (&Leaf, &Leaf),
    now: Timestamp,
) -> bool {
    !old.trusts(next) && new.trusts(current) && !current.is_due(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply_ca_bundle;

    // Compiles only if a caller can spawn it.
    #[expect(dead_code, reason = "only compiled")]
    fn run_can_move_to_another_thread(keeper: Keeper, client: Client) {
        fn moves<T: Send + 'static>(_: T) {}
        moves(keeper.run(async move |pem: &str| apply_ca_bundle(&client, "namesake", pem).await));
    }
}
