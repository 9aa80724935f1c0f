//! Adoption: an admin assigns a parent without a proven requester to a user, in an UPDATE that sets an annotation. Pure.
//!
//! Only the request that brings the annotation counts, and it removes it: one that was there before, or came with a template,
//! proves nothing.

use namesake_api::names::{ADOPT_ANNOTATION, STAMP_ANNOTATION};
use namesake_core::{Groups, Launcher, Reason, STAMP_TOLERANCE, Stamp};

use crate::decide::context::AdmissionContext;
use crate::decide::kinds::{self, Kind};
use crate::decide::who::{Principal, requester, stamp};
use crate::review::refused::Refused;
use crate::review::{Metadata, Request};

/// An adoption, as far as it is decided before what the object runs is known.
#[derive(Clone, Debug)]
pub enum Adoption {
    /// This request assigns the object to the user of this stamp.
    Requested(Stamp),
    /// An earlier pass of this request did; this is the stamp that was written before another webhook changed the object and this
    /// one was called again.
    Signed(Stamp),
}

impl Adoption {
    /// The stamp that the object gets; after [`Adoption::Requested`] it does not sign yet what the object runs.
    #[must_use]
    pub fn stamp(&self) -> &Stamp {
        match self {
            Self::Requested(stamp) | Self::Signed(stamp) => stamp,
        }
    }
}

/// The adoption that an UPDATE requests; `None` if it requests none.
///
/// # Errors
/// Somebody requests it who is not an admin, or for a name that is not a legal user.
pub fn adoption(
    context: &AdmissionContext,
    request: &Request<'_>,
    kind: &Kind,
    (old, new): (&Metadata<'_>, &Metadata<'_>),
) -> Result<Option<Adoption>, Refused> {
    let Some(name) = added_annotation(Some(old), new) else {
        let signed = already_signed(context, request, kind, (old, new));
        return Ok(signed.map(Adoption::Signed));
    };
    let what = format!("{} {}", kind.name, old.name.as_deref().unwrap_or_default());
    check_admin(context, request, &what)?;
    let principal = Principal {
        requester: request.user_info.username.to_string(),
        user: Ok(context.rules.canonical_user(name)?),
        groups: Groups::default(),
        launcher: Launcher::Job,
        containers: Default::default(),
    };
    let object = stamp::existing(old);
    Ok(Some(Adoption::Requested(Stamp {
        taken_over_at: Some(context.now),
        ..stamp::for_object(context, &request.namespace, kind, object, &principal)
    })))
}

/// Checks a new parent: an adoption at its creation would be undone by later webhooks.
///
/// # Errors
/// When it requests to be adopted.
pub fn check_new(kind: &Kind, new: &Metadata<'_>) -> Result<(), Refused> {
    match added_annotation(None, new).filter(|_| !is_child(new)) {
        None => Ok(()),
        Some(_) => Err(Refused::new(
            Reason::AdoptedTooEarly,
            format!(
                "a new {} belongs to whoever creates it: remove the annotation {ADOPT_ANNOTATION}, and let an admin set it after the \
                 object is created",
                kind.name
            ),
        )),
    }
}

/// Whether an object belongs to a parent: what a trusted controller creates belongs to the user of the parent, whatever its
/// template contains.
#[must_use]
pub fn is_child(metadata: &Metadata<'_>) -> bool {
    metadata.controller().and_then(kinds::of_owner).is_some()
}

fn added_annotation<'m>(old: Option<&Metadata<'_>>, new: &'m Metadata<'_>) -> Option<&'m str> {
    let before = old.and_then(|old| old.annotation(ADOPT_ANNOTATION));
    let after = new.annotation(ADOPT_ANNOTATION);
    after.filter(|after| before != Some(after))
}

fn already_signed(
    context: &AdmissionContext,
    request: &Request<'_>,
    kind: &Kind,
    (old, new): (&Metadata<'_>, &Metadata<'_>),
) -> Option<Stamp> {
    let text = new.annotation(STAMP_ANNOTATION)?;
    if old.annotation(STAMP_ANNOTATION) == Some(text) {
        return None;
    }
    let seen = stamp::seen(context, &request.namespace, kind, old);
    let stamp = stamp::verify(context, text, &seen).ok()?;
    let is_recent = |at: i64| at.abs_diff(context.now) <= STAMP_TOLERANCE;
    let is_ours = stamp.taken_over_at.is_some_and(is_recent)
        && stamp.requester == request.user_info.username.as_str();
    (is_ours && check_admin(context, request, kind.name).is_ok()).then_some(stamp)
}

fn check_admin(
    context: &AdmissionContext,
    request: &Request<'_>,
    what: &str,
) -> Result<(), Refused> {
    if context.acts_for.is_none() && context.rules.is_admin(&requester(&request.user_info)) {
        return Ok(());
    }
    Err(Refused::new(
        Reason::NotAnAdmin,
        format!(
            "only admins of the rules may assign {what} to a user, and {} is not one: remove the annotation {ADOPT_ANNOTATION}, or ask \
             an admin to set it",
            request.user_info.username
        ),
    ))
}
