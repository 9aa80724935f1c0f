//! When the Identities that use each quota were created, collected in one pass over all of them. Pure.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use namesake_api::{Identity, Mode};
use namesake_gcp::Resource;

use crate::identity::plan::Desired;

/// Creation times by quota.
#[derive(Debug, Default)]
pub(super) struct CreationTimes {
    all: Vec<Timestamp>,
    projects: HashMap<String, Vec<Timestamp>>,
    policies: BTreeMap<Resource, Vec<Timestamp>>,
}

impl CreationTimes {
    /// No times yet, for accounts in these projects and members of these policies.
    pub(super) fn new<'a>(
        projects: impl Iterator<Item = &'a str>,
        policies: impl Iterator<Item = Resource>,
    ) -> Self {
        Self {
            all: Vec::new(),
            projects: projects.map(|one| (one.to_owned(), Vec::new())).collect(),
            policies: policies.map(|one| (one, Vec::new())).collect(),
        }
    }

    /// Adds an Identity.
    pub(super) fn add(&mut self, identity: &Identity) {
        let Some(created) = identity.metadata.creation_timestamp.as_ref() else {
            return;
        };
        let (created, spec) = (created.0, &identity.spec);
        self.all.push(created);
        let has_account = spec.mode == Mode::Impersonate && !spec.pinned;
        if let Some(times) = self.projects.get_mut(&spec.project).filter(|_| has_account) {
            times.push(created);
        }
        if self.policies.is_empty() {
            return;
        }
        for resource in Desired::of(spec).grants.into_keys() {
            if let Some(times) = self.policies.get_mut(&resource) {
                times.push(created);
            }
        }
    }

    /// Of all Identities.
    pub(super) fn all(&self) -> &[Timestamp] {
        &self.all
    }

    /// Of the Identities with a GSA of their own in this project.
    pub(super) fn in_project(&self, project: &str) -> &[Timestamp] {
        self.projects.get(project).map_or(&[], Vec::as_slice)
    }

    /// Of the Identities that are in this policy.
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
    fn an_identity_counts_for_the_quotas_that_it_uses() {
        let mut own = fixtures::identity();
        own.metadata.creation_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        let mut pinned = own.clone();
        pinned.spec.pinned = true;
        let mut direct = own.clone();
        direct.spec.mode = Mode::Direct;
        let policy = Desired::of(&own.spec).grants.into_keys().next().unwrap();
        let other = Resource::Bucket { name: "b".into() };
        let mut times = CreationTimes::new(
            ["acme-identities", "acme"].into_iter(),
            [policy.clone(), other.clone()].into_iter(),
        );
        [own, pinned, direct].iter().for_each(|one| times.add(one));
        let counts = ["acme-identities", "acme", "?"].map(|id| times.in_project(id).len());
        assert_eq!((times.all().len(), counts), (3, [1, 0, 0]));
        // A pinned account gets no grants.
        let counts = [policy, other].map(|one| times.in_policy(&one).len());
        assert_eq!(counts, [2, 0]);
    }
}
