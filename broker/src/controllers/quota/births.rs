//! When the Identities were made that something is counted of: gathered in one pass over all of them. Pure.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use namesake_api::{Identity, Mode};
use namesake_gcp::Resource;

use crate::identity::plan::Desired;

/// Times by what is counted.
#[derive(Debug, Default)]
pub(super) struct Births {
    all: Vec<Timestamp>,
    projects: HashMap<String, Vec<Timestamp>>,
    policies: BTreeMap<Resource, Vec<Timestamp>>,
}

impl Births {
    /// None yet, of accounts in these projects and members of these policies.
    pub(super) fn of<'a>(
        projects: impl Iterator<Item = &'a str>,
        policies: impl Iterator<Item = Resource>,
    ) -> Self {
        Self {
            all: Vec::new(),
            projects: projects.map(|one| (one.to_owned(), Vec::new())).collect(),
            policies: policies.map(|one| (one, Vec::new())).collect(),
        }
    }

    /// One Identity more.
    pub(super) fn add(&mut self, identity: &Identity) {
        let Some(born) = identity.metadata.creation_timestamp.as_ref() else {
            return;
        };
        let (born, spec) = (born.0, &identity.spec);
        self.all.push(born);
        let has_account = spec.mode == Mode::Impersonate && !spec.pinned;
        if let Some(times) = self.projects.get_mut(&spec.project).filter(|_| has_account) {
            times.push(born);
        }
        if self.policies.is_empty() {
            return;
        }
        for resource in Desired::of(spec).grants.into_keys() {
            if let Some(times) = self.policies.get_mut(&resource) {
                times.push(born);
            }
        }
    }

    /// Of all.
    pub(super) fn all(&self) -> &[Timestamp] {
        &self.all
    }

    /// Of those that have a GSA of their own in this project.
    pub(super) fn in_project(&self, project: &str) -> &[Timestamp] {
        self.projects.get(project).map_or(&[], Vec::as_slice)
    }

    /// Of those that are in this policy.
    pub(super) fn in_policy(&self, resource: &Resource) -> &[Timestamp] {
        self.policies.get(resource).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::fixtures;

    #[test]
    fn each_counts_where_it_takes_room_and_nowhere_else() {
        let mut own = fixtures::identity();
        own.metadata.creation_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        let mut pinned = own.clone();
        pinned.spec.pinned = true;
        let mut direct = own.clone();
        direct.spec.mode = Mode::Direct;
        let policy = Desired::of(&own.spec).grants.into_keys().next().unwrap();
        let other = Resource::Bucket { name: "b".into() };
        let mut births = Births::of(
            ["acme-identities", "acme"].into_iter(),
            [policy.clone(), other.clone()].into_iter(),
        );
        [own, pinned, direct].iter().for_each(|one| births.add(one));
        let counts = ["acme-identities", "acme", "?"].map(|id| births.in_project(id).len());
        assert_eq!((births.all().len(), counts), (3, [1, 0, 0]));
        // Nothing is granted to a pinned account.
        let counts = [policy, other].map(|one| births.in_policy(&one).len());
        assert_eq!(counts, [2, 0]);
    }
}
