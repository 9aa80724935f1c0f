//! What has an allow policy.

/// Something that has a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Resource {
    /// By project id.
    Project(String),
    /// By unique id: a re-created account starts without a policy.
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

    /// The relative resource name.
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

    /// `resource.service` and `resource.type` of conditions.
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
