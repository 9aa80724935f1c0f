//! Resources that have an allow policy.

/// A resource with an allow policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Resource {
    /// By project id.
    Project(String),
    /// By unique id, so that a new account with the same e-mail starts without a policy.
    ServiceAccount {
        uid: String,
        project: String,
    },
    Bucket(String),
    /// `folder` ends with `/`.
    ManagedFolder {
        bucket: String,
        folder: String,
    },
}

impl Resource {
    pub(crate) fn in_storage(&self) -> bool {
        matches!(self, Self::Bucket(_) | Self::ManagedFolder { .. })
    }

    /// The resource name, such as `projects/_/buckets/BUCKET`.
    pub(crate) fn full_name(&self) -> String {
        match self {
            Self::Project(id) => format!("projects/{id}"),
            Self::ServiceAccount { uid, project } => {
                format!("projects/{project}/serviceAccounts/{uid}")
            }
            Self::Bucket(name) => format!("projects/_/buckets/{name}"),
            Self::ManagedFolder { bucket, folder } => {
                format!("projects/_/buckets/{bucket}/managedFolders/{folder}")
            }
        }
    }

    /// `resource.service` and `resource.type` in conditions.
    pub(crate) fn kind(&self) -> (&'static str, &'static str) {
        match self {
            Self::Project(_) => (
                "cloudresourcemanager.googleapis.com",
                "cloudresourcemanager.googleapis.com/Project",
            ),
            Self::ServiceAccount { .. } => {
                ("iam.googleapis.com", "iam.googleapis.com/ServiceAccount")
            }
            Self::Bucket(_) => ("storage.googleapis.com", "storage.googleapis.com/Bucket"),
            Self::ManagedFolder { .. } => (
                "storage.googleapis.com",
                "storage.googleapis.com/ManagedFolder",
            ),
        }
    }
}
