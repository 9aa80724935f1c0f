//! A changed parent: its stamp is restored, whatever the request contains; and only its user may change what it runs.

use namesake_api::names::STAMP_ANNOTATION;
use namesake_core::{Bound, Digest, KeyRing, SealError, Stamp};

use super::{Change, restored, stamped};
use crate::decide::context::AdmissionContext;
use crate::decide::kinds::stopping::{first_change, is_stop};
use crate::decide::kinds::{self, Kind, ParentKind, Parts, PodTemplates};
use crate::decide::who::{Author, Principal, Standing, stamp};
use crate::review::outcome::Outcome;
use crate::review::refused::Refused;
use crate::review::{Metadata, Object, Request};

/// A parent that changes.
#[derive(Clone, Copy, Debug)]
pub struct Updated<'a> {
    /// Its kind.
    pub kind: &'static Kind,
    /// The properties of the kind.
    pub parent: &'static ParentKind,
    /// Its pod templates.
    pub pods: PodTemplates,
    /// The current version.
    pub old: &'a Object<'a>,
    /// The requested version.
    pub new: &'a Object<'a>,
    /// The stamp that it has, and whether that is valid.
    pub stamp: Option<&'a Result<Stamp, SealError>>,
}

/// The decision about a changed parent.
#[derive(Debug)]
pub enum Update {
    /// The change is admitted with this patch, without a decision of the rules.
    Done(Change),
    /// The user changes what it runs: the rules decide as for a new parent, which then gets this stamp.
    Decide(Principal, Box<Stamp>),
}

/// Decides about a changed parent.
///
/// # Errors
/// A change of what an object runs by somebody who is not its user.
pub fn update(
    context: &AdmissionContext,
    request: &Request<'_>,
    updated: &Updated<'_>,
    (old, new): (&Parts<'_>, &Parts<'_>),
) -> Result<Update, Refused> {
    let (kind, metadata) = (updated.kind, &updated.new.metadata);
    let name = updated.old.metadata.name.as_deref().unwrap_or_default();
    let text = updated.old.metadata.annotation(STAMP_ANNOTATION);
    let changed = first_change(&old.spec, &new.spec, |member, old, new| {
        is_stop(updated.pods.stops, member, old, new)
    });
    let standing = standing(context, request, updated);
    // Without any stamp nothing runs as anybody, so there is nothing to protect.
    if let (Standing::Other, Some(member), Some(stamp)) = (standing, &changed, updated.stamp) {
        let belongs = |stamp: &Stamp| format!("belongs to {}", stamp::user_or_requester(stamp));
        let (requester, member) = (&request.user_info.username, format!("spec.{member}"));
        return Err(stamp::not_yours(
            (kind, name),
            requester,
            stamp,
            belongs,
            &member,
        ));
    }
    let Some(Ok(stamp)) = updated.stamp else {
        return Ok(Update::Done(restored(metadata, text)));
    };
    let runs = updated.pods.runs;
    let next = next_stamp(
        stamp,
        standing,
        &updated.old.metadata,
        (runs.of(old), runs.of(new)),
    );
    if changed.is_some() && standing == Standing::Owner {
        let principal = Principal::of_stamp(stamp, updated.parent.launcher, (kind, name));
        return Ok(Update::Decide(principal, Box::new(next)));
    }
    let has_current_key = text.and_then(KeyRing::id_in) == Some(context.keys.current());
    let is_bound_by_uid = matches!(stamp.bound, Bound::Uid(_));
    if is_bound_by_uid && stamp.runs == next.runs && has_current_key {
        return Ok(Update::Done(restored(metadata, text)));
    }
    let change = stamped(context, metadata, &next, Outcome::Restored);
    Ok(Update::Done(change))
}

// The stamp after the change. An object that was changed while Namesake was not watching stays unsigned, until its user or an admin
// changes what it runs.
fn next_stamp(
    stamp: &Stamp,
    standing: Standing,
    metadata: &Metadata<'_>,
    (before, after): (Vec<Digest>, Vec<Digest>),
) -> Stamp {
    let is_intended = matches!(standing, Standing::Owner | Standing::Admin) && before != after;
    let follows = standing != Standing::Other && stamp.runs == before;
    let (object, bound) = stamp::existing(metadata);
    Stamp {
        object,
        bound,
        runs: if is_intended || follows {
            after
        } else {
            stamp.runs.clone()
        },
        ..stamp.clone()
    }
}

fn standing(context: &AdmissionContext, request: &Request<'_>, updated: &Updated<'_>) -> Standing {
    let old = &updated.old.metadata;
    let owner = old.controller().and_then(kinds::of_owner);
    let launchers = [
        Some(updated.parent.launcher),
        owner.map(|(_, owner)| owner.launcher),
    ];
    let launchers = launchers.into_iter().flatten();
    let author = Author::of(context, &request.user_info, old, launchers);
    author.standing(|author| match updated.stamp {
        Some(Ok(stamp)) if author.is(&stamp.requester, stamp.user.as_ref()) => Standing::Owner,
        _ => Standing::Other,
    })
}
