//! Roles and their permissions: a part of Google's predefined roles, and the projects' custom roles.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::BASE64;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::world::resource::Resource;

mod table;

use table::{GROUPS, Row, TABLE};

/// A custom role of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomRole {
    /// `projects/P/roles/R`
    pub name: String,
    /// Title for people.
    #[serde(default)]
    pub title: String,
    /// Description for people.
    #[serde(default)]
    pub description: String,
    /// Launch stage, such as `GA`. With `DISABLED` the role grants nothing.
    #[serde(default)]
    pub stage: String,
    /// Permissions, without wildcards.
    pub included_permissions: Vec<String>,
}

/// Whether a custom role exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existence {
    Never,
    Live,
    /// It can be undeleted; its bindings have no effect.
    Deleted,
    /// It cannot be undeleted, and its id cannot be used again yet.
    Purged,
}

/// How long a deleted role can be undeleted.
const RETENTION: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long the id of a deleted role cannot be used again.
const ID_RETENTION: SignedDuration = SignedDuration::from_hours(37 * 24);

/// Predefined and custom roles.
#[derive(Debug, Default)]
pub(crate) struct Roles {
    pub(crate) custom: BTreeMap<String, CustomRole>,
    deleted: BTreeMap<String, Timestamp>,
    /// Number of changes of each custom role, from which its etag is made.
    revisions: BTreeMap<String, u64>,
}

impl Roles {
    /// Whether the role exists and is not deleted.
    pub(crate) fn exists(&self, role: &str) -> bool {
        let custom = self.custom.contains_key(role) && !self.deleted.contains_key(role);
        custom || row(role).is_some()
    }

    /// Whether a custom role exists or existed.
    pub(crate) fn existence(&self, role: &str, now: Timestamp) -> Existence {
        if !self.custom.contains_key(role) {
            return Existence::Never;
        }
        match self
            .deleted
            .get(role)
            .map(|since| now.duration_since(*since))
        {
            None => Existence::Live,
            Some(ago) if ago <= RETENTION => Existence::Deleted,
            Some(ago) if ago <= ID_RETENTION => Existence::Purged,
            Some(_) => Existence::Never,
        }
    }

    /// Adds or replaces a custom role.
    pub(crate) fn put(&mut self, role: CustomRole) {
        *self.revisions.entry(role.name.clone()).or_default() += 1;
        self.deleted.remove(&role.name);
        self.custom.insert(role.name.clone(), role);
    }

    /// Deletes a custom role as of `since`, or undeletes it.
    pub(crate) fn set_deleted(&mut self, role: &str, since: Option<Timestamp>) {
        *self.revisions.entry(role.to_owned()).or_default() += 1;
        match since {
            Some(since) => self.deleted.insert(role.to_owned(), since),
            None => self.deleted.remove(role),
        };
    }

    /// The names of a project's custom roles.
    pub(crate) fn of_project(&self, project: &str) -> impl Iterator<Item = &str> {
        let prefix = format!("projects/{project}/roles/");
        let names = self.custom.keys().map(String::as_str);
        names.filter(move |name| name.starts_with(&prefix))
    }

    /// The permissions of all roles.
    pub(crate) fn permissions(&self) -> BTreeSet<&str> {
        let mut all: BTreeSet<&str> = self.predefined().flat_map(permissions).collect();
        for role in self.custom.values() {
            all.extend(role.included_permissions.iter().map(String::as_str));
        }
        all
    }

    /// The names of the predefined roles.
    pub(crate) fn predefined(&self) -> impl Iterator<Item = &'static str> + use<> {
        TABLE.iter().map(|(name, ..)| *name)
    }

    /// Whether `role` includes `permission`.
    pub(crate) fn includes(&self, role: &str, permission: &str) -> bool {
        self.has_permission(role, |each| each == permission)
    }

    /// Whether `role` can be granted on `resource`: it must include a permission of this kind of resource.
    pub(crate) fn supported(&self, role: &str, resource: &Resource) -> bool {
        match resource {
            Resource::Project(_) => !role.starts_with("roles/storage.legacy"),
            Resource::ServiceAccount { .. } => {
                self.has_permission(role, |each| each.starts_with("iam.serviceAccounts."))
            }
            Resource::Bucket(_) => {
                !is_basic(role) && self.has_permission(role, |each| each.starts_with("storage."))
            }
            Resource::ManagedFolder { .. } => {
                let folders = |each: &str| {
                    each.starts_with("storage.objects.")
                        || each.starts_with("storage.managedFolders.")
                };
                !is_basic(role)
                    && !role.starts_with("roles/storage.legacyBucket")
                    && self.has_permission(role, folders)
            }
        }
    }

    /// The JSON of the role; empty fields are omitted.
    pub(crate) fn render(&self, role: &str) -> Option<Value> {
        let Some(custom) = self.custom.get(role) else {
            let (_, title, _) = row(role)?;
            let permissions: Vec<&str> = permissions(role).collect();
            return Some(json!({
                "name": role, "title": title, "includedPermissions": permissions, "stage": "GA", "etag": "AA==",
            }));
        };
        let revision = self.revisions.get(role).copied().unwrap_or_default();
        let etag = BASE64.encode(&[b"\x07\x06".as_slice(), &revision.to_be_bytes()[2..]].concat());
        let mut shown = json!({"name": role, "etag": etag});
        if let Some(shown) = shown.as_object_mut() {
            for (key, text) in [
                ("title", &custom.title),
                ("description", &custom.description),
                ("stage", &custom.stage),
            ] {
                if !text.is_empty() {
                    shown.insert(key.to_owned(), json!(text));
                }
            }
            if !custom.included_permissions.is_empty() {
                shown.insert(
                    "includedPermissions".to_owned(),
                    json!(custom.included_permissions),
                );
            }
            if self.deleted.contains_key(role) {
                shown.insert("deleted".to_owned(), json!(true));
            }
        }
        Some(shown)
    }

    fn has_permission(&self, role: &str, test: impl Fn(&str) -> bool) -> bool {
        match self.custom.get(role) {
            Some(custom) => {
                let is_effective = custom.stage != "DISABLED" && !self.deleted.contains_key(role);
                is_effective && custom.included_permissions.iter().any(|each| test(each))
            }
            None => permissions(role).any(test),
        }
    }
}

/// Whether it is a basic role; those cannot have conditions.
pub(crate) fn is_basic(role: &str) -> bool {
    matches!(role, "roles/owner" | "roles/editor" | "roles/viewer")
}

fn row(role: &str) -> Option<&'static Row> {
    TABLE.iter().find(|(name, _, _)| *name == role)
}

/// The permissions of a predefined role, with its groups expanded.
fn permissions(role: &str) -> impl Iterator<Item = &'static str> {
    let words = row(role).map_or("", |(_, _, words)| words);
    words.split_ascii_whitespace().flat_map(|word| {
        let group = GROUPS.iter().find(|(name, _)| *name == word);
        group
            .map_or(word, |(_, words)| words)
            .split_ascii_whitespace()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_can_be_granted_on_the_resources_that_google_allows() {
        let roles = Roles::default();
        let account = Resource::ServiceAccount {
            uid: "1".into(),
            project: "p".into(),
        };
        assert!(roles.supported("roles/iam.workloadIdentityUser", &account));
        assert!(!roles.supported("roles/storage.objectUser", &account));
        let folder = Resource::ManagedFolder {
            bucket: "b".into(),
            folder: "f/".into(),
        };
        assert!(roles.supported("roles/storage.objectUser", &folder));
        assert!(!roles.supported("roles/storage.legacyBucketOwner", &folder));
        assert!(!roles.supported(
            "roles/iam.workloadIdentityUser",
            &Resource::Bucket("b".into())
        ));
        assert!(roles.includes(
            "roles/iam.workloadIdentityUser",
            "iam.serviceAccounts.getAccessToken"
        ));
        assert!(!roles.includes("roles/owner", "iam.serviceAccounts.getAccessToken"));
        assert!(!roles.exists("roles/none"));
        let groups = TABLE
            .iter()
            .flat_map(|(role, _, _)| permissions(role))
            .filter(|word| word.starts_with('@'));
        assert_eq!(groups.count(), 0, "an undefined group");
    }
}
