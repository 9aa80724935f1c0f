//! The resources that have a policy.

use std::fmt;

use crate::transport::names::{check_name, project_of};
use crate::{Error, Failure, Rate};

/// Something at Google that has an allow policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    /// A GSA. Its policy says who can act as it.
    ServiceAccount {
        /// Its e-mail.
        email: String,
    },
    /// A project.
    Project {
        /// Its id (not its number).
        id: String,
    },
    /// A bucket.
    Bucket {
        /// Its name.
        name: String,
    },
    /// A managed folder of a bucket. It is created when its policy is first changed.
    ManagedFolder {
        /// The bucket's name.
        bucket: String,
        /// The folder, such as `users/KEY/`.
        folder: String,
    },
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServiceAccount { email } => write!(f, "service account {email}"),
            Self::Project { id } => write!(f, "project {id}"),
            Self::Bucket { name } => write!(f, "bucket {name}"),
            Self::ManagedFolder { bucket, folder } => {
                write!(f, "managed folder {folder} of bucket {bucket}")
            }
        }
    }
}

impl Resource {
    /// The rate that requests about its policy count against.
    pub(crate) const fn rate(&self, writes: bool) -> Rate {
        match (self, writes) {
            (Self::ServiceAccount { .. }, false) => Rate::Read,
            (Self::ServiceAccount { .. }, true) => Rate::Write,
            (Self::Project { .. }, false) => Rate::ProjectRead,
            (Self::Project { .. }, true) => Rate::ProjectWrite,
            (Self::Bucket { .. } | Self::ManagedFolder { .. }, false) => Rate::StorageRead,
            (Self::Bucket { .. } | Self::ManagedFolder { .. }, true) => Rate::StorageWrite,
        }
    }

    /// The project, bucket or folder that these requests are counted for.
    pub(crate) fn consumer(&self) -> String {
        match self {
            Self::ServiceAccount { email } => project_of(email),
            Self::Project { id } => id.clone(),
            Self::Bucket { name } => name.clone(),
            // Each folder has its own policy, and so its own rate.
            Self::ManagedFolder { bucket, folder } => format!("{bucket}/{folder}"),
        }
    }

    pub(crate) const fn is_in_storage(&self) -> bool {
        matches!(self, Self::Bucket { .. } | Self::ManagedFolder { .. })
    }

    /// Refuses names that would change the URL they are put into.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Self::ServiceAccount { email } => check_name("service account", email),
            Self::Project { id } => check_name("project", id),
            Self::Bucket { name } => check_name("bucket", name),
            Self::ManagedFolder { bucket, folder } => {
                check_name("bucket", bucket)?;
                check_folder(folder)
            }
        }
    }
}

fn check_folder(folder: &str) -> Result<(), Error> {
    let bad = |part: &str| {
        part.is_empty() || part == "." || part == ".." || part.contains(['*', '?', '[', ']', '#'])
    };
    let inner = folder.strip_suffix('/').unwrap_or(folder);
    if inner.split('/').any(bad) || folder.chars().any(char::is_control) || folder.len() > 1024 {
        let what = format!("managed folder {folder:?}");
        let rule = "a folder has 1 to 1024 bytes; its parts are separated by /, not empty, . or .., and without *?[]#";
        return Err(Error::Invalid(Failure::new(what, rule)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_would_change_the_url_are_refused() {
        for folder in ["", "/", "a//b/", "../", "a/../b/", "a/*/", "a\n/"] {
            assert!(check_folder(folder).is_err(), "{folder:?}");
        }
        assert!(check_folder("users/alice-abc/").is_ok());
    }
}
