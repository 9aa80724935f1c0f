//! Seeds: what exists at the start, from a seed file or `POST /emulator/v1/seed`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use crate::world::pools::PoolSeed;
use crate::world::roles::CustomRole;

/// Projects, pools, accounts, buckets and their policies. Delays do not apply to them. What exists already is kept, and the
/// bindings are added to its policy.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Seed {
    /// Projects; every other entry names one of them by id.
    pub projects: Vec<ProjectSeed>,
    /// Workload identity pools.
    pub pools: Vec<PoolSeed>,
    /// Service accounts.
    pub service_accounts: Vec<AccountSeed>,
    /// Buckets.
    pub buckets: Vec<BucketSeed>,
    /// Group e-mail to its members' e-mails.
    pub groups: BTreeMap<String, BTreeSet<String>>,
    /// Custom roles.
    pub roles: Vec<CustomRole>,
    /// Changes to the default settings.
    pub settings: Value,
}

/// A project.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProjectSeed {
    /// Project id.
    pub id: String,
    /// Project number.
    pub number: u64,
    /// Bindings of its policy: `{role, members, condition?}`.
    #[serde(default)]
    pub bindings: Vec<Value>,
    /// Audit configurations of its policy: `{service, auditLogConfigs}`.
    #[serde(default)]
    pub audit_configs: Vec<Value>,
    /// Names of services that are enabled, besides those that the emulator has.
    #[serde(default)]
    pub services: Vec<String>,
}

/// A service account.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccountSeed {
    /// Project id.
    pub project: String,
    /// The part of the e-mail before the `@`.
    pub account_id: String,
    /// Name for people.
    #[serde(default)]
    pub display_name: String,
    /// Description for people.
    #[serde(default)]
    pub description: String,
    /// Bindings of its policy.
    #[serde(default)]
    pub bindings: Vec<Value>,
}

/// A bucket.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BucketSeed {
    /// Bucket name.
    pub name: String,
    /// Project id.
    pub project: String,
    /// Uniform bucket-level access; by default on.
    #[serde(default = "yes")]
    pub uniform_bucket_level_access: bool,
    /// Bindings of its policy, in addition to those of a new bucket.
    #[serde(default)]
    pub bindings: Vec<Value>,
    /// Managed folders.
    #[serde(default)]
    pub managed_folders: Vec<FolderSeed>,
}

/// A managed folder.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FolderSeed {
    /// Ends with `/`.
    pub name: String,
    /// Bindings of its policy.
    #[serde(default)]
    pub bindings: Vec<Value>,
}

fn yes() -> bool {
    true
}

impl Seed {
    /// Parses a seed file in YAML or JSON.
    ///
    /// # Errors
    /// What is wrong, and where in the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    }
}
