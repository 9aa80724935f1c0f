//! Stamps of objects: which are valid, what a new one contains, and what is refused because of them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use namesake_api::names::STAMP_ANNOTATION;
use namesake_core::{Bound, Digest, ObjectName, Reason, SealError, SeenObject, Stamp, User};

use crate::decide::context::AdmissionContext;
use crate::decide::kinds::{Kind, Runs};
use crate::decide::known::KnownParent;
use crate::decide::who::{ParentReference, Principal};
use crate::review::Metadata;
use crate::review::refused::Refused;

/// Why an object without a stamp has no proven requester.
pub(crate) const NO_STAMP: &str =
    "it has no stamp: it was created before the namespace was opted in, or while admission was off";

/// The stamp of an object that belongs to `principal`. It signs no pod templates, containers or Argo spec yet.
#[must_use]
pub fn for_object(
    context: &AdmissionContext,
    namespace: &str,
    kind: &Kind,
    (object, bound): (ObjectName, Bound),
    principal: &Principal,
) -> Stamp {
    Stamp {
        stack: context.rules.stack().to_owned(),
        namespace: kind.stamp_namespace(namespace).to_owned(),
        kind: kind.name.to_owned(),
        object,
        requester: principal.requester.clone(),
        user: principal.user().cloned(),
        groups: principal.groups.clone(),
        bound,
        root: None,
        runs: Vec::new(),
        containers: BTreeMap::new(),
        taken_over_at: None,
        argo: None,
    }
}

/// What a stamp is bound to for an object that is being created.
#[must_use]
pub fn created(context: &AdmissionContext, metadata: &Metadata<'_>) -> (ObjectName, Bound) {
    let name = ObjectName::new(metadata.name.as_deref(), metadata.generate_name.as_deref());
    (name, Bound::SignedAt(context.now))
}

/// The name and UID by which a stamp identifies an existing object.
#[must_use]
pub fn existing(metadata: &Metadata<'_>) -> (ObjectName, Bound) {
    let uid = metadata.uid.as_deref().unwrap_or_default();
    (
        ObjectName::new(metadata.name.as_deref(), None),
        Bound::Uid(uid.to_owned()),
    )
}

/// The stamp of a parent.
///
/// # Errors
/// When it is missing or not valid, or the parent does not run what it signs.
pub fn of_parent(
    context: &AdmissionContext,
    namespace: &str,
    reference: &ParentReference<'_>,
    parent: &KnownParent,
) -> Result<Stamp, Refused> {
    let kind = reference.kind;
    let verified = of_known(context, namespace, &reference.owner.uid, parent);
    let stamp = valid(verified, kind, &parent.name)?;
    let shows = |runs: &Digest| stamp.runs.contains(runs);
    match reference.parent.pods.map(|pods| pods.runs) {
        Some(Runs::Itself { .. }) if !parent.runs.as_ref().is_some_and(shows) => {
            Err(not_as_signed(kind, &parent.name, &stamp))
        }
        _ => Ok(stamp),
    }
}

/// The principal for whom a trusted controller creates a child of a parent; `shown` is the digest of what the child would run, for
/// parents that can change.
///
/// # Errors
/// When the parent's stamp is missing or not valid, or does not sign what is created.
pub fn principal_of_parent(
    context: &AdmissionContext,
    namespace: &str,
    reference: &ParentReference<'_>,
    parent: &KnownParent,
    shown: Option<&Digest>,
) -> Result<Principal, Refused> {
    let (kind, name) = (reference.kind, &*parent.name);
    let stamp = of_parent(context, namespace, reference, parent)?;
    let signed = matches!(
        reference.parent.pods.map(|pods| pods.runs),
        Some(Runs::Signed { .. })
    );
    if signed && shown.is_some_and(|shown| !stamp.runs.contains(shown)) {
        return Err(not_as_signed(kind, name, &stamp));
    }
    Ok(Principal::of_stamp(
        &stamp,
        reference.parent.launcher,
        (kind, name),
    ))
}

/// The stamp in an annotation, if it was signed for this object in the present epoch of its namespace.
///
/// # Errors
/// Why it is not valid.
pub fn verify(
    context: &AdmissionContext,
    text: &str,
    seen: &SeenObject<'_>,
) -> Result<Stamp, SealError> {
    if seen.epoch.is_empty() && !seen.namespace.is_empty() {
        return Err(SealError::Epoch);
    }
    Stamp::verify(text, &context.keys, seen)
}

/// Verifies the stamp of a parent in memory that has this UID; `None` if it has none.
#[must_use]
pub fn of_known(
    context: &AdmissionContext,
    namespace: &str,
    uid: &str,
    parent: &KnownParent,
) -> Option<Result<Stamp, SealError>> {
    let text = parent.stamp.as_deref()?;
    let seen = SeenObject {
        stack: context.rules.stack(),
        namespace,
        kind: parent.kind,
        name: &parent.name,
        generate_name: parent.generate_name.as_deref(),
        uid,
        created: parent.created,
        epoch: context.epoch_of(namespace),
    };
    Some(verify(context, text, &seen))
}

/// The stamp in an existing object's metadata, and whether it is valid; `None` if it has none.
#[must_use]
pub fn of_metadata(
    context: &AdmissionContext,
    namespace: &str,
    kind: &Kind,
    metadata: &Metadata<'_>,
) -> Option<Result<Stamp, SealError>> {
    let text = metadata.annotation(STAMP_ANNOTATION)?;
    Some(verify(
        context,
        text,
        &seen(context, namespace, kind, metadata),
    ))
}

/// An existing object as stamps see it.
#[must_use]
pub fn seen<'a>(
    context: &'a AdmissionContext,
    namespace: &'a str,
    kind: &Kind,
    metadata: &'a Metadata<'_>,
) -> SeenObject<'a> {
    let namespace = kind.stamp_namespace(namespace);
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
        epoch: context.epoch_of(namespace),
    }
}

/// A stamp that must exist and be valid, because pods of the object run as the user that it names.
///
/// # Errors
/// The refusal of such a pod.
pub fn valid(
    stamp: Option<Result<Stamp, SealError>>,
    kind: &Kind,
    name: &str,
) -> Result<Stamp, Refused> {
    match stamp {
        Some(Ok(stamp)) => Ok(stamp),
        Some(Err(error @ SealError::UnknownKey(_))) => Err(unknown_key(kind, name, &error)),
        Some(Err(error)) => {
            let why = format!("its stamp is not valid: {error}");
            Err(no_proven_requester(kind, name, &why))
        }
        None => Err(no_proven_requester(kind, name, NO_STAMP)),
    }
}

/// The user that a stamp names; if it names none, the requester.
pub(crate) fn user_or_requester(stamp: &Stamp) -> &str {
    let user = stamp.user.as_ref().map(User::as_str);
    user.unwrap_or(&stamp.requester)
}

// The requester is not known here: that of the pod is the controller.
fn no_proven_requester(kind: &Kind, name: &str, why: &str) -> Refused {
    Refused::new(
        Reason::NoProvenRequester,
        format!(
            "nothing proves who asked for {} {name}, so its pods get no identity: {why}; delete it and run again, or ask an admin \
             to adopt it",
            kind.name
        ),
    )
}

fn not_as_signed(kind: &Kind, name: &str, stamp: &Stamp) -> Refused {
    Refused::new(
        Reason::NotAsSigned,
        format!(
            "this would run something else than {} asked for in {} {name}: it was just changed, and its controller tries again by \
             itself; if this lasts, it was changed while Namesake was not watching: delete it and create it again",
            user_or_requester(stamp),
            kind.name
        ),
    )
}

pub(crate) fn unknown_key(kind: &Kind, name: &str, error: &SealError) -> Refused {
    Refused::new(
        Reason::UnknownKey,
        format!(
            "the stamp of {} {name} cannot be verified yet: {error}; keys are read again every minute: try again, controllers do so \
             by themselves",
            kind.name
        ),
    )
}

/// The refusal of a change of `member` by a requester who may only stop or delete the object. `belongs` says whose it is.
pub(crate) fn not_yours(
    (kind, name): (&Kind, &str),
    requester: &str,
    stamp: &Result<Stamp, SealError>,
    belongs: impl FnOnce(&Stamp) -> String,
    member: &str,
) -> Refused {
    let belongs = match stamp {
        Ok(stamp) => belongs(stamp),
        Err(error @ SealError::UnknownKey(_)) => return unknown_key(kind, name, error),
        Err(_) => "has a stamp that is not valid, so its user is not known".to_owned(),
    };
    Refused::new(
        Reason::NotYours,
        format!(
            "{} {name} {belongs}, and {requester} may stop or delete it but not change {member}: create one of your own, or ask \
             its user or an admin to change it",
            kind.name
        ),
    )
}
