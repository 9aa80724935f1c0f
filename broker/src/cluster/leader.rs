//! Which replica leads: the one that holds the Lease. Every replica answers the API; only the leader reconciles, opens
//! gates and writes to Google, and it stops before another may start.

mod decide;
mod fence;
mod pace;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::PostParams;
use kube::{Api, Client};
use namesake_api::names;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use decide::{Seen, Step, decide};
pub use fence::{Fence, NotLeading};
pub use pace::{Pace, Waits, paced};

use crate::cluster::ensure;
use crate::server::config::{Clock, Config};

/// Takes part in the election in the name of this process.
pub struct Election {
    leases: Api<Lease>,
    /// Name of this process: no other, not even its successor in the same pod, has it.
    me: String,
    lease: Duration,
    clock: Clock,
    fence: Arc<Fence>,
}

impl Election {
    /// Takes part with this client, which must not be one that the fence stops.
    #[must_use]
    pub fn new(client: Client, config: &Config, fence: Arc<Fence>) -> Self {
        // Every RandomState has its own random keys.
        let random = RandomState::new().hash_one(std::process::id());
        Self {
            leases: Api::namespaced(client, &config.namespace),
            me: format!("{}_{random:016x}", config.replica),
            lease: config.timings.lease,
            clock: Arc::clone(&config.clock),
            fence,
        }
    }

    /// Waits for the Lease, does `work` while it holds it, and begins anew when it is lost. On `shutdown`, `work` has to end
    /// by itself; then the Lease is given back, so that nobody waits for it to run out.
    pub async fn run(&self, shutdown: &CancellationToken, work: impl AsyncFn()) {
        loop {
            tokio::select! {
                () = self.acquire() => {}
                () = shutdown.cancelled() => return,
            }
            info!(me = %self.me, "leading");
            // On the heap: everything that a leader does is in this one future.
            let lost = tokio::select! {
                () = Box::pin(work()) => false,
                () = self.keep() => true,
            };
            self.fence.shut();
            if !lost && shutdown.is_cancelled() {
                self.release().await;
                return;
            }
            warn!(me = %self.me, "leading no more: the Lease was lost");
        }
    }

    /// Ends when the Lease is ours.
    async fn acquire(&self) {
        let mut seen = Seen::default();
        loop {
            let wait = match self.step(&mut seen).await {
                Ok(None) => return,
                Ok(Some(wait)) => wait,
                Err(error) => {
                    warn!(%error, "the Lease cannot be had: trying again");
                    self.renewal()
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Looks once, and takes the Lease when it is free. None when it is ours now, else how long to wait.
    async fn step(&self, seen: &mut Seen) -> Result<Option<Duration>, kube::Error> {
        let began = Instant::now();
        let there = self
            .bounded(self.leases.get_opt(names::BROKER_LEASE))
            .await?;
        let taken = match decide(there.as_ref(), &self.me, self.lease, seen, began) {
            Step::Wait(wait) => return Ok(Some(wait.min(self.renewal()))),
            Step::Create => {
                let lease = self.written(Lease::default(), true);
                self.bounded(self.leases.create(&PostParams::default(), &lease))
                    .await
            }
            Step::Take(lease) => self.replace(self.written(*lease, true)).await,
        };
        match taken {
            Ok(_) => {
                self.fence.open_until(began + self.hold());
                Ok(None)
            }
            // Another was faster.
            Err(error) if ensure::is_conflict(&error) => Ok(Some(self.renewal())),
            Err(error) => Err(error),
        }
    }

    /// Renews the Lease for as long as it can; ends when it is lost.
    async fn keep(&self) {
        let mut renewed = Instant::now();
        while renewed.elapsed() < self.hold() {
            tokio::time::sleep(self.renewal()).await;
            let began = Instant::now();
            match self.renew().await {
                Ok(true) => {
                    renewed = began;
                    self.fence.open_until(began + self.hold());
                }
                Ok(false) => return,
                Err(error) => warn!(%error, "the Lease was not renewed: trying again"),
            }
        }
    }

    /// Renews once; false when the Lease is another's.
    async fn renew(&self) -> Result<bool, kube::Error> {
        let there = self
            .bounded(self.leases.get_opt(names::BROKER_LEASE))
            .await?;
        let ours = there.filter(|lease| decide::holder(lease) == Some(&self.me));
        let Some(lease) = ours else {
            return Ok(false);
        };
        match self.replace(self.written(lease, false)).await {
            Ok(_) => Ok(true),
            // Whoever wrote in between is seen at the next look; the time that is left is not made longer.
            Err(error) => Err(error),
        }
    }

    /// Gives the Lease back.
    async fn release(&self) {
        let given: Result<(), kube::Error> = async {
            let there = self
                .bounded(self.leases.get_opt(names::BROKER_LEASE))
                .await?;
            let ours = there.filter(|lease| decide::holder(lease) == Some(&self.me));
            if let Some(mut lease) = ours {
                lease.spec.get_or_insert_default().holder_identity = None;
                self.replace(lease).await?;
            }
            Ok(())
        }
        .await;
        match given {
            Ok(()) => info!("the Lease is given back"),
            Err(error) => warn!(%error, "the Lease could not be given back: it runs out"),
        }
    }

    async fn replace(&self, lease: Lease) -> Result<Lease, kube::Error> {
        let params = PostParams {
            field_manager: Some(names::FIELD_MANAGER_BROKER.to_owned()),
            ..PostParams::default()
        };
        // With the resourceVersion that was read: of two, one succeeds.
        self.bounded(self.leases.replace(names::BROKER_LEASE, &params, &lease))
            .await
    }

    fn written(&self, mut lease: Lease, anew: bool) -> Lease {
        let now = MicroTime((self.clock)());
        lease.metadata.name = Some(names::BROKER_LEASE.to_owned());
        let spec = lease.spec.get_or_insert_with(LeaseSpec::default);
        if anew {
            spec.acquire_time = Some(now.clone());
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(-1).saturating_add(1));
        }
        spec.holder_identity = Some(self.me.clone());
        spec.lease_duration_seconds = i32::try_from(self.lease.as_secs().max(1)).ok();
        spec.renew_time = Some(now);
        lease
    }

    /// A call that hangs must not keep us from noticing that the Lease is lost.
    async fn bounded<T>(
        &self,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, kube::Error> {
        let late = |_| kube::Error::Service("no answer in time".into());
        tokio::time::timeout(self.renewal() * 2, call)
            .await
            .map_err(late)?
    }

    fn renewal(&self) -> Duration {
        decide::renewal(self.lease)
    }

    fn hold(&self) -> Duration {
        decide::hold(self.lease)
    }
}
