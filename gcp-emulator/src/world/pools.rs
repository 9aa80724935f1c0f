//! Workload identity pools: the issuers whose tokens STS accepts, and their keys.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::world::jwt::Keys;

/// A pool in a seed file or in `PUT /emulator/v1/pools/{pool}`, which adds or replaces its issuer.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PoolSeed {
    /// `PROJECT.svc.id.goog`, or the id of a pool with an OIDC provider. In a PUT it is in the path.
    #[serde(default)]
    pub pool: String,
    /// Id of the pool's project; absent: `PROJECT` of `PROJECT.svc.id.goog`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// `iss` of the tokens; on GKE the URL of the cluster.
    pub issuer: String,
    /// The issuer's JSON Web Key Set.
    pub jwks: Value,
    /// Id of the provider, for a pool that is not GKE's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Audiences that such a provider accepts instead of its own name.
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
    /// Adds an issuer to a pool. A pool that does not exist is created as of `since`.
    ///
    /// # Errors
    /// The project is unknown, or the key set is invalid.
    pub(crate) fn put_pool(&mut self, seed: PoolSeed, since: Timestamp) -> Result<(), String> {
        let by_name = seed.pool.strip_suffix(".svc.id.goog");
        let project = seed.project.as_deref().or(by_name).unwrap_or_default();
        let Some(number) = self.project(project).map(|project| project.number) else {
            return Err(format!(
                "pool {}: project: \"{project}\" is unknown: add the project first, or name an existing one",
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
