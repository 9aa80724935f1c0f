//! Who asked: what a carrier creates belongs to whoever asked for its parent; everything else to whoever is asking.

pub mod adopt;
mod author;
mod managed;
mod planted;

use std::collections::BTreeMap;

use crate::decide::context::AdmissionContext;
use crate::decide::kinds::{self, Kind, Parent as ParentKind, Runs};
use crate::decide::known::KnownParent;
use crate::review::reason::RefusalReason;
use crate::review::verdict::Refused;
use crate::review::{Metadata, Owner, Request, UserInfo};
use jiff::Timestamp;
use namesake_core::{
    Digest, Groups, Launcher, Reason, Refusal, Requester, SealError, SeenObject, Stamp, User,
};

pub use author::{Author, Trust};
pub use managed::managed;
pub use planted::{
    names_another_job, planted_key, planted_labels, planted_owner, planted_template,
};

/// Why an object without a stamp is nobody's.
pub(crate) const NO_STAMP: &str =
    "it has no stamp: it was made before the namespace was opted in, or while admission was off";

/// Whom a request belongs to.
#[derive(Clone, Debug)]
pub struct Asker {
    /// The name that the API server gave to whoever asked.
    pub requester: String,
    /// The user that the rules make of it, or why they make none.
    pub user: Result<User, Refusal>,
    /// Proven groups that the rules mention.
    pub groups: Groups,
    /// What a person made that the pod comes from.
    pub launcher: Launcher,
    /// The containers that they asked for, if the parent's stamp says so.
    pub containers: BTreeMap<String, String>,
}

impl Asker {
    /// Canonical user, if there is one.
    #[must_use]
    pub fn user(&self) -> Option<&User> {
        self.user.as_ref().ok()
    }
}

/// An object that names a parent as its owner.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// The parent's kind.
    pub kind: &'static Kind,
    /// What there is to know about it.
    pub parent: &'static ParentKind,
    /// Which one.
    pub owner: &'a Owner<'a>,
}

/// Where a new object comes from.
#[derive(Debug)]
pub enum Chain<'a> {
    /// A carrier made it for this parent.
    Carried(Link<'a>),
    /// Whoever asks made it, and names these owners: those that are parents must be the asker's own.
    Asking(Vec<&'a Owner<'a>>),
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

/// Whether this request comes from a carrier for parents of this launcher. A controller whose own namespace is opted in
/// is none: whoever may make pods there could be it.
#[must_use]
pub fn is_carrier(context: &AdmissionContext<'_>, asks: &Requester, launcher: Launcher) -> bool {
    !context.inside && context.rules.is_carrier(asks, launcher)
}

/// Where a new object comes from.
#[must_use]
pub fn chain<'a>(
    context: &AdmissionContext<'_>,
    request: &Request<'_>,
    kind: &Kind,
    metadata: &'a Metadata<'_>,
) -> Chain<'a> {
    let asks = requester(&request.user_info);
    if let Some(link) = metadata.controller().and_then(link) {
        let makes = link.parent.makes == Some(kind.name);
        if makes && is_carrier(context, &asks, link.parent.launcher) {
            return Chain::Carried(link);
        }
    }
    Chain::Asking(metadata.owner_references.iter().flatten().collect())
}

fn link<'a>(owner: &'a Owner<'a>) -> Option<Link<'a>> {
    let (kind, parent) = kinds::owner(owner)?;
    Some(Link {
        kind,
        parent,
        owner,
    })
}

/// The parent that an owner reference may stand for to some controller: `known`, the object of that UID in memory, of whatever kind, or
/// one of the kind that it names. Controllers of Kubernetes do not look at the API group of an owner.
#[must_use]
pub fn possible_parent<'a>(known: Option<&KnownParent>, owner: &'a Owner<'a>) -> Option<Link<'a>> {
    let known = known.and_then(|known| kinds::named(known.kind));
    let (kind, parent) = known.or_else(|| kinds::of_kind(owner.kind.as_str()))?;
    Some(Link {
        kind,
        parent,
        owner,
    })
}

/// Whoever is asking, for an object that is theirs (a parent, or a pod that no carrier makes).
#[must_use]
pub fn asking(
    context: &AdmissionContext<'_>,
    info: &UserInfo<'_>,
    metadata: &Metadata<'_>,
    launcher: Launcher,
) -> Asker {
    let requester = requester(info);
    let (user, groups) = match context.acts_for {
        // Which groups its user is in, nobody says here: unknown, so that they give nothing and are refused.
        Some(user) => (user.clone(), Groups::default()),
        None => {
            let claim = |key: &str| metadata.annotation(key).map(str::to_owned);
            let groups = context.rules.mentioned_groups(&requester.groups);
            (context.rules.user(&requester, claim), groups)
        }
    };
    Asker {
        requester: requester.username,
        user,
        groups,
        launcher,
        containers: BTreeMap::new(),
    }
}

/// Whoever asked for the parent of what a carrier makes; `shown` is what that would run, where the parent can change.
///
/// # Errors
/// When the parent's stamp is missing or void, or signs something else than what is made.
pub fn carried(
    context: &AdmissionContext<'_>,
    namespace: &str,
    link: &Link<'_>,
    parent: &KnownParent,
    shown: Option<&Digest>,
) -> Result<Asker, Refused> {
    let kind = link.kind;
    let stamp = stamp_of(context, namespace, link, parent)?;
    if let (Runs::Signed { .. }, Some(shown)) = (link.parent.runs, shown)
        && !stamp.runs.contains(shown)
    {
        return Err(not_as_signed(kind, &parent.name, &stamp));
    }
    Ok(of_stamp(&stamp, kind, link.parent, &parent.name))
}

/// Whoever a stamp names, for an object of this kind and name.
#[must_use]
pub fn of_stamp(stamp: &Stamp, kind: &Kind, parent: &ParentKind, name: &str) -> Asker {
    let unmapped = || unmapped(&stamp.requester, kind, name);
    Asker {
        requester: stamp.requester.clone(),
        user: stamp.user.clone().ok_or_else(unmapped),
        groups: stamp.groups.clone(),
        launcher: stamp.root.unwrap_or(parent.launcher),
        containers: stamp.containers.clone(),
    }
}

/// The stamp of a parent, if it counts.
///
/// # Errors
/// When it is missing or void.
pub fn stamp_of(
    context: &AdmissionContext<'_>,
    namespace: &str,
    link: &Link<'_>,
    parent: &KnownParent,
) -> Result<Stamp, Refused> {
    let kind = link.kind;
    let seen = SeenObject {
        stack: context.rules.stack(),
        namespace,
        kind: kind.name,
        name: &parent.name,
        generate_name: parent.generate_name.as_deref(),
        uid: &link.owner.uid,
        created: parent.created,
        epoch: epoch_of(context, namespace),
    };
    let Some(text) = parent.stamp.as_deref() else {
        return Err(nobodys(kind, &parent.name, NO_STAMP));
    };
    let stamp = verify(context, text, &seen).map_err(|void| match void {
        SealError::UnknownKey(_) => unknown_key(kind, &parent.name, &void),
        void => nobodys(kind, &parent.name, &format!("its stamp is void: {void}")),
    })?;
    let shows = |runs: &Digest| stamp.runs.contains(runs);
    match link.parent.runs {
        Runs::Itself { .. } if !parent.runs.as_ref().is_some_and(shows) => {
            Err(not_as_signed(kind, &parent.name, &stamp))
        }
        _ => Ok(stamp),
    }
}

/// The stamp in an annotation, if we signed it for this very object in the present epoch of its namespace.
///
/// # Errors
/// Why it does not count.
pub fn verify(
    context: &AdmissionContext<'_>,
    text: &str,
    seen: &SeenObject<'_>,
) -> Result<Stamp, SealError> {
    if seen.epoch.is_empty() && !seen.namespace.is_empty() {
        return Err(SealError::Epoch);
    }
    Stamp::verify(text, context.keys, seen)
}

/// The epoch in which stamps of this namespace count; empty for objects in no namespace.
#[must_use]
pub fn epoch_of<'a>(context: &AdmissionContext<'a>, namespace: &str) -> &'a str {
    if namespace.is_empty() {
        ""
    } else {
        context.epoch
    }
}

/// An existing object as stamps see it.
#[must_use]
pub fn seen<'a>(
    context: &AdmissionContext<'a>,
    namespace: &'a str,
    kind: &Kind,
    metadata: &'a Metadata<'_>,
) -> SeenObject<'a> {
    let created = metadata.creation_timestamp.as_deref();
    let created = created.and_then(|text| text.parse::<Timestamp>().ok());
    SeenObject {
        stack: context.rules.stack(),
        namespace,
        kind: kind.name,
        name: metadata.name.as_deref().unwrap_or_default(),
        generate_name: metadata.generate_name.as_deref(),
        uid: metadata.uid.as_deref().unwrap_or_default(),
        created: created.map_or(i64::MIN, Timestamp::as_second),
        epoch: epoch_of(context, namespace),
    }
}

// No requester is known here: the pod's own is the controller.
pub(crate) fn nobodys(kind: &Kind, name: &str, what: &str) -> Refused {
    Refused::forbidden(
        RefusalReason::NoProvenRequester,
        format!(
            "nobody is proven to have asked for {} {name}, so its pods run as nobody: {what}; delete it and run again, or ask an \
             admin to adopt it",
            kind.name
        ),
    )
}

fn not_as_signed(kind: &Kind, name: &str, stamp: &Stamp) -> Refused {
    Refused::later(
        RefusalReason::NotAsSigned,
        format!(
            "this would run something else than {} asked for in {} {name}: it was just changed, and its controller tries \
             again by itself; if this lasts, it was changed where Namesake did not see it: delete it and create it again",
            stamp
                .user
                .as_ref()
                .map_or(stamp.requester.as_str(), User::as_str),
            kind.name
        ),
    )
}

pub(crate) fn unknown_key(kind: &Kind, name: &str, error: &SealError) -> Refused {
    Refused::later(
        RefusalReason::UnknownKey,
        format!(
            "the stamp of {} {name} cannot be checked yet: {error}; keys are read again every minute, and the controller \
             tries again by itself",
            kind.name
        ),
    )
}

pub(crate) fn unmapped(requester: &str, kind: &Kind, name: &str) -> Refusal {
    Refusal {
        rule: None,
        reason: Reason::UnknownRequester,
        message: format!(
            "{requester}, who made {} {name}, is no user that the rules know: ask the platform team to add an entry for \
             this requester to users in the rules",
            kind.name
        ),
    }
}
