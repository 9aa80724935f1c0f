//! Adoption: an admin gives a parent without a proven person to a user, in an UPDATE that says so. Pure.
//!
//! Only the request that brings the annotation counts, and it takes it off: one that was there before, or came with a
//! template, is nobody's word.

use std::collections::BTreeMap;

use namesake_api::names::{ADOPT_ANNOTATION, STAMP_ANNOTATION};
use namesake_core::{Bound, Groups, ObjectName, STAMP_TOLERANCE, Stamp};

use crate::decide::context::AdmissionContext;
use crate::decide::kinds::{self, Kind, Parent, Parts};
use crate::decide::pod_model::containers;
use crate::decide::who::{self, Asker, requester, seen, verify};
use crate::review::reason::RefusalReason;
use crate::review::verdict::Refused;
use crate::review::{Metadata, Object, Request};

/// The user that an admin gives a changed parent to, and the stamp that says so; none if nobody asks for that.
///
/// # Errors
/// Somebody asks who is no admin, or for a name that is no user.
pub fn asked(
    context: &AdmissionContext<'_>,
    request: &Request<'_>,
    (kind, parent): (&Kind, &Parent),
    old: &Object<'_>,
    (new, parts): (&Object<'_>, &Parts<'_>),
) -> Result<Option<(Asker, Stamp)>, Refused> {
    if is_child(&new.metadata) {
        return Ok(None);
    }
    let (old, metadata) = (&old.metadata, &new.metadata);
    let Some(given) = given(context, request, kind, (old, metadata))? else {
        let again = again(context, request, kind, old, metadata);
        return Ok(again.map(|stamp| (asker(&stamp, kind, parent, old), stamp)));
    };
    let stamp = Stamp {
        runs: parent.runs.of(parts),
        containers: containers::asked_for_by(context.rules, parent, parts)?,
        ..given
    };
    Ok(Some((asker(&stamp, kind, parent, old), stamp)))
}

/// The stamp of an object that an admin gives to a user, without what it runs; none if nobody asks for that. `old` and
/// `new` are its metadata.
///
/// # Errors
/// Somebody asks who is no admin, or for a name that is no user.
pub fn given(
    context: &AdmissionContext<'_>,
    request: &Request<'_>,
    kind: &Kind,
    (old, new): (&Metadata<'_>, &Metadata<'_>),
) -> Result<Option<Stamp>, Refused> {
    let Some(name) = brought(Some(old), new) else {
        return Ok(None);
    };
    let what = format!("{} {}", kind.name, old.name.as_deref().unwrap_or_default());
    check_admin(context, request, &what)?;
    Ok(Some(Stamp {
        stack: context.rules.stack().to_owned(),
        namespace: request.namespace.to_string(),
        kind: kind.name.to_owned(),
        object: ObjectName::new(old.name.as_deref(), None),
        requester: request.user_info.username.to_string(),
        user: Some(context.rules.canonical_user(name)?),
        groups: Groups::default(),
        bound: Bound::Uid(old.uid.as_deref().unwrap_or_default().to_owned()),
        root: None,
        runs: Vec::new(),
        containers: BTreeMap::new(),
        taken_over_at: Some(context.now),
        argo: None,
    }))
}

/// Checks a new parent: it is there before anybody gives it to a user, or webhooks that come after us would undo it.
///
/// # Errors
/// It asks to be adopted.
pub fn not_yet(kind: &Kind, new: &Metadata<'_>) -> Result<(), Refused> {
    match brought(None, new).filter(|_| !is_child(new)) {
        None => Ok(()),
        Some(_) => Err(Refused::forbidden(
            RefusalReason::AdoptedTooEarly,
            format!(
                "a new {} belongs to whoever makes it: take the annotation {ADOPT_ANNOTATION} away, or create it without, and let \
                 an admin annotate it then",
                kind.name
            ),
        )),
    }
}

// What a carrier makes belongs to its parent's user, whatever its template says.
fn is_child(metadata: &Metadata<'_>) -> bool {
    metadata.controller().and_then(kinds::owner).is_some()
}

fn brought<'m>(old: Option<&Metadata<'_>>, new: &'m Metadata<'_>) -> Option<&'m str> {
    let was = old.and_then(|old| old.annotation(ADOPT_ANNOTATION));
    let is = new.annotation(ADOPT_ANNOTATION);
    is.filter(|is| was != Some(is))
}

/// The stamp of this very request, which we wrote before another webhook changed the object and we were called again.
#[must_use]
pub fn again(
    context: &AdmissionContext<'_>,
    request: &Request<'_>,
    kind: &Kind,
    old: &Metadata<'_>,
    new: &Metadata<'_>,
) -> Option<Stamp> {
    let text = new.annotation(STAMP_ANNOTATION)?;
    if old.annotation(STAMP_ANNOTATION) == Some(text) {
        return None;
    }
    let seen = seen(context, &request.namespace, kind, old);
    let stamp = verify(context, text, &seen).ok()?;
    let now = |at: i64| at.abs_diff(context.now) <= STAMP_TOLERANCE;
    let ours = stamp.taken_over_at.is_some_and(now)
        && stamp.requester == request.user_info.username.as_str();
    (ours && check_admin(context, request, kind.name).is_ok()).then_some(stamp)
}

fn asker(stamp: &Stamp, kind: &Kind, parent: &Parent, old: &Metadata<'_>) -> Asker {
    let name = old.name.as_deref().unwrap_or_default();
    who::of_stamp(stamp, kind, parent, name)
}

fn check_admin(
    context: &AdmissionContext<'_>,
    request: &Request<'_>,
    what: &str,
) -> Result<(), Refused> {
    if context.acts_for.is_none() && context.rules.is_admin(&requester(&request.user_info)) {
        return Ok(());
    }
    Err(Refused::forbidden(
        RefusalReason::NotAnAdmin,
        format!(
            "only admins of the rules give {what} to a user, not {}: take the annotation {ADOPT_ANNOTATION} away, or ask an \
             admin to set it",
            request.user_info.username
        ),
    ))
}
