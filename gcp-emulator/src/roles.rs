//! The roles that matter here, and the permissions they carry (a part of Google's, written down by hand).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::state::Resource;

const ACCOUNT_USE: &[&str] = &["iam.serviceAccounts.get", "iam.serviceAccounts.list"];
const ACCOUNT_ADMIN: &[&str] = &[
    "iam.serviceAccounts.create",
    "iam.serviceAccounts.delete",
    "iam.serviceAccounts.disable",
    "iam.serviceAccounts.enable",
    "iam.serviceAccounts.get",
    "iam.serviceAccounts.getIamPolicy",
    "iam.serviceAccounts.list",
    "iam.serviceAccounts.setIamPolicy",
    "iam.serviceAccounts.undelete",
    "iam.serviceAccounts.update",
];
const TOKENS: &[&str] = &[
    "iam.serviceAccounts.getAccessToken",
    "iam.serviceAccounts.getOpenIdToken",
];
const SIGNING: &[&str] = &[
    "iam.serviceAccounts.implicitDelegation",
    "iam.serviceAccounts.signBlob",
    "iam.serviceAccounts.signJwt",
];
const ACT_AS: &[&str] = &["iam.serviceAccounts.actAs"];
const PROJECT_READ: &[&str] = &["resourcemanager.projects.get"];
const PROJECT_IAM: &[&str] = &[
    "resourcemanager.projects.get",
    "resourcemanager.projects.getIamPolicy",
    "resourcemanager.projects.setIamPolicy",
];
const ROLE_READ: &[&str] = &["iam.roles.get", "iam.roles.list"];
const OBJECT_READ: &[&str] = &["storage.objects.get", "storage.objects.list"];
const OBJECT_WRITE: &[&str] = &[
    "storage.objects.create",
    "storage.objects.delete",
    "storage.objects.update",
];
const OBJECT_IAM: &[&str] = &[
    "storage.objects.getIamPolicy",
    "storage.objects.setIamPolicy",
];
const FOLDER_READ: &[&str] = &["storage.managedFolders.get", "storage.managedFolders.list"];
const FOLDER_WRITE: &[&str] = &[
    "storage.managedFolders.create",
    "storage.managedFolders.delete",
];
const FOLDER_IAM: &[&str] = &[
    "storage.managedFolders.getIamPolicy",
    "storage.managedFolders.setIamPolicy",
];
const BUCKET_ADMIN: &[&str] = &[
    "storage.buckets.create",
    "storage.buckets.delete",
    "storage.buckets.get",
    "storage.buckets.getIamPolicy",
    "storage.buckets.list",
    "storage.buckets.setIamPolicy",
    "storage.buckets.update",
];

type Row = (
    &'static str,
    &'static str,
    &'static [&'static [&'static str]],
);

/// Role, title, permissions in groups.
const TABLE: &[Row] = &[
    (
        "roles/owner",
        "Owner",
        &[
            ACCOUNT_ADMIN,
            ACT_AS,
            PROJECT_IAM,
            ROLE_READ,
            &[
                "storage.buckets.create",
                "storage.buckets.list",
                "storage.buckets.delete",
            ],
        ],
    ),
    (
        "roles/editor",
        "Editor",
        &[
            ACCOUNT_USE,
            ACT_AS,
            &[
                "iam.serviceAccounts.create",
                "iam.serviceAccounts.delete",
                "iam.serviceAccounts.update",
                "iam.serviceAccounts.disable",
                "iam.serviceAccounts.enable",
            ],
            PROJECT_READ,
            ROLE_READ,
            &[
                "storage.buckets.create",
                "storage.buckets.list",
                "storage.buckets.delete",
            ],
        ],
    ),
    (
        "roles/viewer",
        "Viewer",
        &[
            ACCOUNT_USE,
            PROJECT_READ,
            ROLE_READ,
            &[
                "iam.serviceAccounts.getIamPolicy",
                "resourcemanager.projects.getIamPolicy",
                "storage.buckets.list",
            ],
        ],
    ),
    (
        "roles/iam.securityAdmin",
        "Security Admin",
        &[
            ACCOUNT_USE,
            PROJECT_IAM,
            ROLE_READ,
            FOLDER_IAM,
            FOLDER_READ,
            OBJECT_IAM,
            &[
                "iam.serviceAccounts.getIamPolicy",
                "iam.serviceAccounts.setIamPolicy",
                "storage.buckets.getIamPolicy",
                "storage.buckets.setIamPolicy",
                "storage.buckets.list",
                "storage.objects.list",
            ],
        ],
    ),
    (
        "roles/iam.securityReviewer",
        "Security Reviewer",
        &[
            ACCOUNT_USE,
            PROJECT_READ,
            ROLE_READ,
            FOLDER_READ,
            &[
                "iam.serviceAccounts.getIamPolicy",
                "resourcemanager.projects.getIamPolicy",
                "storage.buckets.getIamPolicy",
                "storage.buckets.list",
                "storage.managedFolders.getIamPolicy",
                "storage.objects.list",
                "storage.objects.getIamPolicy",
            ],
        ],
    ),
    (
        "roles/iam.roleViewer",
        "Role Viewer",
        &[ROLE_READ, PROJECT_READ],
    ),
    (
        "roles/iam.serviceAccountAdmin",
        "Service Account Admin",
        &[ACCOUNT_ADMIN, PROJECT_READ],
    ),
    (
        "roles/iam.serviceAccountCreator",
        "Create Service Accounts",
        &[ACCOUNT_USE, PROJECT_READ, &["iam.serviceAccounts.create"]],
    ),
    (
        "roles/iam.serviceAccountDeleter",
        "Delete Service Accounts",
        &[ACCOUNT_USE, PROJECT_READ, &["iam.serviceAccounts.delete"]],
    ),
    (
        "roles/iam.serviceAccountViewer",
        "View Service Accounts",
        &[
            ACCOUNT_USE,
            PROJECT_READ,
            &["iam.serviceAccounts.getIamPolicy"],
        ],
    ),
    (
        "roles/iam.serviceAccountUser",
        "Service Account User",
        &[ACCOUNT_USE, ACT_AS, PROJECT_READ],
    ),
    (
        "roles/iam.serviceAccountTokenCreator",
        "Service Account Token Creator",
        &[ACCOUNT_USE, TOKENS, SIGNING],
    ),
    (
        "roles/iam.serviceAccountOpenIdTokenCreator",
        "Service Account OpenID Connect Identity Token Creator",
        &[&["iam.serviceAccounts.getOpenIdToken"]],
    ),
    (
        "roles/iam.workloadIdentityUser",
        "Workload Identity User",
        &[ACCOUNT_USE, TOKENS],
    ),
    (
        "roles/resourcemanager.projectIamAdmin",
        "Project IAM Admin",
        &[PROJECT_IAM],
    ),
    (
        "roles/browser",
        "Browser",
        &[PROJECT_READ, &["resourcemanager.projects.getIamPolicy"]],
    ),
    (
        "roles/storage.admin",
        "Storage Admin",
        &[
            BUCKET_ADMIN,
            OBJECT_READ,
            OBJECT_WRITE,
            OBJECT_IAM,
            FOLDER_READ,
            FOLDER_WRITE,
            FOLDER_IAM,
            PROJECT_READ,
        ],
    ),
    (
        "roles/storage.objectAdmin",
        "Storage Object Admin",
        &[
            OBJECT_READ,
            OBJECT_WRITE,
            OBJECT_IAM,
            FOLDER_READ,
            FOLDER_WRITE,
            FOLDER_IAM,
            PROJECT_READ,
        ],
    ),
    (
        "roles/storage.objectUser",
        "Storage Object User",
        &[
            OBJECT_READ,
            OBJECT_WRITE,
            FOLDER_READ,
            FOLDER_WRITE,
            PROJECT_READ,
        ],
    ),
    (
        "roles/storage.objectViewer",
        "Storage Object Viewer",
        &[OBJECT_READ, FOLDER_READ, PROJECT_READ],
    ),
    (
        "roles/storage.objectCreator",
        "Storage Object Creator",
        &[
            &["storage.objects.create", "storage.managedFolders.create"],
            PROJECT_READ,
        ],
    ),
    (
        "roles/storage.bucketViewer",
        "Storage Bucket Viewer",
        &[&["storage.buckets.get", "storage.buckets.list"]],
    ),
    (
        "roles/storage.legacyBucketOwner",
        "Storage Legacy Bucket Owner",
        &[
            &[
                "storage.buckets.get",
                "storage.buckets.getIamPolicy",
                "storage.buckets.setIamPolicy",
                "storage.buckets.update",
                "storage.objects.create",
                "storage.objects.delete",
                "storage.objects.list",
            ],
            FOLDER_READ,
            FOLDER_WRITE,
            FOLDER_IAM,
        ],
    ),
    (
        "roles/storage.legacyBucketWriter",
        "Storage Legacy Bucket Writer",
        &[
            &[
                "storage.buckets.get",
                "storage.objects.create",
                "storage.objects.delete",
                "storage.objects.list",
            ],
            FOLDER_READ,
            FOLDER_WRITE,
        ],
    ),
    (
        "roles/storage.legacyBucketReader",
        "Storage Legacy Bucket Reader",
        &[
            &["storage.buckets.get", "storage.objects.list"],
            FOLDER_READ,
        ],
    ),
    (
        "roles/storage.legacyObjectOwner",
        "Storage Legacy Object Owner",
        &[
            &["storage.objects.get", "storage.objects.update"],
            OBJECT_IAM,
        ],
    ),
    (
        "roles/storage.legacyObjectReader",
        "Storage Legacy Object Reader",
        &[&["storage.objects.get"]],
    ),
    (
        "roles/bigquery.dataViewer",
        "BigQuery Data Viewer",
        &[
            PROJECT_READ,
            &[
                "bigquery.datasets.get",
                "bigquery.tables.get",
                "bigquery.tables.getData",
                "bigquery.tables.list",
            ],
        ],
    ),
    (
        "roles/bigquery.jobUser",
        "BigQuery Job User",
        &[PROJECT_READ, &["bigquery.jobs.create"]],
    ),
    (
        "roles/secretmanager.secretAccessor",
        "Secret Manager Secret Accessor",
        &[PROJECT_READ, &["secretmanager.versions.access"]],
    ),
    (
        "roles/artifactregistry.reader",
        "Artifact Registry Reader",
        &[&[
            "artifactregistry.repositories.get",
            "artifactregistry.repositories.downloadArtifacts",
        ]],
    ),
    (
        "roles/logging.logWriter",
        "Logs Writer",
        &[&["logging.logEntries.create"]],
    ),
    (
        "roles/monitoring.metricWriter",
        "Monitoring Metric Writer",
        &[&["monitoring.timeSeries.create"]],
    ),
    (
        "roles/aiplatform.user",
        "Vertex AI User",
        &[PROJECT_READ, &["aiplatform.endpoints.predict"]],
    ),
];

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

fn permissions(role: &str) -> impl Iterator<Item = &'static str> {
    let groups = row(role).map_or(&[] as &[&[&str]], |(_, _, groups)| groups);
    groups.iter().flat_map(|group| group.iter().copied())
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
    }
}
