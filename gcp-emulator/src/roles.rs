//! The roles that matter here, and the permissions they carry (a part of Google's, written down by hand).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::state::Resource;

mod table;

use table::{GROUPS, Row, TABLE};

/// A project's own role.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomRole {
    /// `projects/P/roles/R`
    pub name: String,
    /// For people.
    #[serde(default)]
    pub title: String,
    /// Permissions, without wildcards.
    pub included_permissions: Vec<String>,
}

/// Google's roles and the projects' own.
#[derive(Debug, Default)]
pub(crate) struct Roles {
    pub(crate) custom: BTreeMap<String, CustomRole>,
}

impl Roles {
    /// Whether there is such a role.
    pub(crate) fn exists(&self, role: &str) -> bool {
        self.custom.contains_key(role) || row(role).is_some()
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

    /// The resource as the API shows it.
    pub(crate) fn render(&self, role: &str) -> Option<Value> {
        let (title, permissions) = match self.custom.get(role) {
            Some(custom) => (custom.title.clone(), custom.included_permissions.clone()),
            None => {
                let (_, title, _) = row(role)?;
                (
                    (*title).to_owned(),
                    permissions(role).map(str::to_owned).collect(),
                )
            }
        };
        Some(json!({
            "name": role, "title": title, "includedPermissions": permissions, "stage": "GA", "etag": "AA==",
        }))
    }

    fn any(&self, role: &str, test: impl Fn(&str) -> bool) -> bool {
        match self.custom.get(role) {
            Some(custom) => custom.included_permissions.iter().any(|each| test(each)),
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
