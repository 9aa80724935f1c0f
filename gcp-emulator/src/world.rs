//! The emulated state: everything that the APIs read and write.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::api::caller::Grant;
use crate::api::errors::ApiError;
use crate::api::principal::Principal;
use crate::world::accounts::Accounts;
use crate::world::buckets::Bucket;
use crate::world::controls::clock::{Clock, ago};
use crate::world::controls::faults::Faults;
use crate::world::controls::quotas::{Quota, Quotas};
use crate::world::controls::random::Random;
use crate::world::controls::request_log::RequestLog;
use crate::world::controls::settings::Settings;
use crate::world::policies::Policies;
use crate::world::pools::Pools;
use crate::world::projects::Project;
use crate::world::roles::Roles;
use crate::world::tokens::Tokens;

pub(crate) mod accounts;
pub(crate) mod buckets;
pub(crate) mod controls;
pub(crate) mod jwt;
pub(crate) mod members;
pub(crate) mod object_store;
pub(crate) mod policies;
pub(crate) mod pools;
pub(crate) mod projects;
pub(crate) mod resource;
pub(crate) mod roles;
pub(crate) mod state;
pub(crate) mod tokens;

/// All emulated state, behind one lock that is never held across an await.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) settings: Settings,
    pub(crate) projects: BTreeMap<String, Project>,
    /// Long-running operations by name.
    pub(crate) operations: BTreeMap<String, Value>,
    pub(crate) groups: BTreeMap<String, BTreeSet<String>>,
    pub(crate) roles: Roles,
    pub(crate) accounts: Accounts,
    pub(crate) policies: Policies,
    pub(crate) pools: Pools,
    pub(crate) buckets: BTreeMap<String, Bucket>,
    pub(crate) tokens: Tokens,
    pub(crate) quotas: Quotas,
    pub(crate) faults: Faults,
    pub(crate) request_log: RequestLog,
}

impl World {
    pub(crate) fn new(clock: Clock, seed: Option<u64>, settings: Settings) -> Self {
        Self {
            clock,
            random: Random::new(seed),
            settings,
            projects: BTreeMap::new(),
            operations: BTreeMap::new(),
            groups: BTreeMap::new(),
            roles: Roles::default(),
            accounts: Accounts::default(),
            policies: Policies::default(),
            pools: Pools::default(),
            buckets: BTreeMap::new(),
            tokens: Tokens::default(),
            quotas: Quotas::default(),
            faults: Faults::default(),
            request_log: RequestLog::default(),
        }
    }

    /// The time up to which changes are visible to the replica that serves this call, if they take `delay` seconds to
    /// propagate.
    pub(crate) fn horizon(&mut self, delay: f64) -> Timestamp {
        let replicas = u64::from(self.settings.replicas.max(1));
        let replica = match replicas {
            1 => 1,
            several => self.random.below(several) + 1,
        };
        #[expect(clippy::cast_precision_loss, reason = "there are few replicas")]
        let share = replica as f64 / replicas as f64;
        ago(self.clock.now(), delay * share)
    }

    /// The number of the project of a pool, if the pool is visible yet.
    pub(crate) fn visible_pool_number(&mut self, pool: &str) -> Option<u64> {
        let horizon = self.horizon(self.settings.delays.pool);
        let pool = self
            .pools
            .get(pool)
            .filter(|pool| pool.created <= horizon)?;
        Some(pool.number)
    }

    /// Whether a principal can use its tokens: a service account must be neither disabled nor deleted.
    pub(crate) fn is_active(&mut self, principal: &Principal) -> bool {
        let Principal::ServiceAccount { uid, .. } = principal else {
            return true;
        };
        let horizon = self.horizon(self.settings.delays.service_account_state);
        self.accounts.by_uid(uid).is_some_and(|account| {
            let state = account.at(horizon);
            !state.disabled && state.deleted.is_none()
        })
    }

    /// Takes one from a quota of a project.
    ///
    /// # Errors
    /// 429 if nothing is left.
    pub(crate) fn take_quota(&mut self, quota: Quota, project: &str) -> Result<(), ApiError> {
        let (number, now) = (self.number(project), self.clock.now());
        self.quotas.take(quota, number, &self.settings.limits, now)
    }

    /// Issues an access token of a principal.
    pub(crate) fn issue_token(
        &mut self,
        principal: Principal,
        scopes: Vec<String>,
        lifetime: SignedDuration,
    ) -> (String, Grant) {
        let now = self.clock.token_now();
        self.tokens
            .issue(&mut self.random, principal, scopes, lifetime, now)
    }
}
