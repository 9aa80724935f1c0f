//! A Workflow that names a template runs as the deployer of the template, once Argo has stored a spec that matches the stamp of the
//! template. Pure.

use namesake_core::{ArgoStamp, Deployer, Json, Stamp};

use super::STORED;
use super::object::stored_digest;
use super::reference::{self, Reference};
use super::stored::is_merged;
use crate::decide::kinds::Parts;
use crate::decide::who::Standing;

/// The template that has to be read before the stamp of a changed Workflow can be signed: Argo has stored what it runs.
#[must_use]
pub fn awaited<'n>(standing: Standing, stamp: &Stamp, new: &'n Parts<'_>) -> Option<Reference<'n>> {
    let Some(ArgoStamp::Reference {
        template,
        cluster_scope,
        own,
    }) = &stamp.argo
    else {
        return None;
    };
    if standing != Standing::Carrier || new.status.get(STORED).is_empty() {
        return None;
    }
    let reference = match own {
        None => reference::pure(&new.spec),
        Some(_) => reference::named(&new.spec),
    };
    reference.filter(|r| r.name == template && r.cluster_scope == *cluster_scope)
}

/// The user of a Workflow in which Argo has stored a spec: the deployer of the template, if the spec is the one that the stamp of
/// the template signed. `template`: the stamp of the template, if it is valid, and its spec.
#[must_use]
pub fn deployed(stamp: &Stamp, template: Option<&(Stamp, Json<'_>)>, new: &Parts<'_>) -> ArgoStamp {
    let deployer = template.and_then(|template| deployer(stamp, template, new));
    deployer.map_or(ArgoStamp::Unmatched, |deployer| {
        ArgoStamp::Deployed(Box::new(deployer))
    })
}

fn deployer(
    stamp: &Stamp,
    (template, spec): &(Stamp, Json<'_>),
    new: &Parts<'_>,
) -> Option<Deployer> {
    let stored = stored_digest(&new.status)?;
    let Some(ArgoStamp::Own { digest, before }) = &template.argo else {
        return None;
    };
    let Some(ArgoStamp::Reference { own, .. }) = &stamp.argo else {
        return None;
    };
    let (is_signed, by) = match own {
        None => (
            *digest == stored || before.as_ref() == Some(&stored),
            template,
        ),
        // Merged with more than a reference: the requester's, if the template is theirs, it is still the version that was read
        // when the Workflow was created, and Argo has read that version too.
        Some(own) => (
            own == digest
                && stamp.user.is_some()
                && stamp.user == template.user
                && is_merged(new.status.get(STORED), spec, &new.spec),
            stamp,
        ),
    };
    is_signed.then(|| Deployer {
        requester: by.requester.clone(),
        user: by.user.clone(),
        groups: by.groups.clone(),
        stored,
    })
}
