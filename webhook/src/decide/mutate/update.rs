//! A changed parent: its stamp is restored, never believed; and what runs as a user is changed only by that user.

use namesake_api::names::{ADOPT_ANNOTATION, STAMP_ANNOTATION};
use namesake_core::{Bound, Digest, Json, KeyRing, ObjectName, SealError, Stamp, User};

use super::{Change, Picked, restamped};
use crate::decide::context::AdmissionContext;
use crate::decide::kinds::{self, Kind, Parent, Parts};
use crate::decide::who::adopt;
use crate::decide::who::{self, Asker, Author, Trust, seen, verify};
use crate::review::patch::Patch;
use crate::review::reason::RefusalReason;
use crate::review::verdict::{Facts, Refused};
use crate::review::{Object, Request};

/// What becomes of a changed parent.
#[derive(Debug)]
pub enum Update {
    /// This.
    Done(Change),
    /// What it runs changes for this user: the rules are asked as for a new one, and then it gets this stamp.
    Ask(Asker, Box<Stamp>),
}

// Who changes a parent, to its stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    // Whose it is.
    User,
    // An admin: what they write is meant.
    Admin,
    // A carrier, or an updater such as Kueue: what they write follows from what is there.
    Controller,
    // Nobody who is known to it.
    Other,
}

/// Decides about a changed parent, and says whose it is.
///
/// # Errors
/// A change of what runs by somebody whose it is not.
pub fn update(
    context: &AdmissionContext<'_>,
    request: &Request<'_>,
    (kind, parent): (&Kind, &Parent),
    (old, old_parts): (&Object<'_>, &Parts<'_>),
    (new, new_parts): (&Object<'_>, &Parts<'_>),
) -> (Facts, Result<Update, Refused>) {
    match adopt::asked(context, request, (kind, parent), old, (new, new_parts)) {
        Ok(None) => {}
        Ok(Some((asker, stamp))) => {
            let facts = super::facts(&asker, None);
            return (facts, Ok(Update::Ask(asker, Box::new(stamp))));
        }
        Err(refused) => {
            let facts = Facts {
                requester: request.user_info.username.to_string(),
                ..Facts::default()
            };
            return (facts, Err(refused));
        }
    }
    let text = old.metadata.annotation(STAMP_ANNOTATION);
    let seen = seen(context, &request.namespace, kind, &old.metadata);
    let stamp = text.map(|text| verify(context, text, &seen));
    let mut facts = Facts {
        requester: request.user_info.username.to_string(),
        outcome: "restored",
        ..Facts::default()
    };
    if let Some(Ok(stamp)) = &stamp {
        facts.user = stamp.user.as_ref().map(ToString::to_string);
    }
    let changed = beyond_stopping(parent, old_parts, new_parts);
    let standing = standing(context, request, parent, old, stamp.as_ref());
    if standing == Standing::Other
        && stamp.is_some()
        && let Some(member) = &changed
    {
        let refused = foreign(kind, old, stamp.as_ref(), &facts, member);
        return (facts, Err(refused));
    }
    let Some(Ok(stamp)) = stamp else {
        return (facts, Ok(Update::Done(restored(new, text))));
    };
    let (before, after) = (parent.runs.of(old_parts), parent.runs.of(new_parts));
    let runs = resigned(standing, &stamp.runs, &before, after);
    let bound = Bound::Uid(old.metadata.uid.as_deref().unwrap_or_default().to_owned());
    if changed.is_some() && standing == Standing::User {
        let asker = who::of_stamp(&stamp, kind, parent, seen.name);
        let stamp = by_uid(stamp, runs, bound, old);
        return (facts, Ok(Update::Ask(asker, Box::new(stamp))));
    }
    let current = text.and_then(KeyRing::id_in) == Some(context.keys.current());
    if stamp.bound == bound && stamp.runs == runs && current {
        return (facts, Ok(Update::Done(restored(new, text))));
    }
    let stamp = by_uid(stamp, runs, bound, old);
    let change = restamped(
        context,
        &new.metadata,
        &stamp,
        Picked::default(),
        "restored",
    );
    (facts, Ok(Update::Done(change)))
}

fn by_uid(stamp: Stamp, runs: Vec<Digest>, bound: Bound, old: &Object<'_>) -> Stamp {
    Stamp {
        object: ObjectName::new(old.metadata.name.as_deref(), None),
        bound,
        runs,
        ..stamp
    }
}

fn restored(new: &Object<'_>, text: Option<&str>) -> Change {
    let mut patch = Patch::default();
    patch.set_keys(
        "/metadata/annotations",
        new.metadata.annotations.as_ref(),
        &[(STAMP_ANNOTATION, text), (ADOPT_ANNOTATION, None)],
    );
    Change {
        patch,
        warning: None,
        service_account: None,
        outcome: "restored",
    }
}

// What the stamp signs from now on. What was changed while nobody watched stays unsigned, until its user or an admin
// changes what it runs.
fn resigned(
    standing: Standing,
    signed: &[Digest],
    before: &[Digest],
    after: Vec<Digest>,
) -> Vec<Digest> {
    let means_it = matches!(standing, Standing::User | Standing::Admin) && before != after;
    let follows = standing != Standing::Other && signed == before;
    if means_it || follows {
        after
    } else {
        signed.to_vec()
    }
}

// Without any stamp nothing runs as anybody, so there is nothing to guard; a void one may be ours again (a lost key).
fn standing(
    context: &AdmissionContext<'_>,
    request: &Request<'_>,
    parent: &Parent,
    old: &Object<'_>,
    stamp: Option<&Result<Stamp, SealError>>,
) -> Standing {
    let owner = old.metadata.controller().and_then(kinds::owner);
    let launchers = [
        Some(parent.launcher),
        owner.map(|(_, owner)| owner.launcher),
    ];
    let launchers = launchers.into_iter().flatten();
    let author = Author::of(context, &request.user_info, &old.metadata, launchers);
    match (author.trust, stamp) {
        (Trust::Carrier | Trust::Updater, _) => Standing::Controller,
        (Trust::Admin, _) => Standing::Admin,
        (Trust::Nothing, Some(Ok(stamp))) if author.is(&stamp.requester, stamp.user.as_ref()) => {
            Standing::User
        }
        (Trust::Nothing, _) => Standing::Other,
    }
}

// The first part that differs by more than stopping it.
fn beyond_stopping(parent: &Parent, old: &Parts<'_>, new: &Parts<'_>) -> Option<String> {
    let is_object = |parts: &Parts<'_>| matches!(parts.spec, Json::Object(_));
    if is_object(old) != is_object(new) {
        return Some("spec".to_owned());
    }
    let members = old.spec.members().iter().chain(new.spec.members());
    let mut names = members.map(|(name, _)| name.as_str());
    let found = names.find(|name| {
        let (before, after) = (old.spec.get(name), new.spec.get(name));
        let stop = parent.stops.iter().find(|s| s.member == *name);
        before != after && !stop.is_some_and(|s| (s.stops)(before, after))
    });
    let found = found.map(|member| format!("spec.{member}"));
    found.or_else(|| (parent.also)(old, new))
}

fn foreign(
    kind: &Kind,
    old: &Object<'_>,
    stamp: Option<&Result<Stamp, SealError>>,
    facts: &Facts,
    member: &str,
) -> Refused {
    let name = old.metadata.name.as_deref().unwrap_or_default();
    let owner = match stamp {
        Some(Ok(stamp)) => {
            let user = stamp.user.as_ref();
            let user = user.map_or(stamp.requester.as_str(), User::as_str);
            format!("belongs to {user}")
        }
        Some(Err(error @ SealError::UnknownKey(_))) => {
            let text = format!(
                "the stamp of {} {name} cannot be checked yet: {error}; try again in a minute",
                kind.name
            );
            return Refused::later(RefusalReason::UnknownKey, text);
        }
        _ => "has a void stamp, so nobody knows whose it is".to_owned(),
    };
    Refused::forbidden(
        RefusalReason::NotYours,
        format!(
            "{} {name} {owner}, and {} may stop or delete it but not change {member}: create one of your own, or ask \
             its user or an admin to change it",
            kind.name, facts.requester
        ),
    )
}
