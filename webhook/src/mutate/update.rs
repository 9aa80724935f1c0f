//! A changed parent: its stamp is restored, never believed; and what runs as a user is changed only by that user.

use namesake_api::names::STAMP_ANNOTATION;
use namesake_core::{Bound, ObjectName, SealError, Stamp};
use serde_json::{Map, Value};

use super::{Change, World};
use crate::kinds::{Kind, Parent};
use crate::patch::Patch;
use crate::review::{Object, Request};
use crate::verdict::{Facts, Refused};
use crate::who::{self, Void, requester, seen, verify};

/// The parts of an object that say what will run.
#[derive(Debug, Default, serde::Deserialize)]
pub struct Specs {
    /// Spec.
    #[serde(default)]
    pub spec: Map<String, Value>,
}

/// Whether a valid stamp may be signed again, now for the object's UID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Yes.
    Again,
    /// The namespace is not seen as opted in: we sign nothing there.
    Never,
}

/// Writes the patch of a changed parent, and says whose it is. `specs` reads old and new spec, only if they matter.
///
/// # Errors
/// A change of what runs by somebody whose it is not.
pub fn update(
    world: &World<'_>,
    request: &Request<'_>,
    (kind, parent): (&Kind, &Parent),
    old: &Object<'_>,
    new: &Object<'_>,
    sign: Sign,
    specs: impl FnOnce() -> Option<(Specs, Specs)>,
) -> (Facts, Result<Change, Refused>) {
    let text = old.metadata.annotation(STAMP_ANNOTATION);
    let stamp = text.map(|text| {
        verify(
            world,
            text,
            &seen(world, &request.namespace, kind, &old.metadata),
        )
    });
    let mut facts = Facts {
        requester: request.user_info.username.to_string(),
        outcome: "restored",
        ..Facts::default()
    };
    if let Some(Ok(stamp)) = &stamp {
        facts.user = stamp.user.as_ref().map(ToString::to_string);
    }
    let may = may_change(world, request, parent, old, stamp.as_ref());
    if !may {
        let changed = specs().map_or(Some("spec".to_owned()), |(old, new)| {
            beyond_stopping(parent, &old.spec, &new.spec)
        });
        if let Some(member) = changed {
            let refused = foreign(kind, old, stamp.as_ref(), &facts, &member);
            return (facts, Err(refused));
        }
    }
    let restored = match stamp {
        Some(Ok(stamp)) if sign == Sign::Again && !matches!(stamp.bound, Bound::Uid(_)) => {
            let uid = old.metadata.uid.as_deref().unwrap_or_default().to_owned();
            let restamped = Stamp {
                object: ObjectName::of(old.metadata.name.as_deref(), None),
                bound: Bound::Uid(uid),
                ..stamp
            };
            Some(restamped.sign(world.keys))
        }
        _ => text.map(str::to_owned),
    };
    let mut patch = Patch::default();
    let keys = [(STAMP_ANNOTATION, restored.as_deref())];
    patch.set_keys(
        "/metadata/annotations",
        new.metadata.annotations.as_ref(),
        &keys,
    );
    let change = Change {
        patch,
        warning: None,
        service_account: None,
        outcome: "restored",
    };
    (facts, Ok(change))
}

// Without any stamp nothing runs as anybody, so there is nothing to guard; a void one may be ours again (a lost key).
fn may_change(
    world: &World<'_>,
    request: &Request<'_>,
    parent: &Parent,
    old: &Object<'_>,
    stamp: Option<&Result<Stamp, Void>>,
) -> bool {
    let Some(stamp) = stamp else { return true };
    let asks = requester(&request.user_info);
    let rules = world.rules;
    if rules.is_carrier(&asks, parent.launcher) || rules.is_updater(&asks) || rules.is_admin(&asks)
    {
        return true;
    }
    let Ok(stamp) = stamp else { return false };
    if stamp.requester == asks.username {
        return true;
    }
    let asker = who::asking(rules, asks, &old.metadata, parent.launcher);
    stamp.user.is_some() && asker.user() == stamp.user.as_ref()
}

// The first member of the spec that differs by more than stopping it.
fn beyond_stopping(
    parent: &Parent,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
) -> Option<String> {
    let members = old.keys().chain(new.keys());
    let mut changed = members.filter(|m| old.get(*m) != new.get(*m));
    let found = changed.find(|member| {
        let stop = parent.stops.iter().find(|s| s.member == member.as_str());
        let value = |spec: &Map<String, Value>| spec.get(*member).cloned().unwrap_or(Value::Null);
        !stop.is_some_and(|s| (s.stops)(&value(old), &value(new)))
    });
    found.cloned()
}

fn foreign(
    kind: &Kind,
    old: &Object<'_>,
    stamp: Option<&Result<Stamp, Void>>,
    facts: &Facts,
    member: &str,
) -> Refused {
    let name = old.metadata.name.as_deref().unwrap_or_default();
    let owner = match stamp {
        Some(Ok(stamp)) => {
            let user = stamp
                .user
                .as_ref()
                .map_or(stamp.requester.as_str(), namesake_core::User::as_str);
            format!("belongs to {user}")
        }
        Some(Err(Void::Seal(error @ SealError::UnknownKey(_)))) => {
            let text = format!(
                "the stamp of {} {name} cannot be checked yet: {error}; try again in a minute",
                kind.name
            );
            return Refused::later("UnknownKey", text);
        }
        _ => "has a void stamp, so nobody knows whose it is".to_owned(),
    };
    Refused::forbidden(
        "NotYours",
        format!(
            "{} {name} {owner}, and {} may stop or delete it but not change spec.{member}: create one of your own, or ask \
             its user or an admin to change it",
            kind.name, facts.requester
        ),
    )
}
