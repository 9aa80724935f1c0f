//! The roles that matter here, and the permissions they carry (a part of Google's, written down by hand).

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::BASE64;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::world::resource::Resource;

mod table;

use table::{GROUPS, Row, TABLE};

/// A project's own role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomRole {
    /// `projects/P/roles/R`
    pub name: String,
    /// For people.
    #[serde(default)]
    pub title: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// `GA` and the like; `DISABLED` takes the role's effect away.
    #[serde(default)]
    pub stage: String,
    /// Permissions, without wildcards.
    pub included_permissions: Vec<String>,
}

/// Whether there is a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existence {
    Never,
    Live,
    /// It can be undeleted, and its bindings are without effect.
    Deleted,
    /// It is gone for good, and its id cannot be used again yet.
    Purged,
}

/// A deleted role can be undeleted for this long.
const RETENTION: SignedDuration = SignedDuration::from_hours(7 * 24);
/// And its id can be used again after this.
const ID_FREE: SignedDuration = SignedDuration::from_hours(37 * 24);

/// Google's roles and the projects' own.
#[derive(Debug, Default)]
pub(crate) struct Roles {
    pub(crate) custom: BTreeMap<String, CustomRole>,
    deleted: BTreeMap<String, Timestamp>,
    /// Counts the changes of each role; the etag is made of it.
    revisions: BTreeMap<String, u64>,
}

impl Roles {
    /// Whether there is such a role, which is not deleted.
    pub(crate) fn exists(&self, role: &str) -> bool {
        let custom = self.custom.contains_key(role) && !self.deleted.contains_key(role);
        custom || row(role).is_some()
    }

    /// Whether there is or was such a role of a project.
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
            Some(ago) if ago <= ID_FREE => Existence::Purged,
            Some(_) => Existence::Never,
        }
    }

    /// Adds or replaces a role of a project.
    pub(crate) fn put(&mut self, role: CustomRole) {
        *self.revisions.entry(role.name.clone()).or_default() += 1;
        self.deleted.remove(&role.name);
        self.custom.insert(role.name.clone(), role);
    }

    /// Deletes a role of a project, or brings it back.
    pub(crate) fn set_deleted(&mut self, role: &str, since: Option<Timestamp>) {
        *self.revisions.entry(role.to_owned()).or_default() += 1;
        match since {
            Some(since) => self.deleted.insert(role.to_owned(), since),
            None => self.deleted.remove(role),
        };
    }

    /// The names of a project's own roles.
    pub(crate) fn of_project(&self, project: &str) -> impl Iterator<Item = &str> {
        let prefix = format!("projects/{project}/roles/");
        let names = self.custom.keys().map(String::as_str);
        names.filter(move |name| name.starts_with(&prefix))
    }

    /// Every permission that some role has.
    pub(crate) fn permissions(&self) -> BTreeSet<&str> {
        let mut all: BTreeSet<&str> = self.predefined().flat_map(permissions).collect();
        for role in self.custom.values() {
            all.extend(role.included_permissions.iter().map(String::as_str));
        }
        all
    }

    /// The names of Google's roles.
    pub(crate) fn predefined(&self) -> impl Iterator<Item = &'static str> + use<> {
        TABLE.iter().map(|(name, ..)| *name)
    }

    /// Whether `role` carries `permission`.
    pub(crate) fn includes(&self, role: &str, permission: &str) -> bool {
        self.any(role, |each| each == permission)
    }

    /// Whether `role` may stand in a policy of `resource`: it must carry a permission of that kind of resource.
    pub(crate) fn supported(&self, role: &str, resource: &Resource) -> bool {
        match resource {
            Resource::Project(_) => !role.starts_with("roles/storage.legacy"),
            Resource::ServiceAccount { .. } => {
                self.any(role, |each| each.starts_with("iam.serviceAccounts."))
            }
            Resource::Bucket(_) => {
                !basic(role) && self.any(role, |each| each.starts_with("storage."))
            }
            Resource::ManagedFolder { .. } => {
                let folders = |each: &str| {
                    each.starts_with("storage.objects.")
                        || each.starts_with("storage.managedFolders.")
                };
                !basic(role)
                    && !role.starts_with("roles/storage.legacyBucket")
                    && self.any(role, folders)
            }
        }
    }

    /// The resource as the API shows it; empty fields are left out.
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

    fn any(&self, role: &str, test: impl Fn(&str) -> bool) -> bool {
        match self.custom.get(role) {
            Some(custom) => {
                let works = custom.stage != "DISABLED" && !self.deleted.contains_key(role);
                works && custom.included_permissions.iter().any(|each| test(each))
            }
            None => permissions(role).any(test),
        }
    }
}

/// The basic roles, which take no conditions.
pub(crate) fn basic(role: &str) -> bool {
    matches!(role, "roles/owner" | "roles/editor" | "roles/viewer")
}

fn row(role: &str) -> Option<&'static Row> {
    TABLE.iter().find(|(name, _, _)| *name == role)
}

/// The permissions of a predefined role, its groups spelled out.
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
    fn roles_fit_the_resources_google_lets_them_on() {
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
        assert_eq!(groups.count(), 0, "a group that is not defined");
    }
}
