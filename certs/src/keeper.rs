//! Keeps a server's certificate fresh, and tells when the bundle should be published.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::Client;

use crate::{Authority, Error, Leaf, Resolver, schedule};

/// Between two looks at the authority's Secret.
const INTERVAL: Duration = Duration::from_secs(60);
/// After the first failure; twice as long after each further one. A webhook that starts while its own configuration is still
/// being applied is ready a second later.
const RETRY: Duration = Duration::from_secs(1);

/// A server's certificate: the authority, the present leaf, and the resolver that serves it.
pub struct Keeper {
    client: Client,
    namespace: String,
    names: Vec<String>,
    lifetime: SignedDuration,
    authority: Authority,
    leaf: Leaf,
    resolver: Arc<Resolver>,
}

impl Keeper {
    /// Reads or makes the authority in `namespace` and issues a leaf for `names` (DNS names and IP addresses).
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
            resolver,
        })
    }

    /// Serves the present leaf, and each later one.
    #[must_use]
    pub fn resolver(&self) -> Arc<Resolver> {
        Arc::clone(&self.resolver)
    }

    /// Certificates of every authority to trust, in PEM.
    #[must_use]
    pub fn bundle_pem(&self) -> &str {
        self.authority.bundle_pem()
    }

    /// Looks at the Secret again; issues and serves a new leaf when the authority changed or the leaf is due.
    /// Returns whether it did.
    ///
    /// # Errors
    /// As [`Authority::ensure`] and [`Authority::issue`]; the present leaf goes on serving.
    pub async fn refresh(&mut self, now: Timestamp) -> Result<bool, Error> {
        let authority = Authority::ensure(&self.client, &self.namespace, now).await?;
        let same = authority.bundle_pem() == self.authority.bundle_pem();
        if same && !self.leaf.is_due(now) {
            return Ok(false);
        }
        let leaf = authority.issue(&self.names, now, self.lifetime)?;
        self.resolver.swap(&leaf);
        tracing::info!(not_after = %leaf.not_after(), authority_changed = !same, "serving a new certificate");
        if authority.is_old(now) {
            tracing::warn!(
                "the authority ends soon: put a new certificate and key in front of its secret's"
            );
        }
        (self.authority, self.leaf) = (authority, leaf);
        Ok(true)
    }

    /// Refreshes every minute and then calls `publish` with the bundle (for the webhook: [`crate::apply_ca_bundle`],
    /// which repairs a caBundle that somebody removed). Failures are logged and tried again, soon at first. Never
    /// returns: drop the future to stop.
    pub async fn run(mut self, mut publish: impl AsyncFnMut(&str) -> Result<(), Error>) {
        let mut retry = RETRY;
        loop {
            let refreshed = self.refresh(Timestamp::now()).await;
            if let Err(error) = &refreshed {
                tracing::warn!(%error, not_after = %self.leaf.not_after(), "certificate not refreshed");
            }
            let published = publish(self.authority.bundle_pem()).await;
            if let Err(error) = &published {
                tracing::warn!(%error, "bundle not published");
            }
            let wait = if refreshed.is_ok() && published.is_ok() {
                retry = RETRY;
                INTERVAL
            } else {
                let next = (retry * 2).min(INTERVAL);
                std::mem::replace(&mut retry, next)
            };
            tokio::time::sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply_ca_bundle;

    // Compiles only while a caller can spawn it.
    #[expect(dead_code, reason = "only compiled")]
    fn running_can_move_to_another_thread(keeper: Keeper, client: Client) {
        fn moves<T: Send + 'static>(_: T) {}
        moves(keeper.run(async move |pem: &str| apply_ca_bundle(&client, "namesake", pem).await));
    }
}
