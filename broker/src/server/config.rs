//! Configuration of the broker. Clock and intervals are part of it, so that tests run fast.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use namesake_api::names;

use crate::google::policies::{PolicyLimits, WriteSpacing};
use crate::google::roles::AllowedRoles;

/// Returns the time; tests have their own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The machine's clock.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(Timestamp::now)
}

/// Configuration of one broker.
#[derive(Clone)]
pub struct Config {
    /// The broker's own namespace, which has the rules, the accepted rules, the Secret of the CA and the webhook's service
    /// account.
    pub namespace: String,
    /// DNS names and IP addresses in the server's certificate.
    pub tls_names: Vec<String>,
    /// Name of this replica, for people who look at the Lease.
    pub replica: String,
    /// How long to keep answering after the first signal to stop.
    pub drain: Duration,
    /// New identities that one user may have in a minute.
    pub identities_per_minute: u32,
    /// Roles that identities may be granted, whatever the rules say.
    pub allowed_roles: AllowedRoles,
    /// Google service accounts that a project may have; without it, Google refuses when there are too many.
    pub accounts_per_project: Option<u64>,
    /// Largest size of a policy at Google.
    pub policy_limits: PolicyLimits,
    /// How long the disabled GSA of an offboarded user is kept.
    pub offboarding_grace: Duration,
    /// How long after a user was listed under `offboarded` removing the entry undoes it.
    pub offboarding_undo: Duration,
    /// Whether garbage is collected, or only reported.
    pub collect: bool,
    /// How long garbage, or an Identity that the rules do not derive any more, is kept.
    pub collect_after: Duration,
    /// Reads of Google in a minute that drift checks may cost: a tenth of the quota.
    pub drift_reads_per_minute: u32,
    /// Verifications that run at the same time.
    pub verifications_at_once: u16,
    /// Intervals and deadlines.
    pub timings: Timings,
    /// Returns the time.
    pub clock: Clock,
}

impl Default for Config {
    fn default() -> Self {
        let service = names::BROKER_SERVICE_ACCOUNT;
        let namespace = names::SYSTEM_NAMESPACE;
        Self {
            namespace: namespace.to_owned(),
            tls_names: vec![format!("{service}.{namespace}.svc")],
            replica: service.to_owned(),
            drain: Duration::ZERO,
            identities_per_minute: names::IDENTITIES_PER_MINUTE,
            allowed_roles: AllowedRoles::default(),
            accounts_per_project: None,
            policy_limits: PolicyLimits::default(),
            offboarding_grace: Duration::from_hours(30 * 24),
            offboarding_undo: Duration::from_mins(10),
            drift_reads_per_minute: names::DRIFT_READS_PER_MINUTE,
            verifications_at_once: names::VERIFICATIONS_AT_ONCE,
            collect: false,
            collect_after: Duration::from_hours(24),
            timings: Timings::default(),
            clock: system_clock(),
        }
    }
}

/// Intervals and deadlines. [`Timings::scaled`] makes all of them shorter at once.
#[derive(Clone, Copy, Debug)]
pub struct Timings {
    /// Duration of the Lease: no other replica leads for so long after the leader has renewed it for the last time.
    pub lease: Duration,
    /// How long a token stays valid after a TokenReview accepted it.
    pub token_cache: Duration,
    /// Between two reads of a new GSA; Google's reads are eventually consistent.
    pub sighting: Duration,
    /// How long Google may show the state before a write (policies may take seven minutes to be known everywhere).
    pub stale_reads: Duration,
    /// Between two verifications of one identity; Google's replicas learn of a binding one by one.
    pub verification: Duration,
    /// First and longest wait after a failure that may pass by itself.
    pub retry: (Duration, Duration),
    /// Wait after a failure that a person has to fix; first wait after one that an administrator of the organization has to fix.
    pub refused: Duration,
    /// How long verifications may fail before the condition says that it takes too long.
    pub deadline: Duration,
    /// Between two drift checks of an identity that works.
    pub resync: Duration,
    /// Longest time of a step in a reconcile; after that it is tried again.
    pub step: Duration,
    /// Between two writes of `lastUsedTime`.
    pub last_used: Duration,
    /// Between two checks of all pods that wait at their gate.
    pub gates: Duration,
    /// Between two checks for a new CA of the certificates.
    pub upkeep: Duration,
    /// Between two counts of quotas.
    pub count: Duration,
    /// How long a pod waits at its gate before it fails.
    pub patience: GatePatience,
    /// Between two writes of one policy.
    pub policies: WriteSpacing,
    /// How long until every replica of the webhook knows that an identity gets no more pods.
    pub webhook_delay: Duration,
    /// How long no pod has used an identity that is idle.
    pub idle: Duration,
}

/// How long a pod waits at its gate before it fails with the reason.
#[derive(Clone, Copy, Debug)]
pub struct GatePatience {
    /// For a reason that does not pass by itself; long enough for what only looks like one, such as a new grant.
    pub lasting: Duration,
    /// For any reason.
    pub any: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(10),
            token_cache: Duration::from_secs(60),
            sighting: Duration::from_millis(250),
            stale_reads: Duration::from_mins(7),
            verification: Duration::from_secs(5),
            retry: (Duration::from_secs(2), Duration::from_secs(60)),
            refused: Duration::from_mins(5),
            deadline: Duration::from_mins(20),
            resync: Duration::from_hours(1),
            step: Duration::from_secs(90),
            last_used: Duration::from_hours(1),
            gates: Duration::from_secs(15),
            upkeep: Duration::from_secs(60),
            count: Duration::from_mins(10),
            patience: GatePatience {
                lasting: Duration::from_mins(2),
                any: Duration::from_mins(30),
            },
            policies: WriteSpacing::default(),
            webhook_delay: Duration::from_mins(2),
            idle: Duration::from_hours(24),
        }
    }
}

impl Timings {
    /// The defaults with every wait for Google divided by `times`. Limits of single calls stay.
    #[must_use]
    pub fn scaled(times: u32) -> Self {
        let whole = Self::default();
        let part = |d: Duration| d / times.max(1);
        Self {
            sighting: part(whole.sighting),
            stale_reads: part(whole.stale_reads),
            verification: part(whole.verification),
            retry: (part(whole.retry.0), part(whole.retry.1)),
            refused: part(whole.refused),
            deadline: part(whole.deadline),
            resync: part(whole.resync),
            gates: part(whole.gates),
            upkeep: part(whole.upkeep),
            count: part(whole.count),
            patience: GatePatience {
                lasting: part(whole.patience.lasting),
                ..whole.patience
            },
            policies: WriteSpacing {
                storage: part(whole.policies.storage),
                first: part(whole.policies.first),
                longest: part(whole.policies.longest),
            },
            webhook_delay: part(whole.webhook_delay),
            ..whole
        }
    }

    /// Wait before attempt `failures` + 1: exponential, with a jitter of up to half that depends on `seed`, so that identities
    /// that failed together are not retried together.
    #[must_use]
    pub fn backoff(&self, failures: u32, seed: &str) -> Duration {
        let (first, last) = self.retry;
        let doubled = first.saturating_mul(1 << failures.min(16)).min(last);
        doubled.mul_f64(0.5 + fraction((seed, failures)) / 2.0)
    }

    /// Wait before attempt `failures` + 1 after a refusal by the organization: exponential up to the time between two drift
    /// checks, with a jitter of up to a quarter that depends on `seed`.
    #[must_use]
    pub fn organization_backoff(&self, failures: u32, seed: &str) -> Duration {
        let times = 1 << failures.saturating_sub(1).min(16);
        let longest = self.resync.max(self.refused);
        let doubled = self.refused.saturating_mul(times).min(longest);
        doubled.mul_f64(0.75 + fraction((seed, failures)) / 4.0)
    }

    /// When the first drift check of an identity is due after a start: spread over the whole period by `seed`.
    #[must_use]
    pub fn first_check(period: Duration, seed: &str) -> Duration {
        period.mul_f64(fraction(seed))
    }
}

/// A number in 0..1 that depends on `seed` only. Good enough to spread load.
fn fraction(seed: impl Hash) -> f64 {
    let mut hasher = DefaultHasher::new();
    seed.hash(&mut hasher);
    f64::from(u32::try_from(hasher.finish() >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backoff_doubles_up_to_the_longest_wait_with_jitter() {
        let timings = Timings::default();
        for (failures, whole) in [(0, 2), (1, 4), (4, 32), (5, 60), (40, 60)] {
            let wait = timings.backoff(failures, "uid");
            let whole = Duration::from_secs(whole);
            assert!(wait >= whole / 2 && wait <= whole, "{failures}: {wait:?}");
        }
        assert_ne!(timings.backoff(3, "a"), timings.backoff(3, "b"));
    }

    #[test]
    fn what_the_organization_refuses_is_retried_more_and_more_rarely_but_once_an_hour() {
        let timings = Timings::default();
        for (failures, minutes) in [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (60, 60)] {
            let wait = timings.organization_backoff(failures, "uid");
            let whole = Duration::from_mins(minutes);
            assert!(
                wait >= whole.mul_f64(0.75) && wait <= whole,
                "{failures}: {wait:?}"
            );
        }
        assert_ne!(
            timings.organization_backoff(9, "a"),
            timings.organization_backoff(9, "b")
        );
    }

    #[test]
    fn scaled_timings_have_shorter_waits_and_the_same_limits_of_calls() {
        let fast = Timings::scaled(100);
        assert_eq!(fast.verification, Duration::from_millis(50));
        assert_eq!(fast.step, Timings::default().step);
    }
}
