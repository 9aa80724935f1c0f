//! Leader election: the replica that holds the Lease leads. Every replica answers the API; only the leader reconciles, opens
//! gates and writes to Google, and it stops before another replica may start.

mod decide;
mod fence;
mod write_limiter;

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::PostParams;
use kube::{Api, Client};
use namesake_api::names;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use decide::{LeaseDecision, ObservedLease, decide};
pub use fence::{Fence, NotLeading};
pub use write_limiter::{ApiCallGuard, WriteLimiter, limited};

use crate::cluster::requests::{is_conflict, post_params};
use crate::server::config::{Clock, Config};

/// Takes part in the election for this process.
pub struct Election {
    leases: Api<Lease>,
    /// Name of this process. No other process has it, not even the next one in the same pod.
    me: String,
    lease_duration: Duration,
    clock: Clock,
    fence: Arc<Fence>,
}

impl Election {
    /// `client` must not be behind the fence.
    #[must_use]
    pub fn new(client: Client, config: &Config, fence: Arc<Fence>) -> Self {
        Self {
            leases: Api::namespaced(client, &config.namespace),
            me: format!("{}_{:016x}", config.replica, fastrand::u64(..)),
            lease_duration: config.timings.lease,
            clock: Arc::clone(&config.clock),
            fence,
        }
    }

    /// Acquires the Lease, runs `work` while it holds it, and starts again when the Lease is lost. On `shutdown`, `work` has to
    /// end by itself; then the Lease is released, so that no other replica has to wait until it expires.
    pub async fn run(&self, shutdown: &CancellationToken, work: impl AsyncFn()) {
        loop {
            tokio::select! {
                () = self.acquire() => {}
                () = shutdown.cancelled() => return,
            }
            info!(me = %self.me, "leading");
            // Boxed, because everything that a leader does is in this one future.
            let lost = tokio::select! {
                () = Box::pin(work()) => false,
                () = self.keep_renewing() => true,
            };
            self.fence.close();
            if !lost && shutdown.is_cancelled() {
                self.release().await;
                return;
            }
            warn!(me = %self.me, "not leading any more: the Lease was lost");
        }
    }

    /// Returns when this process holds the Lease.
    async fn acquire(&self) {
        let mut observed = ObservedLease::default();
        loop {
            let wait = match self.try_acquire(&mut observed).await {
                Ok(None) => return,
                Ok(Some(wait)) => wait,
                Err(error) => {
                    warn!(%error, "failed to acquire the Lease: trying again");
                    self.renew_interval()
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Reads the Lease once, and takes it if it is free. `None` if this process holds it now, else how long to wait.
    async fn try_acquire(
        &self,
        observed: &mut ObservedLease,
    ) -> Result<Option<Duration>, kube::Error> {
        let started = Instant::now();
        let existing = self
            .with_timeout(self.leases.get_opt(names::BROKER_LEASE))
            .await?;
        let decision = decide(
            existing.as_ref(),
            &self.me,
            self.lease_duration,
            observed,
            started,
        );
        let taken = match decision {
            LeaseDecision::Wait(wait) => return Ok(Some(wait.min(self.renew_interval()))),
            LeaseDecision::Create => {
                let lease = self.held(Lease::default(), true);
                self.with_timeout(self.leases.create(&PostParams::default(), &lease))
                    .await
            }
            LeaseDecision::Take(lease) => self.replace(self.held(*lease, true)).await,
        };
        match taken {
            Ok(_) => {
                self.fence.open_until(started + self.hold());
                Ok(None)
            }
            // Another replica was faster.
            Err(error) if is_conflict(&error) => Ok(Some(self.renew_interval())),
            Err(error) => Err(error),
        }
    }

    /// Renews the Lease as long as it can; returns when it is lost.
    async fn keep_renewing(&self) {
        let mut renewed = Instant::now();
        while renewed.elapsed() < self.hold() {
            tokio::time::sleep(self.renew_interval()).await;
            let started = Instant::now();
            match self.renew().await {
                Ok(true) => {
                    renewed = started;
                    self.fence.open_until(started + self.hold());
                }
                Ok(false) => return,
                // If another replica wrote in between, the next read shows it. The remaining time does not grow.
                Err(error) => warn!(%error, "failed to renew the Lease: trying again"),
            }
        }
    }

    /// Renews once; false when another replica holds the Lease.
    async fn renew(&self) -> Result<bool, kube::Error> {
        let Some(lease) = self.own_lease().await? else {
            return Ok(false);
        };
        self.replace(self.held(lease, false)).await?;
        Ok(true)
    }

    async fn release(&self) {
        let released: Result<(), kube::Error> = async {
            if let Some(mut lease) = self.own_lease().await? {
                lease.spec.get_or_insert_default().holder_identity = None;
                self.replace(lease).await?;
            }
            Ok(())
        }
        .await;
        match released {
            Ok(()) => info!("released the Lease"),
            Err(error) => warn!(%error, "failed to release the Lease: it will expire"),
        }
    }

    /// The Lease, if this process holds it.
    async fn own_lease(&self) -> Result<Option<Lease>, kube::Error> {
        let lease = self
            .with_timeout(self.leases.get_opt(names::BROKER_LEASE))
            .await?;
        Ok(lease.filter(|lease| decide::holder(lease) == Some(&self.me)))
    }

    async fn replace(&self, lease: Lease) -> Result<Lease, kube::Error> {
        // With the resourceVersion that was read: of two writers, one succeeds.
        let params = post_params();
        self.with_timeout(self.leases.replace(names::BROKER_LEASE, &params, &lease))
            .await
    }

    /// The Lease as held by this process from now on.
    fn held(&self, mut lease: Lease, acquired: bool) -> Lease {
        let now = MicroTime((self.clock)());
        lease.metadata.name = Some(names::BROKER_LEASE.to_owned());
        let spec = lease.spec.get_or_insert_with(LeaseSpec::default);
        if acquired {
            spec.acquire_time = Some(now.clone());
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(-1).saturating_add(1));
        }
        spec.holder_identity = Some(self.me.clone());
        spec.lease_duration_seconds = i32::try_from(self.lease_duration.as_secs().max(1)).ok();
        spec.renew_time = Some(now);
        lease
    }

    /// A call that hangs must not hide that the Lease is lost.
    async fn with_timeout<T>(
        &self,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, kube::Error> {
        let late = |_| kube::Error::Service("no answer in time".into());
        tokio::time::timeout(self.renew_interval() * 2, call)
            .await
            .map_err(late)?
    }

    fn renew_interval(&self) -> Duration {
        decide::renew_interval(self.lease_duration)
    }

    fn hold(&self) -> Duration {
        decide::hold(self.lease_duration)
    }
}
