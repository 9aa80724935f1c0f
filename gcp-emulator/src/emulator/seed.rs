//! What is there from the beginning: a seed file, or `POST /emulator/v1/seed`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::errors::ApiError;
use crate::policy::write;
use crate::services::iam::check_id;
use crate::services::storage::managed_folders;
use crate::world::accounts::{Account, State as AccountState, email};
use crate::world::buckets::Bucket;
use crate::world::controls::clock::long_ago;
use crate::world::pools::PoolSeed;
use crate::world::resource::Resource;
use crate::world::roles::CustomRole;
use crate::world::{Project, World};

/// Projects, pools, accounts, buckets and who may use them. All of it has been known everywhere for long: delays
/// do not apply. What exists already stays, and the bindings named here are added to its own.
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
    /// The projects' own roles.
    pub roles: Vec<CustomRole>,
    /// Changes to the default settings.
    pub settings: Value,
}

/// A project.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProjectSeed {
    /// Project id.
    pub id: String,
    /// Project number.
    pub number: u64,
    /// Bindings of its policy: `{role, members, condition?}`.
    #[serde(default)]
    pub bindings: Vec<Value>,
}

/// A service account.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccountSeed {
    /// Project id.
    pub project: String,
    /// What stands before the `@`.
    pub account_id: String,
    /// For people.
    #[serde(default)]
    pub display_name: String,
    /// For people.
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
    /// Uniform bucket-level access: on, unless said otherwise.
    #[serde(default = "yes")]
    pub uniform_bucket_level_access: bool,
    /// Bindings of its policy, besides those that every new bucket has.
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
    /// Reads a seed file, YAML or JSON.
    ///
    /// # Errors
    /// Where in the text, and what.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    }
}

impl World {
    /// Adds what `seed` names.
    ///
    /// # Errors
    /// A sentence that names the entry: what came before it has been added.
    pub(crate) fn seed(&mut self, seed: Seed) -> Result<(), String> {
        if !seed.settings.is_null() {
            self.settings = self
                .settings
                .merged(&seed.settings)
                .map_err(|error| format!("settings: {error}"))?;
        }
        for (group, people) in seed.groups {
            let people = people.into_iter().map(|person| person.to_ascii_lowercase());
            self.groups
                .entry(group.to_ascii_lowercase())
                .or_default()
                .extend(people);
        }
        for role in seed.roles {
            self.roles.put(role);
        }
        let mut policies = Vec::new();
        for project in seed.projects {
            self.seed_project(&project)?;
            policies.push((Resource::Project(project.id), project.bindings));
        }
        let since = long_ago(self.clock.now());
        for pool in seed.pools {
            self.put_pool(pool, since)?;
        }
        for account in seed.service_accounts {
            policies.push((self.seed_account(&account)?, account.bindings));
        }
        for bucket in seed.buckets {
            policies.extend(self.seed_bucket(bucket)?);
        }
        for (resource, bindings) in policies {
            self.seed_policy(&resource, &bindings).map_err(|error| {
                format!("policy of {}: {}", resource.full_name(), error.message)
            })?;
        }
        Ok(())
    }

    fn seed_project(&mut self, seed: &ProjectSeed) -> Result<(), String> {
        let (id, number) = (&seed.id, seed.number);
        let clash = |project: &&Project| (project.id == *id) != (project.number == number);
        if let Some(other) = self.projects.values().find(clash) {
            return Err(format!(
                "project {id} ({number}): project {} ({}) is another one",
                other.id, other.number
            ));
        }
        let project = Project {
            id: id.clone(),
            number,
        };
        self.projects.insert(id.clone(), project);
        Ok(())
    }

    fn seed_account(&mut self, seed: &AccountSeed) -> Result<Resource, String> {
        let (project, id) = (&seed.project, &seed.account_id);
        if !self.projects.contains_key(project) {
            return Err(format!(
                "service account {id}: project: \"{project}\" is unknown"
            ));
        }
        check_id(id).map_err(|error| format!("service account {id}: {}", error.message))?;
        let address = email(project, id);
        if self.accounts.live(&address).is_none() {
            let state = AccountState {
                display_name: seed.display_name.clone(),
                description: seed.description.clone(),
                ..AccountState::default()
            };
            let since = long_ago(self.clock.now());
            let uid = self.random.unique_id();
            self.accounts
                .insert(Account::new(uid, project, id, since, state));
        }
        let account = self
            .accounts
            .live(&address)
            .ok_or("the account just made is gone")?;
        Ok(Resource::ServiceAccount {
            uid: account.uid.clone(),
            project: project.clone(),
        })
    }

    fn seed_bucket(&mut self, seed: BucketSeed) -> Result<Vec<(Resource, Vec<Value>)>, String> {
        let BucketSeed { name, project, .. } = seed;
        if !self.projects.contains_key(&project) {
            return Err(format!("bucket {name}: project: \"{project}\" is unknown"));
        }
        let since = long_ago(self.clock.now());
        if !self.buckets.contains_key(&name) {
            let bucket = Bucket::new(&name, &project, seed.uniform_bucket_level_access, since);
            self.add_bucket(bucket, since);
        }
        let mut policies = vec![(Resource::Bucket(name.clone()), seed.bindings)];
        for each in seed.managed_folders {
            managed_folders::check_name(&each.name)
                .map_err(|error| format!("bucket {name}: {}", error.message))?;
            if let Some(bucket) = self.buckets.get_mut(&name) {
                bucket.folders.entry(each.name.clone()).or_insert(since);
            }
            let resource = Resource::ManagedFolder {
                bucket: name.clone(),
                folder: each.name,
            };
            policies.push((resource, each.bindings));
        }
        Ok(policies)
    }

    fn seed_policy(&mut self, resource: &Resource, more: &[Value]) -> Result<(), ApiError> {
        if more.is_empty() {
            return Ok(());
        }
        let current = self.policies.current(resource).render(resource, 3, self);
        let mut bindings = current
            .get("bindings")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        bindings.extend_from_slice(more);
        let wanted = json!({"version": 3, "bindings": bindings});
        let since = long_ago(self.clock.now());
        write::set_since(self, resource, &wanted, since).map(drop)
    }
}
