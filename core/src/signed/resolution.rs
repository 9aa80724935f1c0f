//! Resolutions: what the webhook decided for one pod, signed for the twin that sees the final pod.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::user::User;

use super::{
    seal::{KeyRing, Purpose, SealError, near, same},
    stamp::ObjectName,
};

/// How far apart the decision and the final look at the pod may be, in seconds.
pub const RESOLUTION_TOLERANCE: u64 = 30;

/// What was decided for a pod: counts only for this request, this second, this owner and this service account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Resolution {
    /// The stack whose webhook decided.
    pub stack: String,
    /// Namespace of the pod.
    pub namespace: String,
    /// Who made the request for the pod, as the API server said.
    pub requester: String,
    /// Whether that request showed a credential of its own: whoever impersonates a name shows none.
    pub credential: bool,
    /// When it was decided, in Unix seconds.
    pub at: i64,
    /// UID of the pod's controller, if it has one.
    pub owner_uid: Option<String>,
    /// The service account that the pod must name.
    pub service_account: String,
    /// Name of the identity, if the pod got one.
    pub identity: Option<String>,
    /// The user the pod runs for, if one is known.
    pub user: Option<User>,
    /// The class of the identity, if the pod got one.
    pub class: Option<String>,
    /// The rule that decided, if one matched.
    pub rule: Option<String>,
    /// What the decision was.
    pub outcome: Outcome,
    /// Name of the pod, as far as it was known.
    pub pod: ObjectName,
    /// The containers that whoever asked wanted, by name: a digest of what each runs. Listed sidecars are not here.
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
    /// The pod keeps the account that it came with.
    Kept,
}

/// The final pod, as the twin sees it.
#[derive(Clone, Copy, Debug)]
pub struct SeenPod<'a> {
    /// Our own stack.
    pub stack: &'a str,
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// Who makes this request.
    pub requester: &'a str,
    /// Whether this request shows a credential of its own.
    pub credential: bool,
    /// The present second, in Unix seconds.
    pub now: i64,
    /// The epoch of the namespace.
    pub epoch: &'a str,
    /// UID of the pod's controller, if it has one.
    pub owner_uid: Option<&'a str>,
    /// The service account that the pod names.
    pub service_account: &'a str,
    /// `metadata.name`; while there is none, the beginning of it.
    pub name: &'a str,
    /// `metadata.generateName`.
    pub generate_name: Option<&'a str>,
}

/// A pod that exists, as it is seen now.
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
    /// The annotation's text, for a pod in a namespace of this epoch.
    #[must_use]
    pub fn sign(&self, keys: &KeyRing, epoch: &str) -> String {
        keys.seal(Purpose::Resolution, epoch, self)
    }

    /// The resolution in an annotation, if we signed it for this very pod.
    ///
    /// # Errors
    /// Text that we did not sign, or signed for something else: says which field differs.
    pub fn verify(text: &str, keys: &KeyRing, seen: &SeenPod<'_>) -> Result<Resolution, SealError> {
        let resolution = Resolution::of_request(text, keys, seen)?;
        same(
            "service account",
            &resolution.service_account,
            seen.service_account,
        )?;
        Ok(resolution)
    }

    /// The resolution in the annotation of a pod that exists, if we signed it for a pod of this name and service account. Who
    /// asked, when, and which owner the pod had at that time is not compared: the pod may have lost its owner since.
    ///
    /// # Errors
    /// Text that we did not sign, or signed for something else: says which field differs.
    pub fn of_existing(
        text: &str,
        keys: &KeyRing,
        pod: &ExistingPod<'_>,
    ) -> Result<Resolution, SealError> {
        let resolution: Resolution = keys.open(Purpose::Resolution, pod.epoch, text)?;
        same("stack", &resolution.stack, pod.stack)?;
        same("namespace", &resolution.namespace, pod.namespace)?;
        let account = &resolution.service_account;
        same("service account", account, pod.service_account)?;
        resolution.pod.fits(pod.name, pod.generate_name)?;
        Ok(resolution)
    }

    /// The resolution in an annotation, if we signed it in the course of this very request, whatever account the pod
    /// names by now.
    ///
    /// # Errors
    /// As [`Resolution::verify`].
    pub fn of_request(
        text: &str,
        keys: &KeyRing,
        seen: &SeenPod<'_>,
    ) -> Result<Resolution, SealError> {
        let resolution: Resolution = keys.open(Purpose::Resolution, seen.epoch, text)?;
        same("stack", &resolution.stack, seen.stack)?;
        same("namespace", &resolution.namespace, seen.namespace)?;
        same("requester", &resolution.requester, seen.requester)?;
        let shows = |credential| if credential { "one" } else { "none" };
        same(
            "credential",
            shows(resolution.credential),
            shows(seen.credential),
        )?;
        near(resolution.at, seen.now, RESOLUTION_TOLERANCE)?;
        resolution.pod.fits(seen.name, seen.generate_name)?;
        if resolution.owner_uid.as_deref() == seen.owner_uid {
            return Ok(resolution);
        }
        let shown = |uid: Option<&str>| uid.unwrap_or("nobody").to_owned();
        let signed = shown(resolution.owner_uid.as_deref());
        Err(SealError::Differs {
            field: "owner",
            signed,
            seen: shown(seen.owner_uid),
        })
    }
}

#[cfg(test)]
mod tests;
