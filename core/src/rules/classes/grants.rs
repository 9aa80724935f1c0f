//! `grants`: what an identity may do at Google.

use serde::Serialize;

use crate::text::{is_bucket, is_project_id, is_role, shown};

use super::super::{
    fields::Item,
    legal::named,
    problem::{Wrong, wrong},
};

/// Stands for the identity's key in a folder.
const KEY: &str = "{key}";

/// One role on one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Grant {
    /// `roles/NAME`, `projects/P/roles/NAME` or `organizations/N/roles/NAME`.
    pub role: String,
    /// What the role is given on.
    #[serde(flatten)]
    pub on: GrantTarget,
}

/// What a role is given on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum GrantTarget {
    /// A managed folder in a bucket; its path ends with `/`.
    Folder {
        /// Name of the bucket.
        bucket: String,
        /// Path in the bucket, as `users/{key}/` in rules, with the key filled in elsewhere.
        folder: String,
    },
    /// A whole bucket.
    Bucket {
        /// Name of the bucket.
        bucket: String,
    },
    /// A whole project.
    Project {
        /// Id of the project.
        project: String,
    },
}

impl Grant {
    pub(super) fn read(item: &Item<'_>) -> Option<Grant> {
        let mut fields = item.fields()?;
        let role = fields
            .need("role", "write a role, as roles/storage.objectUser")
            .and_then(|item| {
                let remedy =
                    "write roles/NAME, projects/P/roles/NAME or organizations/N/roles/NAME";
                item.read(|text| named(text, "a role", is_role, remedy))
            });
        let on = GrantTarget::read(
            item,
            fields.get("bucket"),
            fields.get("folder"),
            fields.get("project"),
        );
        fields.close();
        Some(Grant {
            role: role?,
            on: on?,
        })
    }

    /// The grant of one identity: its key in place of `{key}`.
    pub(crate) fn filled(&self, key: &str) -> Grant {
        let on = match &self.on {
            GrantTarget::Folder { bucket, folder } => GrantTarget::Folder {
                bucket: bucket.clone(),
                folder: folder.replace(KEY, key),
            },
            other => other.clone(),
        };
        Grant {
            role: self.role.clone(),
            on,
        }
    }
}

impl GrantTarget {
    fn read(
        grant: &Item<'_>,
        bucket: Option<Item<'_>>,
        folder: Option<Item<'_>>,
        project: Option<Item<'_>>,
    ) -> Option<GrantTarget> {
        let bucket_name = |text: &str| {
            named(
                text,
                "the name of a bucket",
                is_bucket,
                "write it without gs://",
            )
        };
        let project_id = |text: &str| {
            named(
                text,
                "the id of a project",
                is_project_id,
                "write the id, not the number",
            )
        };
        let (at, wrong) = match (bucket, folder, project) {
            (Some(bucket), Some(folder), None) => {
                let (bucket, folder) = (bucket.read(bucket_name), folder.read(read_folder));
                return Some(GrantTarget::Folder {
                    bucket: bucket?,
                    folder: folder?,
                });
            }
            (Some(bucket), None, None) => {
                return Some(GrantTarget::Bucket {
                    bucket: bucket.read(bucket_name)?,
                });
            }
            (None, None, Some(project)) => {
                return Some(GrantTarget::Project {
                    project: project.read(project_id)?,
                });
            }
            (None, Some(folder), _) => (
                folder,
                wrong("a folder without its bucket", "add bucket: NAME"),
            ),
            (Some(bucket), _, Some(_)) => (
                bucket,
                wrong("both a bucket and a project", "write two grants"),
            ),
            (None, None, None) => (
                grant.clone(),
                wrong(
                    "the role is given on nothing",
                    "add bucket: NAME (and folder: PATH/), or project: ID",
                ),
            ),
        };
        at.report(wrong);
        None
    }
}

/// A folder's path: no way out of it, nothing that a tool would take for a pattern, `/` at its end.
fn read_folder(text: &str) -> Result<String, Wrong> {
    let path = text.replace(KEY, "x");
    let why = if path.len() > 512 {
        "it has more than 512 bytes"
    } else if path
        .chars()
        .any(|c| c.is_control() || c.is_whitespace() || !c.is_ascii() || "*?[]{}\\#".contains(c))
    {
        "it may have ASCII letters, digits and marks, but none of * ? [ ] { } \\ # outside of {key}"
    } else if !path.ends_with('/') {
        "a folder ends with /"
    } else if path
        .trim_end_matches('/')
        .split('/')
        .any(|part| matches!(part, "" | "." | ".."))
        || path.ends_with("//")
    {
        "its parts may not be empty, . or .."
    } else {
        return Ok(text.to_owned());
    };
    Err(wrong(
        format!("{} is not a folder: {why}", shown(text)),
        "write a path such as users/{key}/",
    ))
}
