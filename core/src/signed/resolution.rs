//! Resolutions: what the webhook decided for one pod, signed for the final check of the pod.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::user::User;

use super::{
    seal::{KeyRing, Purpose, SealError, check_near, check_same, read_unverified},
    stamp::ObjectName,
};

/// Largest difference between the decision and the final check of the pod, in seconds.
pub const RESOLUTION_TOLERANCE: u64 = 30;

/// What was decided for a pod. It is valid only for this request at this time, this owner and this service account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Resolution {
    /// The stack whose webhook decided.
    pub stack: String,
    /// Namespace of the pod.
    pub namespace: String,
    /// Who requested the pod, as the API server reported.
    pub requester: String,
    /// Whether that request had a credential id: impersonation has none.
    pub credential: bool,
    /// When it was decided, in Unix seconds.
    pub at: i64,
    /// UID of the pod's controller, if it has one.
    pub owner_uid: Option<String>,
    /// The service account that the pod must name.
    pub service_account: String,
    /// Name of the identity, if the pod got one.
    pub identity: Option<String>,
    /// The user that the pod runs as, if one is proven.
    pub user: Option<User>,
    /// The class of the identity, if the pod got one.
    pub class: Option<String>,
    /// The rule that matched, if any.
    pub rule: Option<String>,
    /// What the decision was.
    pub outcome: Outcome,
    /// Name of the pod, as far as it was known.
    pub pod: ObjectName,
    /// Fingerprints of what the requested containers run, by name. Listed sidecars are not included.
    pub containers: BTreeMap<String, String>,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The pod got an identity.
    Identity,
    /// The pod got a service account that a rule names.
    ServiceAccount,
    /// The pod keeps the service account that it names.
    Kept,
}

/// The pod of an admission request, at the final check or an earlier one.
#[derive(Clone, Copy, Debug)]
pub struct SeenPod<'a> {
    /// Our own stack.
    pub stack: &'a str,
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// Who sent this request.
    pub requester: &'a str,
    /// Whether this request has a credential id.
    pub credential: bool,
    /// The current time, in Unix seconds.
    pub now: i64,
    /// The epoch of the namespace.
    pub epoch: &'a str,
    /// UID of the pod's controller, if it has one.
    pub owner_uid: Option<&'a str>,
    /// The service account that the pod names.
    pub service_account: &'a str,
    /// `metadata.name`; its beginning if it has none yet.
    pub name: &'a str,
    /// `metadata.generateName`.
    pub generate_name: Option<&'a str>,
}

/// An existing pod, as it is now.
#[derive(Clone, Copy, Debug)]
pub struct ExistingPod<'a> {
    /// Our own stack.
    pub stack: &'a str,
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// The service account that the pod names.
    pub service_account: &'a str,
    /// `metadata.name`.
    pub name: &'a str,
    /// `metadata.generateName`.
    pub generate_name: Option<&'a str>,
    /// The epoch of the namespace.
    pub epoch: &'a str,
}

impl Resolution {
    /// The text of the annotation. `epoch` is that of the pod's namespace.
    #[must_use]
    pub fn sign(&self, keys: &KeyRing, epoch: &str) -> String {
        keys.seal(Purpose::Resolution, epoch, self)
    }

    /// Reads an annotation that anyone may have written, for people to read. Never evidence.
    #[must_use]
    pub fn unverified(text: &str) -> Option<Resolution> {
        read_unverified(text)
    }

    /// The resolution in an annotation, if it was signed for exactly this pod.
    ///
    /// # Errors
    /// The text was not signed by us, or for something else; the error names the field that differs.
    pub fn verify(text: &str, keys: &KeyRing, seen: &SeenPod<'_>) -> Result<Resolution, SealError> {
        let resolution = Resolution::verify_request(text, keys, seen)?;
        check_same(
            "service account",
            &resolution.service_account,
            seen.service_account,
        )?;
        Ok(resolution)
    }

    /// The resolution in the annotation of an existing pod, if it was signed for a pod of this name and service account. The
    /// requester, time and owner of its creation are not compared: the pod may have lost its owner since.
    ///
    /// # Errors
    /// The text was not signed by us, or for something else; the error names the field that differs.
    pub fn verify_existing(
        text: &str,
        keys: &KeyRing,
        pod: &ExistingPod<'_>,
    ) -> Result<Resolution, SealError> {
        let resolution: Resolution = keys.open(Purpose::Resolution, pod.epoch, text)?;
        check_same("stack", &resolution.stack, pod.stack)?;
        check_same("namespace", &resolution.namespace, pod.namespace)?;
        let account = &resolution.service_account;
        check_same("service account", account, pod.service_account)?;
        resolution.pod.check(pod.name, pod.generate_name)?;
        Ok(resolution)
    }

    /// The resolution in an annotation, if it was signed during this request. The service account that the pod names now is not
    /// compared.
    ///
    /// # Errors
    /// As [`Resolution::verify`].
    pub fn verify_request(
        text: &str,
        keys: &KeyRing,
        seen: &SeenPod<'_>,
    ) -> Result<Resolution, SealError> {
        let resolution: Resolution = keys.open(Purpose::Resolution, seen.epoch, text)?;
        check_same("stack", &resolution.stack, seen.stack)?;
        check_same("namespace", &resolution.namespace, seen.namespace)?;
        check_same("requester", &resolution.requester, seen.requester)?;
        let word = |credential| if credential { "one" } else { "none" };
        check_same(
            "credential",
            word(resolution.credential),
            word(seen.credential),
        )?;
        check_near(resolution.at, seen.now, RESOLUTION_TOLERANCE)?;
        resolution.pod.check(seen.name, seen.generate_name)?;
        if resolution.owner_uid.as_deref() == seen.owner_uid {
            return Ok(resolution);
        }
        let or_none = |uid: Option<&str>| uid.unwrap_or("none").to_owned();
        let signed = or_none(resolution.owner_uid.as_deref());
        Err(SealError::Differs {
            field: "owner",
            signed,
            seen: or_none(seen.owner_uid),
        })
    }
}

#[cfg(test)]
mod tests;
