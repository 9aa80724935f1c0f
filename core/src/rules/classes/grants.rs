//! `grants`: the roles of an identity at Google.

use serde::{Serialize, Serializer};

use crate::{
    names::{is_bucket, is_role, quoted},
    rules::yaml::{
        Fields, InvalidValue, Item, invalid,
        values::{named, project_id, word},
    },
};

/// Replaced by the identity's key in folders and prefixes.
const KEY: &str = "{key}";

/// One role on one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Grant {
    /// `roles/NAME`, `projects/P/roles/NAME` or `organizations/N/roles/NAME`.
    pub role: String,
    /// The resource.
    #[serde(flatten)]
    pub on: GrantTarget,
}

/// The resource on which a role is granted.
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
    /// The objects of a bucket whose names start with a prefix. Granted by a condition in the bucket's policy, which holds a few
    /// hundred of them at most.
    Prefix {
        /// Name of the bucket.
        bucket: String,
        /// The prefix; it ends with `/`. As `users/{key}/` in rules, with the key filled in elsewhere.
        prefix: String,
    },
    /// The identity's own GSA (`serviceAccount: self`), which an identity needs to sign as itself.
    #[serde(serialize_with = "serialize_own_service_account")]
    OwnServiceAccount,
    /// A whole project.
    Project {
        /// Id of the project.
        project: String,
    },
}

const OWN_SERVICE_ACCOUNT: (&str, &str) = ("serviceAccount", "self");

fn serialize_own_service_account<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map([OWN_SERVICE_ACCOUNT])
}

impl Grant {
    pub(super) fn read(item: &Item<'_>) -> Option<Grant> {
        let mut fields = item.fields()?;
        let role = |text: &str| {
            let remedy = "write roles/NAME, projects/P/roles/NAME or organizations/N/roles/NAME";
            named(text, "a role", is_role, remedy)
        };
        let role = fields.required("role", "write a role, as roles/storage.objectUser", role);
        let on = GrantTarget::read(&mut fields);
        fields.report_unknown_keys();
        Some(Grant {
            role: role?,
            on: on?,
        })
    }

    /// The grant of one identity: `{key}` is replaced by its key.
    pub(crate) fn with_key(&self, key: &str) -> Grant {
        let on = match &self.on {
            GrantTarget::Folder { bucket, folder } => GrantTarget::Folder {
                bucket: bucket.clone(),
                folder: folder.replace(KEY, key),
            },
            GrantTarget::Prefix { bucket, prefix } => GrantTarget::Prefix {
                bucket: bucket.clone(),
                prefix: prefix.replace(KEY, key),
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
    fn read(fields: &mut Fields<'_>) -> Option<GrantTarget> {
        let keys = ["bucket", "folder", "prefix", "project", "serviceAccount"];
        let (at, invalid) = match keys.map(|key| fields.get(key)) {
            [Some(bucket), folder, prefix, None, None] if folder.is_none() || prefix.is_none() => {
                return GrantTarget::read_storage(&bucket, folder, prefix);
            }
            [None, None, None, Some(project), None] => {
                return Some(GrantTarget::Project {
                    project: project.read(project_id)?,
                });
            }
            [None, None, None, None, Some(account)] => {
                let (_, own) = OWN_SERVICE_ACCOUNT;
                return account
                    .read(|text| word(text, &[(own, ())]))
                    .map(|()| GrantTarget::OwnServiceAccount);
            }
            [Some(_), Some(_), Some(prefix), None, None] => (
                prefix,
                invalid(
                    "both a folder and a prefix",
                    "keep folder: it has an IAM policy of its own",
                ),
            ),
            [None, Some(inner), ..] | [None, None, Some(inner), ..] => (
                inner,
                invalid("a folder or prefix without its bucket", "add bucket: NAME"),
            ),
            [Some(at), .., Some(_), _]
            | [Some(at), .., Some(_)]
            | [None, .., Some(at), Some(_)] => (
                at,
                invalid(
                    "the grant names several resources",
                    "write one grant for each resource",
                ),
            ),
            _ => (
                fields.item.clone(),
                invalid(
                    "the grant names no resource",
                    "add bucket: NAME (and folder: PATH/), project: ID, or serviceAccount: self",
                ),
            ),
        };
        at.report(invalid);
        None
    }

    /// Reads a grant on a bucket or a part of one.
    fn read_storage(
        bucket: &Item<'_>,
        folder: Option<Item<'_>>,
        prefix: Option<Item<'_>>,
    ) -> Option<GrantTarget> {
        let name = bucket.read(|text| {
            let remedy = "write it without gs://";
            named(text, "the name of a bucket", is_bucket, remedy)
        });
        Some(match (folder, prefix) {
            (Some(folder), _) => {
                let folder = folder.read(read_folder);
                GrantTarget::Folder {
                    bucket: name?,
                    folder: folder?,
                }
            }
            (_, Some(prefix)) => {
                let prefix = prefix.read(read_prefix);
                GrantTarget::Prefix {
                    bucket: name?,
                    prefix: prefix?,
                }
            }
            _ => GrantTarget::Bucket { bucket: name? },
        })
    }
}

/// A prefix has the syntax of a folder. Quotes are not allowed, because it becomes part of a condition.
fn read_prefix(text: &str) -> Result<String, InvalidValue> {
    if text.contains(['"', '\'', '`']) {
        return Err(invalid(
            format!("{} is not a prefix: it has quotes", quoted(text)),
            "write a path such as users/{key}/",
        ));
    }
    read_folder(text)
}

/// Path of a folder: ends with `/`, has no `..` and no characters that tools treat as patterns.
fn read_folder(text: &str) -> Result<String, InvalidValue> {
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
    Err(invalid(
        format!("{} is not a folder: {why}", quoted(text)),
        "write a path such as users/{key}/",
    ))
}
