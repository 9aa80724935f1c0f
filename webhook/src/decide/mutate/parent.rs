//! The stamp of a parent: its user, and what it would run.

use namesake_api::names::{ADOPT_ANNOTATION, STAMP_ANNOTATION};
use namesake_core::{Bound, DecisionId, SeenObject, Stamp};

use super::Change;
use crate::decide::context::AdmissionContext;
use crate::review::Metadata;
use crate::review::outcome::Outcome;
use crate::review::patch::Patch;

/// Writes the patch of a new parent: its stamp, whatever was there before.
#[must_use]
pub fn new_parent(context: &AdmissionContext, metadata: &Metadata<'_>, stamp: Stamp) -> Change {
    let text = sign_or_keep(context, metadata, stamp);
    with_stamp(metadata, Some(&text), Outcome::Stamped)
}

/// Writes the patch of a changed parent: this stamp.
#[must_use]
pub fn stamped(
    context: &AdmissionContext,
    metadata: &Metadata<'_>,
    stamp: &Stamp,
    outcome: Outcome,
) -> Change {
    let text = sign(context, stamp);
    with_stamp(metadata, Some(&text), outcome)
}

/// Writes the patch of a changed parent: the stamp that it had, or none, whatever the request says.
#[must_use]
pub fn restored(metadata: &Metadata<'_>, text: Option<&str>) -> Change {
    with_stamp(metadata, text, Outcome::Restored)
}

fn with_stamp(metadata: &Metadata<'_>, text: Option<&str>, outcome: Outcome) -> Change {
    let mut patch = Patch::default();
    let keys = [(STAMP_ANNOTATION, text), (ADOPT_ANNOTATION, None)];
    patch.set_annotations(metadata, &keys);
    Change {
        patch,
        warning: None,
        service_account: None,
        outcome,
        decision: text.and_then(DecisionId::of_signed),
    }
}

fn sign(context: &AdmissionContext, stamp: &Stamp) -> String {
    stamp.sign(&context.keys, context.epoch_of(&stamp.namespace))
}

// The existing stamp, if it has the same content and is as recent: a second pass over the output of the webhook changes nothing.
// The containers that were signed first stay, because the user did not ask for what another webhook added meanwhile.
fn sign_or_keep(context: &AdmissionContext, metadata: &Metadata<'_>, mut wanted: Stamp) -> String {
    let name = metadata
        .name
        .as_deref()
        .or(metadata.generate_name.as_deref());
    let seen = SeenObject {
        stack: &wanted.stack,
        namespace: &wanted.namespace,
        kind: &wanted.kind,
        name: name.unwrap_or_default(),
        generate_name: metadata.generate_name.as_deref(),
        uid: "",
        created: context.now,
        epoch: context.epoch_of(&wanted.namespace),
    };
    let text = metadata.annotation(STAMP_ANNOTATION);
    let present =
        text.and_then(|text| Some((text, Stamp::verify(text, &context.keys, &seen).ok()?)));
    let present = present.filter(|(_, stamp)| matches!(stamp.bound, Bound::SignedAt(_)));
    let Some((text, first)) = present else {
        return sign(context, &wanted);
    };
    if first.requester == wanted.requester && !first.containers.is_empty() {
        wanted.containers.clone_from(&first.containers);
    }
    let same = Stamp {
        bound: wanted.bound.clone(),
        ..first
    } == wanted;
    if same {
        text.to_owned()
    } else {
        sign(context, &wanted)
    }
}
