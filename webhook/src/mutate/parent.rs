//! A new parent: stamped with whoever makes it, and refused here if its pods would be.

use namesake_api::names::STAMP_ANNOTATION;
use namesake_core::{Bound, Decision, ObjectName, SeenObject, Stamp};

use super::{Change, Have, World};
use crate::kinds::Kind;
use crate::patch::Patch;
use crate::review::{Metadata, Object, Request};
use crate::twin::DRY_RUN;
use crate::who::Asker;

/// Writes the patch of a new parent: its stamp, whatever was there before.
#[must_use]
pub fn parent(
    world: &World<'_>,
    request: &Request<'_>,
    kind: &Kind,
    object: &Object<'_>,
    asker: &Asker,
    decision: &Decision,
    have: Option<Have>,
) -> Change {
    let metadata = &object.metadata;
    let stamp = Stamp {
        stack: world.rules.stack().to_owned(),
        namespace: request.namespace.to_string(),
        kind: kind.name.to_owned(),
        object: ObjectName::of(metadata.name.as_deref(), metadata.generate_name.as_deref()),
        requester: asker.requester.clone(),
        user: asker.user().cloned(),
        groups: asker.groups.clone(),
        bound: Bound::Written(world.now),
    };
    let text = signed(world, metadata, &stamp);
    let mut patch = Patch::default();
    let keys = [(STAMP_ANNOTATION, Some(text.as_str()))];
    patch.set_keys(
        "/metadata/annotations",
        metadata.annotations.as_ref(),
        &keys,
    );
    let (service_account, new) = match decision {
        Decision::Identity(choice) => (Some(choice.name.to_string()), have.is_none()),
        Decision::ServiceAccount { name, .. } => (Some(name.clone()), false),
        Decision::Keep | Decision::Deny(_) => (None, false),
    };
    Change {
        patch,
        warning: new.then_some(DRY_RUN),
        service_account,
        outcome: "stamped",
    }
}

// The stamp that is there already, if it says the same and is as fresh: a second pass over our own output changes nothing.
fn signed(world: &World<'_>, metadata: &Metadata<'_>, wanted: &Stamp) -> String {
    let there = metadata.annotation(STAMP_ANNOTATION);
    let same = there.filter(|text| {
        let seen = SeenObject {
            stack: &wanted.stack,
            namespace: &wanted.namespace,
            kind: &wanted.kind,
            name: metadata
                .name
                .as_deref()
                .or(metadata.generate_name.as_deref())
                .unwrap_or_default(),
            generate_name: metadata.generate_name.as_deref(),
            uid: "",
            created: world.now,
        };
        Stamp::verify(text, world.keys, &seen).is_ok_and(|there| {
            matches!(there.bound, Bound::Written(_))
                && Stamp {
                    bound: wanted.bound.clone(),
                    ..there
                } == *wanted
        })
    });
    same.map_or_else(|| wanted.sign(world.keys), str::to_owned)
}
