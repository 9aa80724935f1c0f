//! Stamps: who made this object, signed by the webhook that saw it being made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    rules::Launcher,
    user::{Groups, User},
};

use super::{
    argo::Argo,
    digest::Digest,
    seal::{KeyRing, Purpose, SealError, near, same, unverified},
};

/// How far apart the signing and the object's `creationTimestamp` may be, in seconds.
pub const STAMP_TOLERANCE: u64 = 30;
/// How many digests a stamp may have: what would run more different things is not stamped.
pub const MAX_RUNS: usize = 32;
/// As much of a `generateName`, in bytes, as the API server keeps in the name that it makes of it.
const KEPT_OF_GENERATE_NAME: usize = 58;

/// The proven requester of one object. Counts only on the very object it was signed for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Stamp {
    /// The stack whose webhook signed.
    pub stack: String,
    /// Namespace of the object.
    pub namespace: String,
    /// Group and kind of the object, as `batch/Job`.
    pub kind: String,
    /// Name of the object, as far as it was known.
    pub object: ObjectName,
    /// Who made the object, as the API server said.
    pub requester: String,
    /// The user that the rules of that moment made of the requester; none if they knew nobody.
    pub user: Option<User>,
    /// In which of the groups that the rules of that moment mention the requester was.
    pub groups: Groups,
    /// What ties the stamp to this object and no later one of the same name.
    pub bound: Bound,
    /// What a person made, if that is not this object but one that this object comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<Launcher>,
    /// What the object would run, each as a digest: nothing else is what the requester asked for. Empty on an object of
    /// Argo, which has digests of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Digest>,
    /// The containers of its pods, by name: a fingerprint of what each runs. Only where pods are as the object has them (a
    /// Job's); listed sidecars are not here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub containers: BTreeMap<String, String>,
    /// When whoever this names took the object over, in Unix seconds, if they did not make it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<i64>,
    /// On an object of Argo: what it runs, and whose its pods are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argo: Option<Argo>,
}

/// What an object is called when it is admitted: a name, or the beginning of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ObjectName {
    /// `metadata.name`.
    Name(String),
    /// `metadata.generateName`: the API server gives the name later.
    GenerateName(String),
}

/// What ties a stamp to one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Bound {
    /// Signed at creation, in Unix seconds: the object has no UID yet. Must fit its `creationTimestamp`.
    Written(i64),
    /// Signed later, for the object with this UID.
    Uid(String),
}

/// The object that carries a stamp, as it is seen now.
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
    /// The epoch of its namespace; empty if it is in none.
    pub epoch: &'a str,
}

impl Stamp {
    /// The annotation's text, for an object in a namespace of this epoch; empty for one in no namespace.
    #[must_use]
    pub fn sign(&self, keys: &KeyRing, epoch: &str) -> String {
        keys.seal(Purpose::Stamp, epoch, self)
    }

    /// What the annotation says, whoever wrote it: for lists that people read. Never evidence.
    #[must_use]
    pub fn unverified(text: &str) -> Option<Stamp> {
        unverified(text)
    }

    /// The stamp in an annotation, if we signed it for this very object.
    ///
    /// # Errors
    /// Text that we did not sign, or signed for something else: says which field differs.
    pub fn verify(text: &str, keys: &KeyRing, seen: &SeenObject<'_>) -> Result<Stamp, SealError> {
        let stamp: Stamp = keys.open(Purpose::Stamp, seen.epoch, text)?;
        same("stack", &stamp.stack, seen.stack)?;
        same("namespace", &stamp.namespace, seen.namespace)?;
        same("kind", &stamp.kind, seen.kind)?;
        stamp.object.fits(seen.name, seen.generate_name)?;
        match &stamp.bound {
            Bound::Written(second) => near(*second, seen.created, STAMP_TOLERANCE)?,
            Bound::Uid(uid) => same("uid", uid, seen.uid)?,
        }
        Ok(stamp)
    }
}

impl ObjectName {
    /// As the API server treats the two fields of a new object: a name wins over the beginning of one.
    #[must_use]
    pub fn of(name: Option<&str>, generate_name: Option<&str>) -> ObjectName {
        match (name.filter(|name| !name.is_empty()), generate_name) {
            (None, Some(generate_name)) => ObjectName::GenerateName(generate_name.to_owned()),
            (name, _) => ObjectName::Name(name.unwrap_or_default().to_owned()),
        }
    }

    pub(crate) fn fits(&self, seen: &str, generate_name: Option<&str>) -> Result<(), SealError> {
        match self {
            ObjectName::Name(name) => same("name", name, seen),
            ObjectName::GenerateName(beginning) => {
                same("generateName", beginning, generate_name.unwrap_or_default())?;
                let kept = beginning.get(..KEPT_OF_GENERATE_NAME).unwrap_or(beginning);
                if seen.starts_with(kept) {
                    Ok(())
                } else {
                    same("name", kept, seen)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
