//! Adds a seed to the emulated state.

use serde_json::{Value, json};

use super::seed::{AccountSeed, BucketSeed, ProjectSeed, Seed};
use crate::api::errors::ApiError;
use crate::policy::write;
use crate::services::iam::accounts::check_id;
use crate::services::storage::managed_folders;
use crate::world::World;
use crate::world::accounts::{Account, AccountState, email};
use crate::world::buckets::Bucket;
use crate::world::controls::clock::long_ago;
use crate::world::projects::Project;
use crate::world::resource::Resource;

impl World {
    /// Adds what `seed` describes.
    ///
    /// # Errors
    /// The entry that is invalid; those before it have been added.
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
            let content = (project.bindings, project.audit_configs);
            policies.push((Resource::Project(project.id), content));
        }
        let since = long_ago(self.clock.now());
        for pool in seed.pools {
            self.put_pool(pool, since)?;
        }
        for account in seed.service_accounts {
            let resource = self.seed_account(&account)?;
            policies.push((resource, (account.bindings, Vec::new())));
        }
        for bucket in seed.buckets {
            let found = self.seed_bucket(bucket)?.into_iter();
            policies.extend(found.map(|(resource, bindings)| (resource, (bindings, Vec::new()))));
        }
        for (resource, content) in policies {
            self.seed_policy(&resource, &content).map_err(|error| {
                format!("policy of {}: {}", resource.full_name(), error.message)
            })?;
        }
        Ok(())
    }

    fn seed_project(&mut self, seed: &ProjectSeed) -> Result<(), String> {
        let (id, number) = (&seed.id, seed.number);
        let conflicts = |project: &&Project| (project.id == *id) != (project.number == number);
        if let Some(other) = self.projects.values().find(conflicts) {
            return Err(format!(
                "project {id} ({number}): conflicts with project {} ({})",
                other.id, other.number
            ));
        }
        let since = long_ago(self.clock.now());
        let project = self.projects.entry(id.clone());
        let project = project.or_insert_with(|| Project::new(id, number, since));
        project.services.extend(seed.services.iter().cloned());
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
            .ok_or("the new account does not exist")?;
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

    /// Adds bindings and audit configurations to a policy.
    fn seed_policy(
        &mut self,
        resource: &Resource,
        (bindings, audit_configs): &(Vec<Value>, Vec<Value>),
    ) -> Result<(), ApiError> {
        if bindings.is_empty() && audit_configs.is_empty() {
            return Ok(());
        }
        let current = self.policies.current(resource).render(resource, 3, self);
        let with = |name: &str, more: &[Value]| {
            let list = current.get(name).and_then(Value::as_array);
            let mut list = list.cloned().unwrap_or_default();
            list.extend_from_slice(more);
            list
        };
        let wanted = json!({
            "version": 3,
            "bindings": with("bindings", bindings),
            "auditConfigs": with("auditConfigs", audit_configs),
        });
        let since = long_ago(self.clock.now());
        write::set_since(self, resource, &wanted, since).map(drop)
    }
}
