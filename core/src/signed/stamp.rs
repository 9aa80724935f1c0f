//! Stamps: who created an object, signed by the webhook that admitted it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    rules::Launcher,
    user::{Groups, User},
};

use super::{
    argo::ArgoStamp,
    digest::Digest,
    seal::{KeyRing, Purpose, SealError, check_near, check_same, read_unverified},
};

/// Largest difference between signing and the object's `creationTimestamp`, in seconds.
pub const STAMP_TOLERANCE: u64 = 30;
/// Largest number of digests in a stamp. An object with more different pod templates is not stamped.
pub const MAX_DIGESTS: usize = 32;
/// Bytes of a `generateName` that the API server keeps in the name that it generates.
const KEPT_OF_GENERATE_NAME: usize = 58;

/// The proven requester of one object. It is valid only on the object for which it was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Stamp {
    /// The stack whose webhook signed.
    pub stack: String,
    /// Namespace of the object.
    pub namespace: String,
    /// Group and kind of the object, as `batch/Job`.
    pub kind: String,
    /// Name of the object, as far as it was known at admission.
    pub object: ObjectName,
    /// Who created the object, as the API server reported.
    pub requester: String,
    /// The user that the rules of that time mapped the requester to, if any.
    pub user: Option<User>,
    /// In which of the groups that the rules of that time mention the requester was.
    pub groups: Groups,
    /// Binds the stamp to this object and to no later one of the same name.
    pub bound: Bound,
    /// Kind of the object that a person created, if that is not this object but one from which it was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<Launcher>,
    /// Digests of the pod templates that the requester wanted to run. Empty on an object of Argo, whose digests are in `argo`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Digest>,
    /// Fingerprints of what the containers of its pods run, by name. Only for a Job, whose pods are as its template; listed sidecars
    /// are not included.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub containers: BTreeMap<String, String>,
    /// When the user adopted the object or took it over by an update, in Unix seconds. Absent if the user created it.
    #[serde(rename = "taken", default, skip_serializing_if = "Option::is_none")]
    pub taken_over_at: Option<i64>,
    /// On an object of Argo: what it runs, and which user its pods run as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argo: Option<ArgoStamp>,
}

/// Name of an object at its admission: complete, or its beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ObjectName {
    /// `metadata.name`.
    Name(String),
    /// `metadata.generateName`, from which the API server generates the name later.
    GenerateName(String),
}

/// What binds a stamp to one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Bound {
    /// The time of signing, in Unix seconds, at creation: the object has no UID yet. It must be near its `creationTimestamp`.
    #[serde(rename = "written")]
    SignedAt(i64),
    /// UID of the object, if it was signed later.
    Uid(String),
}

/// An object with a stamp, as it is now.
#[derive(Clone, Copy, Debug)]
pub struct SeenObject<'a> {
    /// Our own stack.
    pub stack: &'a str,
    /// Namespace of the object.
    pub namespace: &'a str,
    /// Group and kind of the object, as `batch/Job`.
    pub kind: &'a str,
    /// `metadata.name`.
    pub name: &'a str,
    /// `metadata.generateName`.
    pub generate_name: Option<&'a str>,
    /// `metadata.uid`.
    pub uid: &'a str,
    /// `metadata.creationTimestamp`, in Unix seconds.
    pub created: i64,
    /// The epoch of its namespace; empty if it is in no namespace.
    pub epoch: &'a str,
}

impl Stamp {
    /// The text of the annotation. `epoch` is that of the object's namespace; empty if it is in no namespace.
    #[must_use]
    pub fn sign(&self, keys: &KeyRing, epoch: &str) -> String {
        keys.seal(Purpose::Stamp, epoch, self)
    }

    /// Reads an annotation that anyone may have written, for lists that people read. Never evidence.
    #[must_use]
    pub fn unverified(text: &str) -> Option<Stamp> {
        read_unverified(text)
    }

    /// The stamp in an annotation, if it was signed for exactly this object.
    ///
    /// # Errors
    /// The text was not signed by us, or for something else; the error names the field that differs.
    pub fn verify(text: &str, keys: &KeyRing, seen: &SeenObject<'_>) -> Result<Stamp, SealError> {
        let stamp: Stamp = keys.open(Purpose::Stamp, seen.epoch, text)?;
        check_same("stack", &stamp.stack, seen.stack)?;
        check_same("namespace", &stamp.namespace, seen.namespace)?;
        check_same("kind", &stamp.kind, seen.kind)?;
        stamp.object.check(seen.name, seen.generate_name)?;
        match &stamp.bound {
            Bound::SignedAt(second) => check_near(*second, seen.created, STAMP_TOLERANCE)?,
            Bound::Uid(uid) => check_same("uid", uid, seen.uid)?,
        }
        Ok(stamp)
    }
}

impl ObjectName {
    /// The name of a new object. As in the API server, `name` takes precedence over `generateName`.
    #[must_use]
    pub fn new(name: Option<&str>, generate_name: Option<&str>) -> ObjectName {
        match (name.filter(|name| !name.is_empty()), generate_name) {
            (None, Some(generate_name)) => ObjectName::GenerateName(generate_name.to_owned()),
            (name, _) => ObjectName::Name(name.unwrap_or_default().to_owned()),
        }
    }

    /// Whether an object with this name and `generateName` can be the admitted one.
    pub(super) fn check(&self, seen: &str, generate_name: Option<&str>) -> Result<(), SealError> {
        match self {
            ObjectName::Name(name) => check_same("name", name, seen),
            ObjectName::GenerateName(beginning) => {
                check_same("generateName", beginning, generate_name.unwrap_or_default())?;
                let kept = beginning.get(..KEPT_OF_GENERATE_NAME).unwrap_or(beginning);
                if seen.starts_with(kept) {
                    Ok(())
                } else {
                    check_same("name", kept, seen)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
