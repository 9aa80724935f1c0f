//! Keeps a server's certificate fresh, and tells when the bundle should be published.
//!
//! Who comes with a new authority while the old one is still trusted must not be refused meanwhile: its leaf is served a look
//! after its bundle was published, when every replica and every client has heard of it.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::Client;

use crate::{Authority, Error, Leaf, Resolver, schedule};

/// Between two looks at the authority's Secret, unless somebody says otherwise.
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
    next: Option<Next>,
    resolver: Arc<Resolver>,
    interval: Duration,
}

/// A leaf of an authority that clients are being told of.
struct Next {
    leaf: Leaf,
    is_published: bool,
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
            next: None,
            resolver,
            interval: INTERVAL,
        })
    }

    /// Looks at the Secret at this interval, at most every second.
    #[must_use]
    pub fn every(self, interval: Duration) -> Self {
        let interval = interval.max(RETRY);
        Self { interval, ..self }
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

    /// Looks at the Secret again; issues a new leaf when the authority changed or the leaf is due. Returns whether it did.
    ///
    /// # Errors
    /// As [`Authority::ensure`] and [`Authority::issue`]; the present leaf goes on serving.
    pub async fn refresh(&mut self, now: Timestamp) -> Result<bool, Error> {
        let authority = Authority::ensure(&self.client, &self.namespace, now).await?;
        let same = authority.bundle_pem() == self.authority.bundle_pem();
        if same && (self.next.is_some() || !self.leaf.is_due(now)) {
            return Ok(false);
        }
        let leaf = authority.issue(&self.names, now, self.lifetime)?;
        if authority.is_old(now) {
            tracing::warn!(
                "the authority ends soon: put a new certificate and key in front of its secret's"
            );
        }
        let waits = !same && must_wait(&self.authority, &authority, (&self.leaf, &leaf), now);
        self.authority = authority;
        if waits {
            tracing::info!(not_after = %leaf.not_after(), "a new authority is published before its certificate is served");
            self.next = Some(Next {
                leaf,
                is_published: false,
            });
        } else {
            self.serve(leaf);
        }
        Ok(true)
    }

    fn serve(&mut self, leaf: Leaf) {
        self.resolver.swap(&leaf);
        tracing::info!(not_after = %leaf.not_after(), "serving a new certificate");
        (self.leaf, self.next) = (leaf, None);
    }

    // Where clients look for it there is the bundle now; whoever was slow has it a look later.
    fn published(&mut self) {
        match self.next.take() {
            Some(next) if next.is_published => self.serve(next.leaf),
            Some(next) => {
                self.next = Some(Next {
                    is_published: true,
                    ..next
                });
            }
            None => {}
        }
    }

    /// Refreshes at the interval and then calls `publish` with the bundle (for the webhook: [`crate::apply_ca_bundle`],
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
            match &published {
                Ok(()) => self.published(),
                Err(error) => tracing::warn!(%error, "bundle not published"),
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

/// Whether the new leaf of a new authority has to wait: clients have not been told of it, and the present one still counts.
pub(crate) fn must_wait(
    old: &Authority,
    new: &Authority,
    (present, next): (&Leaf, &Leaf),
    now: Timestamp,
) -> bool {
    !old.trusts(next) && new.trusts(present) && !present.is_due(now)
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
