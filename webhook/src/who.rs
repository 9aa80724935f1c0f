//! Who asked: what a carrier creates belongs to whoever asked for its parent; everything else to whoever is asking.

use jiff::Timestamp;
use namesake_core::{
    Groups, Launcher, Reason, Refusal, Requester, Rules, SealError, SeenObject, Stamp, User,
};
use thiserror::Error;

use crate::kinds::{self, Kind};
use crate::mutate::World;
use crate::review::{Metadata, Object, Owner, Request, UserInfo};
use crate::state::Parent;
use crate::verdict::Refused;

/// How much older than a namespace's return a stamp may be, in seconds: replicas see the return at different moments.
const RETURN_TOLERANCE: i64 = 30;

/// Whom a request belongs to.
#[derive(Clone, Debug)]
pub struct Asker {
    /// The name that the API server gave to whoever asked.
    pub requester: String,
    /// The user that the rules make of it, or why they make none.
    pub user: Result<User, Refusal>,
    /// Proven groups that the rules mention.
    pub groups: Groups,
    /// What creates the pod.
    pub launcher: Launcher,
}

impl Asker {
    /// Canonical user, if there is one.
    #[must_use]
    pub fn user(&self) -> Option<&User> {
        self.user.as_ref().ok()
    }
}

/// Where a pod comes from.
#[derive(Debug)]
pub enum Chain<'a> {
    /// A carrier made it for this parent.
    Carried(&'static Kind, Launcher, &'a Owner<'a>),
    /// Whoever asks made it.
    Asking,
}

/// The requester, as the rules want it.
#[must_use]
pub fn requester(info: &UserInfo<'_>) -> Requester {
    let groups = info.groups.iter().flatten();
    Requester {
        username: info.username.to_string(),
        groups: groups.map(ToString::to_string).collect(),
        extra_credential_id: info.has_credential_id(),
    }
}

/// Where a new pod comes from.
///
/// # Errors
/// When it is planted: not made by the carrier, but so that a parent's controller would adopt it.
pub fn chain<'a>(
    rules: &Rules,
    request: &'a Request<'_>,
    pod: &'a Object<'_>,
) -> Result<Chain<'a>, Refused> {
    let info = &request.user_info;
    let carrier = pod.metadata.controller().and_then(|owner| {
        let (kind, parent) = kinds::owner(owner)?;
        let carries = rules.is_carrier(&requester(info), parent.launcher);
        carries.then_some(Chain::Carried(kind, parent.launcher, owner))
    });
    if let Some(carried) = carrier {
        return Ok(carried);
    }
    planted(&pod.metadata, &info.username)?;
    Ok(Chain::Asking)
}

fn planted(metadata: &Metadata<'_>, requester: &str) -> Result<(), Refused> {
    let mut owners = metadata.owner_references.iter().flatten();
    if let Some((owner, (kind, _))) = owners.find_map(|o| Some((o, kinds::owner(o)?))) {
        return Err(Refused::forbidden(
            "PlantedPod",
            format!(
                "this pod names {} {} as its owner, but {requester} is not the controller that makes its pods: take the \
                 owner reference away, or create a {} of your own",
                kind.name, owner.name, kind.kind
            ),
        ));
    }
    let mut labels =
        kinds::parents().flat_map(|(kind, p)| p.adopts_by.iter().map(move |l| (kind, *l)));
    if let Some((kind, label)) = labels.find(|(_, label)| metadata.label(label).is_some()) {
        return Err(Refused::forbidden(
            "PlantedPod",
            format!(
                "this pod has the label {label}, by which the controller of a {} would adopt it, but {requester} is not \
                 that controller: take the label away, or create a {} of your own",
                kind.name, kind.kind
            ),
        ));
    }
    Ok(())
}

/// Whoever is asking, for an object that is theirs (a parent, or a pod that no carrier makes).
#[must_use]
pub fn asking(
    rules: &Rules,
    requester: Requester,
    metadata: &Metadata<'_>,
    launcher: Launcher,
) -> Asker {
    let claim = |key: &str| metadata.annotation(key).map(str::to_owned);
    Asker {
        user: rules.user(&requester, claim),
        groups: rules.mentioned_groups(&requester.groups),
        requester: requester.username,
        launcher,
    }
}

/// Whoever asked for the parent of a carried pod.
///
/// # Errors
/// When the parent's stamp is missing or void.
pub fn carried(
    world: &World<'_>,
    namespace: &str,
    (kind, launcher): (&Kind, Launcher),
    uid: &str,
    parent: &Parent,
) -> Result<Asker, Refused> {
    let seen = SeenObject {
        stack: world.rules.stack(),
        namespace,
        kind: kind.name,
        name: &parent.name,
        generate_name: parent.generate_name.as_deref(),
        uid,
        created: parent.created,
    };
    let Some(text) = parent.stamp.as_deref() else {
        let what = "it has no stamp: it was made before the namespace was opted in, or while admission was off";
        return Err(nobodys(kind, &parent.name, what));
    };
    let stamp = verify(world, text, &seen).map_err(|void| match void {
        Void::Seal(error @ SealError::UnknownKey(_)) => unknown_key(kind, &parent.name, &error),
        void => nobodys(kind, &parent.name, &format!("its stamp is void: {void}")),
    })?;
    let user = match stamp.user {
        Some(user) => Ok(user),
        None => Err(unmapped(&stamp.requester, kind, &parent.name)),
    };
    Ok(Asker {
        requester: stamp.requester,
        user,
        groups: stamp.groups,
        launcher,
    })
}

/// Why a stamp says nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Void {
    /// We did not sign it for this very object.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// It was signed before the namespace opted out and in again: nobody watched who edited what in between.
    #[error("it is from before the namespace was opted in again")]
    BeforeReturn,
}

/// The stamp in an annotation, if it counts for this object.
///
/// # Errors
/// Why it does not.
pub fn verify(world: &World<'_>, text: &str, seen: &SeenObject<'_>) -> Result<Stamp, Void> {
    let stamp = Stamp::verify(text, world.keys, seen)?;
    let before = |returned| seen.created.saturating_add(RETURN_TOLERANCE) < returned;
    if world.returned.is_some_and(before) {
        return Err(Void::BeforeReturn);
    }
    Ok(stamp)
}

/// An existing object as stamps see it.
#[must_use]
pub fn seen<'a>(
    world: &World<'a>,
    namespace: &'a str,
    kind: &Kind,
    metadata: &'a Metadata<'_>,
) -> SeenObject<'a> {
    let created = metadata.creation_timestamp.as_deref();
    let created = created.and_then(|text| text.parse::<Timestamp>().ok());
    SeenObject {
        stack: world.rules.stack(),
        namespace,
        kind: kind.name,
        name: metadata.name.as_deref().unwrap_or_default(),
        generate_name: metadata.generate_name.as_deref(),
        uid: metadata.uid.as_deref().unwrap_or_default(),
        created: created.map_or(i64::MIN, Timestamp::as_second),
    }
}

// No requester is known here: the pod's own is the controller.
fn nobodys(kind: &Kind, name: &str, what: &str) -> Refused {
    Refused::forbidden(
        "NoProvenRequester",
        format!(
            "nobody is proven to have asked for {} {name}, so its pods run as nobody: {what}; delete it and run again",
            kind.name
        ),
    )
}

fn unknown_key(kind: &Kind, name: &str, error: &SealError) -> Refused {
    Refused::later(
        "UnknownKey",
        format!(
            "the stamp of {} {name} cannot be checked yet: {error}; keys are read again every minute, and the controller \
             tries again by itself",
            kind.name
        ),
    )
}

fn unmapped(requester: &str, kind: &Kind, name: &str) -> Refusal {
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
