//! What the broker is told: where it lives, how often, how fast. Clock and intervals are given, so that tests run fast.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use namesake_api::names;

use crate::controllers::gates::Patience;

use crate::google::policies::{Room, Spacing};
use crate::google::roles::AllowedRoles;

/// Tells the time; tests give their own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The clock of the machine.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(Timestamp::now)
}

/// What one broker is told.
#[derive(Clone)]
pub struct Config {
    /// Our own namespace: rules, accepted rules, the authority's Secret and the webhook's account live there.
    pub namespace: String,
    /// DNS names and IP addresses in the server's certificate.
    pub tls_names: Vec<String>,
    /// Name of this replica, for people who look at the Lease.
    pub replica: String,
    /// How long to go on answering after the first signal to stop.
    pub drain: Duration,
    /// New identities that one user may have in a minute.
    pub identities_per_minute: u32,
    /// Roles that may be given to identities, whatever the rules say.
    pub allowed_roles: AllowedRoles,
    /// Google service accounts that a project may have; without it, Google says when there are enough.
    pub accounts_per_project: Option<u64>,
    /// What a policy at Google may hold.
    pub policy_room: Room,
    /// How long the disabled GSA of a user who has left is kept.
    pub offboarding_grace: Duration,
    /// For so long after a user was put under `offboarded`, taking the entry back undoes it.
    pub offboarding_undo: Duration,
    /// Whether garbage is collected, or only reported.
    pub collect: bool,
    /// How long garbage, or an Identity that the rules no longer make, is left alone.
    pub collect_after: Duration,
    /// Reads of Google in a minute that looking for drift may cost: a tenth of the quota.
    pub look_reads_per_minute: u32,
    /// Proofs that run at the same time.
    pub proofs_at_once: u16,
    /// Intervals and deadlines.
    pub timings: Timings,
    /// Tells the time.
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
            policy_room: Room::default(),
            offboarding_grace: Duration::from_hours(30 * 24),
            offboarding_undo: Duration::from_mins(10),
            look_reads_per_minute: names::LOOK_READS_PER_MINUTE,
            proofs_at_once: names::PROOFS_AT_ONCE,
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
    /// How long nobody else leads after a leader has renewed its Lease for the last time.
    pub lease: Duration,
    /// How long a positive answer of TokenReview counts.
    pub token_cache: Duration,
    /// Between two looks at a new GSA; Google's reads are eventually consistent.
    pub sighting: Duration,
    /// For so long Google may show what was before a write (policies may take seven minutes to be known everywhere).
    pub stale_reads: Duration,
    /// Between two proofs of one identity; Google's replicas learn a binding one by one.
    pub proof: Duration,
    /// First and longest wait after something that may pass by itself.
    pub retry: (Duration, Duration),
    /// Wait after a refusal that a person has to lift; the first wait after one that an administrator of the organization has to.
    pub refused: Duration,
    /// How long proving may take before the condition says that it takes too long.
    pub deadline: Duration,
    /// Between two looks at an identity that works, for drift.
    pub resync: Duration,
    /// A step of a reconcile that takes longer is given up and tried again.
    pub step: Duration,
    /// Between two writes of `lastUsedTime`.
    pub last_used: Duration,
    /// Between two looks at the pods that still wait at their gate.
    pub gates: Duration,
    /// Between two looks for a new authority of our certificates.
    pub upkeep: Duration,
    /// Between two counts of what runs out.
    pub count: Duration,
    /// How long a pod waits at its gate for what does not pass by itself, and for anything: then it ends with the reason.
    pub patience: Patience,
    /// Between two writes of one policy.
    pub policies: Spacing,
    /// After so long every replica of the webhook knows that an identity gets no more pods.
    pub drain: Duration,
    /// An identity that no pod has used for so long is idle.
    pub idle: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(10),
            token_cache: Duration::from_secs(60),
            sighting: Duration::from_millis(250),
            stale_reads: Duration::from_mins(7),
            proof: Duration::from_secs(5),
            retry: (Duration::from_secs(2), Duration::from_secs(60)),
            refused: Duration::from_mins(5),
            deadline: Duration::from_mins(20),
            resync: Duration::from_hours(1),
            step: Duration::from_secs(90),
            last_used: Duration::from_hours(1),
            gates: Duration::from_secs(15),
            upkeep: Duration::from_secs(60),
            count: Duration::from_mins(10),
            patience: Patience {
                lasting: Duration::from_mins(2),
                any: Duration::from_mins(30),
            },
            policies: Spacing::default(),
            drain: Duration::from_mins(2),
            idle: Duration::from_hours(24),
        }
    }
}

impl Timings {
    /// The same, with every wait for Google `times` as short; bounds of single calls stay.
    #[must_use]
    pub fn scaled(times: u32) -> Self {
        let whole = Self::default();
        let part = |d: Duration| d / times.max(1);
        Self {
            sighting: part(whole.sighting),
            stale_reads: part(whole.stale_reads),
            proof: part(whole.proof),
            retry: (part(whole.retry.0), part(whole.retry.1)),
            refused: part(whole.refused),
            deadline: part(whole.deadline),
            resync: part(whole.resync),
            gates: part(whole.gates),
            upkeep: part(whole.upkeep),
            count: part(whole.count),
            patience: Patience {
                lasting: part(whole.patience.lasting),
                ..whole.patience
            },
            policies: Spacing {
                storage: part(whole.policies.storage),
                first: part(whole.policies.first),
                longest: part(whole.policies.longest),
            },
            drain: part(whole.drain),
            ..whole
        }
    }

    /// Wait before attempt `failures` + 1: doubled each time, between half of itself and itself by `seed`,
    /// so that identities that failed together do not come back together.
    #[must_use]
    pub fn backoff(&self, failures: u32, seed: &str) -> Duration {
        let (first, last) = self.retry;
        let doubled = first.saturating_mul(1 << failures.min(16)).min(last);
        doubled.mul_f64(0.5 + fraction((seed, failures)) / 2.0)
    }

    /// Wait before attempt `failures` + 1 after a refusal that only an administrator of the organization lifts: doubled each time,
    /// at most as long as between two looks for drift, and spread by `seed` as in [`Timings::backoff`].
    #[must_use]
    pub fn rarely(&self, failures: u32, seed: &str) -> Duration {
        let times = 1 << failures.saturating_sub(1).min(16);
        let longest = self.resync.max(self.refused);
        let doubled = self.refused.saturating_mul(times).min(longest);
        doubled.mul_f64(0.75 + fraction((seed, failures)) / 4.0)
    }

    /// When the first look for drift at an identity is due after a start: spread over the whole period by `seed`.
    #[must_use]
    pub fn first_look(period: Duration, seed: &str) -> Duration {
        period.mul_f64(fraction(seed))
    }
}

/// A number in 0..1 that depends on `seed` only: enough to spread load, nothing secret.
fn fraction(seed: impl Hash) -> f64 {
    let mut hasher = DefaultHasher::new();
    seed.hash(&mut hasher);
    f64::from(u32::try_from(hasher.finish() >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_never_fall_below_half() {
        let timings = Timings::default();
        for (failures, whole) in [(0, 2), (1, 4), (4, 32), (5, 60), (40, 60)] {
            let wait = timings.backoff(failures, "uid");
            let whole = Duration::from_secs(whole);
            assert!(wait >= whole / 2 && wait <= whole, "{failures}: {wait:?}");
        }
        assert_ne!(timings.backoff(3, "a"), timings.backoff(3, "b"));
    }

    #[test]
    fn what_the_organization_refuses_is_tried_more_and_more_rarely_and_at_least_once_in_an_hour() {
        let timings = Timings::default();
        for (failures, minutes) in [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (60, 60)] {
            let wait = timings.rarely(failures, "uid");
            let whole = Duration::from_mins(minutes);
            assert!(
                wait >= whole.mul_f64(0.75) && wait <= whole,
                "{failures}: {wait:?}"
            );
        }
        assert_ne!(timings.rarely(9, "a"), timings.rarely(9, "b"));
    }

    #[test]
    fn scaling_shortens_waits_and_keeps_the_bounds_of_calls() {
        let fast = Timings::scaled(100);
        assert_eq!(fast.proof, Duration::from_millis(50));
        assert_eq!(fast.step, Timings::default().step);
    }
}
