//! Workload identity pools: whose tokens STS believes, and with which keys.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::world::jwt::Keys;

/// A pool as `PUT /emulator/v1/pools/{pool}` and seed files give it. A PUT adds or replaces the one issuer.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PoolSeed {
    /// `PROJECT.svc.id.goog`, or the id of a pool with an OIDC provider. The path names it in a PUT.
    #[serde(default)]
    pub pool: String,
    /// The project (id) that the pool is in; `PROJECT` of `PROJECT.svc.id.goog` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// `iss` of the tokens: for GKE the cluster's URL.
    pub issuer: String,
    /// The issuer's JSON Web Key Set.
    pub jwks: Value,
    /// The provider's id, for a pool that is not GKE's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Audiences that such a provider accepts besides its own name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_audiences: Vec<String>,
}

/// A pool and its issuers.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) number: u64,
    pub(crate) created: Timestamp,
    pub(crate) issuers: BTreeMap<String, Issuer>,
}

/// One trusted issuer.
#[derive(Debug)]
pub(crate) struct Issuer {
    pub(crate) keys: Keys,
    pub(crate) provider: Option<String>,
    pub(crate) allowed_audiences: Vec<String>,
}

/// Pools by name.
pub(crate) type Pools = BTreeMap<String, Pool>;

impl crate::world::World {
    /// Adds an issuer to a pool, and the pool if it is new (then known to IAM from `since` on).
    ///
    /// # Errors
    /// A sentence: the project or the key set is wrong.
    pub(crate) fn put_pool(&mut self, seed: PoolSeed, since: Timestamp) -> Result<(), String> {
        let of_name = seed.pool.strip_suffix(".svc.id.goog");
        let project = seed.project.as_deref().or(of_name).unwrap_or_default();
        let Some(number) = self.project(project).map(|project| project.number) else {
            return Err(format!(
                "pool {}: project: \"{project}\" is unknown: add the project first, or name one that exists",
                seed.pool
            ));
        };
        let keys = Keys::parse(&seed.jwks)
            .map_err(|error| format!("pool {}: jwks: {error}", seed.pool))?;
        let pool = self.pools.entry(seed.pool).or_insert_with(|| Pool {
            number,
            created: since,
            issuers: BTreeMap::new(),
        });
        pool.issuers.insert(
            seed.issuer,
            Issuer {
                keys,
                provider: seed.provider,
                allowed_audiences: seed.allowed_audiences,
            },
        );
        Ok(())
    }
}
