//! A parent's stamp: whoever makes it, and what it would run.

use std::collections::BTreeMap;

use namesake_api::names::{ADOPT_ANNOTATION, STAMP_ANNOTATION};
use namesake_core::{Argo, Bound, Digest, ObjectName, SeenObject, Stamp};

use super::Change;
use crate::decide::context::AdmissionContext;
use crate::decide::kinds::{Kind, Parent};
use crate::decide::who::Asker;
use crate::review::patch::Patch;
use crate::review::verdict::DRY_RUN;
use crate::review::{Metadata, Request};

/// What early evaluation found for the pods of a parent.
#[derive(Clone, Debug, Default)]
pub struct Picked {
    /// KSA that its (first) pods will get.
    pub service_account: Option<String>,
    /// Whether an identity would be made, were this not a dry run.
    pub not_made: bool,
    /// What the containers of its pods run, where that is known.
    pub containers: BTreeMap<String, String>,
}

/// Writes the patch of a new parent: its stamp, whatever was there before.
#[must_use]
pub fn parent(
    context: &AdmissionContext<'_>,
    request: &Request<'_>,
    (kind, parent): (&Kind, &Parent),
    metadata: &Metadata<'_>,
    asker: &Asker,
    runs: Vec<Digest>,
    mut picked: Picked,
) -> Change {
    let stamp = Stamp {
        root: Some(asker.launcher).filter(|root| *root != parent.launcher),
        runs,
        containers: std::mem::take(&mut picked.containers),
        ..fresh(context, request, kind, metadata, asker)
    };
    written(
        metadata,
        &signed(context, metadata, stamp),
        picked,
        "stamped",
    )
}

/// Writes the patch of a new object of Argo: its stamp, whatever was there before.
#[must_use]
pub fn of_argo(
    context: &AdmissionContext<'_>,
    request: &Request<'_>,
    kind: &Kind,
    metadata: &Metadata<'_>,
    asker: &Asker,
    argo: Argo,
    picked: Picked,
) -> Change {
    let stamp = Stamp {
        argo: Some(argo),
        ..fresh(context, request, kind, metadata, asker)
    };
    written(
        metadata,
        &signed(context, metadata, stamp),
        picked,
        "stamped",
    )
}

// The stamp of a new object: who asked for it, now.
fn fresh(
    context: &AdmissionContext<'_>,
    request: &Request<'_>,
    kind: &Kind,
    metadata: &Metadata<'_>,
    asker: &Asker,
) -> Stamp {
    Stamp {
        stack: context.rules.stack().to_owned(),
        namespace: request.namespace.to_string(),
        kind: kind.name.to_owned(),
        object: ObjectName::new(metadata.name.as_deref(), metadata.generate_name.as_deref()),
        requester: asker.requester.clone(),
        user: asker.user().cloned(),
        groups: asker.groups.clone(),
        bound: Bound::Written(context.now),
        root: None,
        runs: Vec::new(),
        containers: BTreeMap::new(),
        taken_over_at: None,
        argo: None,
    }
}

/// Writes the patch of a changed parent: this stamp.
#[must_use]
pub fn restamped(
    context: &AdmissionContext<'_>,
    metadata: &Metadata<'_>,
    stamp: &Stamp,
    picked: Picked,
    outcome: &'static str,
) -> Change {
    written(
        metadata,
        &stamp.sign(context.keys, context.epoch),
        picked,
        outcome,
    )
}

fn written(metadata: &Metadata<'_>, text: &str, picked: Picked, outcome: &'static str) -> Change {
    let mut patch = Patch::default();
    let keys = [(STAMP_ANNOTATION, Some(text)), (ADOPT_ANNOTATION, None)];
    patch.set_keys(
        "/metadata/annotations",
        metadata.annotations.as_ref(),
        &keys,
    );
    Change {
        patch,
        warning: picked.not_made.then_some(DRY_RUN),
        service_account: picked.service_account,
        outcome,
    }
}

// The stamp that is there already, if it says the same and is as fresh: a second pass over our own output changes nothing.
// What another webhook put in meanwhile was not asked for: the containers that we signed at first stay.
fn signed(context: &AdmissionContext<'_>, metadata: &Metadata<'_>, mut wanted: Stamp) -> String {
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
        created: context.now,
        epoch: context.epoch,
    };
    let text = metadata.annotation(STAMP_ANNOTATION);
    let there = text.and_then(|text| Some((text, Stamp::verify(text, context.keys, &seen).ok()?)));
    let Some((text, first)) = there.filter(|(_, there)| matches!(there.bound, Bound::Written(_)))
    else {
        return wanted.sign(context.keys, context.epoch);
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
        wanted.sign(context.keys, context.epoch)
    }
}
