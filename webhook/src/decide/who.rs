//! The principal of a request: what a trusted controller (a carrier) creates belongs to the user of its parent; everything else
//! belongs to the requester.

pub mod adopt;
mod author;
pub mod forged;
mod managed;
pub mod stamp;

use std::collections::BTreeMap;

use namesake_core::{Groups, Launcher, Reason, Refusal, Requester, Stamp, User};

use crate::decide::context::AdmissionContext;
use crate::decide::kinds::{self, Kind, ParentKind};
use crate::decide::known::KnownParent;
use crate::review::{Metadata, OwnerReference, Request, UserInfo};

pub use author::{Author, Standing};
pub use managed::{managed, managed_account};

/// On whose behalf an object exists.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The name that the API server gave to the requester.
    pub requester: String,
    /// The user that the rules map the requester to, or why they map it to none.
    pub user: Result<User, Refusal>,
    /// Proven groups that the rules mention.
    pub groups: Groups,
    /// The kind of object that a person created and the pod comes from.
    pub launcher: Launcher,
    /// The containers that they asked for, if the parent's stamp lists them.
    pub containers: BTreeMap<String, String>,
}

impl Principal {
    /// Canonical user, if there is one.
    #[must_use]
    pub fn user(&self) -> Option<&User> {
        self.user.as_ref().ok()
    }

    /// The principal that a stamp names. `of` is the stamped object, for the message if its requester is not a user of the rules.
    #[must_use]
    pub fn of_stamp(stamp: &Stamp, launcher: Launcher, (kind, name): (&Kind, &str)) -> Principal {
        let unmapped = || unmapped(&stamp.requester, kind, name);
        Principal {
            requester: stamp.requester.clone(),
            user: stamp.user.clone().ok_or_else(unmapped),
            groups: stamp.groups.clone(),
            launcher: stamp.root.unwrap_or(launcher),
            containers: stamp.containers.clone(),
        }
    }
}

/// An owner reference that names a parent.
#[derive(Clone, Copy, Debug)]
pub struct ParentReference<'a> {
    /// The parent's kind.
    pub kind: &'static Kind,
    /// The properties of the kind.
    pub parent: &'static ParentKind,
    /// The owner reference.
    pub owner: &'a OwnerReference<'a>,
}

/// Where a new object comes from.
#[derive(Debug)]
pub enum Provenance<'a> {
    /// A trusted controller created it for this parent.
    Carried(ParentReference<'a>),
    /// The requester created it, and names these owners: those that are parents must be the requester's own.
    Requested(Vec<&'a OwnerReference<'a>>),
}

/// The requester, as the rules want it.
#[must_use]
pub fn requester(info: &UserInfo<'_>) -> Requester {
    let groups = info.groups.iter().flatten();
    Requester {
        username: info.username.to_string(),
        groups: groups.map(ToString::to_string).collect(),
        has_credential_id: info.has_credential_id(),
    }
}

/// Whether a requester is a trusted controller for parents of this launcher. A controller in an opted-in namespace is not, because
/// whoever can create pods there could act as it.
#[must_use]
pub fn is_carrier(context: &AdmissionContext, requester: &Requester, launcher: Launcher) -> bool {
    !context.is_inside && context.rules.is_carrier(requester, launcher)
}

/// Where a new object comes from.
#[must_use]
pub fn provenance<'a>(
    context: &AdmissionContext,
    request: &Request<'_>,
    kind: &Kind,
    metadata: &'a Metadata<'_>,
) -> Provenance<'a> {
    if let Some(owner) = metadata.controller()
        && let Some((parent_kind, parent)) = kinds::of_owner(owner)
        && parent.creates == Some(kind.name)
        && is_carrier(context, &requester(&request.user_info), parent.launcher)
    {
        return Provenance::Carried(ParentReference {
            kind: parent_kind,
            parent,
            owner,
        });
    }
    Provenance::Requested(metadata.owner_references.iter().flatten().collect())
}

/// The parent that some controller may take an owner reference for: `known`, the object of that UID in memory, of whatever kind, or
/// one of the kind that it names. Controllers of Kubernetes ignore the API group of an owner.
#[must_use]
pub fn possible_parent<'a>(
    known: Option<&KnownParent>,
    owner: &'a OwnerReference<'a>,
) -> Option<ParentReference<'a>> {
    let known = known.and_then(|known| kinds::named(known.kind));
    let (kind, parent) = known.or_else(|| kinds::of_kind(owner.kind.as_str()))?;
    Some(ParentReference {
        kind,
        parent,
        owner,
    })
}

/// The requester, for an object that is theirs (a parent, or a pod that no trusted controller creates).
#[must_use]
pub fn requesting(
    context: &AdmissionContext,
    info: &UserInfo<'_>,
    metadata: &Metadata<'_>,
    launcher: Launcher,
) -> Principal {
    let requester = requester(info);
    let (user, groups) = match &context.acts_for {
        // Nothing here says which groups its user is in: they count as unknown, so they give nothing and are refused.
        Some(user) => (user.clone(), Groups::default()),
        None => {
            let claim = |key: &str| metadata.annotation(key).map(str::to_owned);
            let groups = context.rules.mentioned_groups(&requester.groups);
            (context.rules.user(&requester, claim), groups)
        }
    };
    Principal {
        requester: requester.username,
        user,
        groups,
        launcher,
        containers: BTreeMap::new(),
    }
}

pub(crate) fn unmapped(requester: &str, kind: &Kind, name: &str) -> Refusal {
    Refusal {
        rule: None,
        reason: Reason::UnknownRequester,
        message: format!(
            "no users entry of the rules matches {requester}, who created {} {name}: ask the platform team to add an entry for \
             this requester to users in the rules",
            kind.name
        ),
    }
}
