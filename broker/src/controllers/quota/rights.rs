//! What the broker may do at Google: it asks once an hour, after each edit of the rules, and at each count while something is
//! lacking or not known; and reports what it lacks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use namesake_core::{GrantTarget, Rules};
use namesake_gcp::{Error, Gcp, Resource};
use tokio::time::Instant;
use tracing::debug;

use super::report::policy_name;
use crate::google::precheck::permissions::needed;

/// The text of a resource where nothing is lacking.
const NOTHING_LACKS: &str = "all that the rules need";
/// How long answers hold if nothing is lacking.
const EVERY: Duration = Duration::from_hours(1);
/// What the broker needs in a project with identities: `identities` in `terraform/modules/namesake/permissions.json`.
const OF_IDENTITIES: [&str; 9] = [
    "iam.serviceAccounts.create",
    "iam.serviceAccounts.delete",
    "iam.serviceAccounts.disable",
    "iam.serviceAccounts.enable",
    "iam.serviceAccounts.get",
    "iam.serviceAccounts.getIamPolicy",
    "iam.serviceAccounts.list",
    "iam.serviceAccounts.setIamPolicy",
    "iam.serviceAccounts.undelete",
];
/// What it needs in a bucket in which it creates folders: `folders` in the same file, without what reading the bucket takes.
const OF_FOLDERS: [&str; 3] = [
    "storage.managedFolders.create",
    "storage.managedFolders.getIamPolicy",
    "storage.managedFolders.setIamPolicy",
];

/// What the broker lacks, by resource, as text; as it was when it asked last.
#[derive(Default)]
pub(crate) struct Rights {
    asked: Option<(Instant, String)>,
    texts: BTreeMap<String, String>,
}

impl Rights {
    /// The texts, such as `all that the rules need` or `lacks iam.serviceAccounts.create`. Asks Google if they are old.
    pub(crate) async fn texts(&mut self, gcp: &Gcp, rules: &Rules) -> &BTreeMap<String, String> {
        let nothing_lacks = self.texts.values().all(|text| text == NOTHING_LACKS);
        let is_fresh = self
            .asked
            .as_ref()
            .is_some_and(|(when, revision)| revision == rules.revision() && when.elapsed() < EVERY);
        if !is_fresh || !nothing_lacks {
            self.texts.clear();
            for (resource, permissions) in wanted(rules) {
                let text = text(gcp, &resource, &permissions).await;
                self.texts.insert(policy_name(&resource), text);
            }
            self.asked = Some((Instant::now(), rules.revision().to_owned()));
        }
        &self.texts
    }
}

async fn text(gcp: &Gcp, resource: &Resource, permissions: &BTreeSet<&'static str>) -> String {
    let asked: Vec<&str> = permissions.iter().copied().collect();
    let held = match gcp.own_permissions(resource, &asked).await {
        Ok(held) => held,
        Err(Error::NotFound(_)) => return "lacks everything: it does not exist".to_owned(),
        Err(error) => {
            debug!(%error, %resource, "failed to ask for our own permissions");
            return "not known: Google did not answer the question".to_owned();
        }
    };
    let lacks = |permission: &&&str| !held.iter().any(|one| one == **permission);
    let missing: Vec<&str> = asked.iter().filter(lacks).copied().collect();
    if missing.is_empty() {
        NOTHING_LACKS.to_owned()
    } else {
        format!("lacks {}", missing.join(", "))
    }
}

/// What the rules need on which resource.
fn wanted(rules: &Rules) -> BTreeMap<Resource, BTreeSet<&'static str>> {
    let mut wanted = BTreeMap::<Resource, BTreeSet<&'static str>>::new();
    for id in rules.projects() {
        let project = Resource::Project { id: id.to_owned() };
        wanted.entry(project).or_default().extend(OF_IDENTITIES);
    }
    for grant in rules.grants_of_key("key") {
        let (resource, permissions) = match grant.on {
            GrantTarget::Project { project: id } => {
                let project = Resource::Project { id };
                let permissions = needed(&project);
                (project, permissions)
            }
            GrantTarget::Bucket { bucket: name } | GrantTarget::Prefix { bucket: name, .. } => {
                let bucket = Resource::Bucket { name };
                let permissions = needed(&bucket);
                (bucket, permissions)
            }
            GrantTarget::Folder { bucket: name, .. } => {
                (Resource::Bucket { name }, &OF_FOLDERS[..])
            }
            GrantTarget::OwnServiceAccount => continue,
        };
        wanted.entry(resource).or_default().extend(permissions);
    }
    wanted
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn what_is_needed_is_what_terraform_gives() {
        let text = include_str!("../../../../terraform/modules/namesake/permissions.json");
        let given: Value = serde_json::from_str(text).unwrap();
        assert_eq!(given["identities"], serde_json::json!(OF_IDENTITIES));
        let of_folders = given["folders"].as_array().unwrap();
        let of_folders: Vec<_> = of_folders
            .iter()
            .filter(|one| *one != "storage.buckets.get")
            .collect();
        assert_eq!(of_folders, OF_FOLDERS);
    }

    #[test]
    fn the_rules_say_where_what_is_needed() {
        let rules = crate::fixtures::rules();
        let wanted = wanted(&rules);
        let project = Resource::Project {
            id: "acme-identities".to_owned(),
        };
        assert!(wanted[&project].is_superset(&OF_IDENTITIES.into()));
        let bucket = Resource::Bucket {
            name: "acme-mf".to_owned(),
        };
        assert!(
            wanted[&bucket].contains("storage.managedFolders.create"),
            "{wanted:?}"
        );
    }
}
