//! Brings a pod that gets a controller, and that controller, to the pure check.

use std::time::Instant;

use namesake_api::names::RESOLUTION_ANNOTATION;
use namesake_core::{ExistingPod, Resolution, SealError, User, is_managed_name};

use super::super::needs::{self, Missing};
use super::super::{not_opted_in, unasked};
use crate::decide::argo;
use crate::decide::context::AdmissionContext;
use crate::decide::kinds;
use crate::decide::validate::guard::Guarded;
use crate::decide::validate::guard::adoption::{OwnerOf, RunsAs, adopt};
use crate::decide::who;
use crate::review::reason::RefusalReason;
use crate::review::verdict::Refused;
use crate::review::{Metadata, Owner, Request};
use crate::state::State;

/// Checks each controller that a pod has after an update and did not have before.
pub(super) async fn check(
    state: &State,
    context: &AdmissionContext<'_>,
    request: &Request<'_, Guarded<'_>>,
    deadline: Instant,
) -> Result<Option<String>, Refused> {
    let (Some(new), Some(old)) = (&request.object, &request.old_object) else {
        return Err(unasked(request));
    };
    if context.epoch.is_empty() {
        return Err(not_opted_in(state, context, request));
    }
    let account = old.account();
    let pod = new.metadata.name.as_deref().unwrap_or_default();
    let runs_as = runs_as(state, context, &request.namespace, old)?;
    let is_new = |owner: &&Owner<'_>| {
        let mut before = old.metadata.owner_references.iter().flatten();
        owner.controller == Some(true) && !before.any(|o| o == *owner)
    };
    let owners = new.metadata.owner_references.iter().flatten();
    for owner in owners.filter(is_new) {
        let of = owner_of(state, context, &request.namespace, owner, deadline).await?;
        let object = format!("{} {}", owner.kind, owner.name);
        adopt(&request.user_info.username, (pod, &runs_as), (&object, &of))?;
    }
    Ok(Some(account.to_owned()))
}

// The Identity of a managed account says whose it is, also when the key of the resolution is gone.
fn runs_as(
    state: &State,
    context: &AdmissionContext<'_>,
    namespace: &str,
    pod: &Guarded<'_>,
) -> Result<RunsAs, Refused> {
    let account = pod.account();
    let is_managed = is_managed_name(account);
    if is_managed {
        let known = state.identities.get(namespace, account);
        if let Some(user) = known.and_then(|known| User::exact(&known.user).ok()) {
            return Ok(RunsAs::User(user));
        }
    }
    let nobody = if is_managed {
        RunsAs::Unproven
    } else {
        RunsAs::Nobody
    };
    Ok(
        match resolution(context, namespace, &pod.metadata, account)? {
            Some(Resolution {
                user: Some(user), ..
            }) => RunsAs::User(user),
            _ => nobody,
        },
    )
}

fn resolution(
    context: &AdmissionContext<'_>,
    namespace: &str,
    metadata: &Metadata<'_>,
    account: &str,
) -> Result<Option<Resolution>, Refused> {
    let Some(text) = metadata.annotation(RESOLUTION_ANNOTATION) else {
        return Ok(None);
    };
    let pod = ExistingPod {
        stack: context.rules.stack(),
        namespace,
        service_account: account,
        name: metadata.name.as_deref().unwrap_or_default(),
        generate_name: metadata.generate_name.as_deref(),
        epoch: context.epoch,
    };
    match Resolution::verify_existing(text, context.keys, &pod) {
        Ok(found) => Ok(Some(found)),
        Err(error @ SealError::UnknownKey(_)) => Err(Refused::later(
            RefusalReason::UnknownKey,
            format!(
                "the resolution of pod {} cannot be checked yet: {error}; keys are read again every minute, and its controller \
                 tries again by itself",
                pod.name
            ),
        )),
        _ => Ok(None),
    }
}

async fn owner_of(
    state: &State,
    context: &AdmissionContext<'_>,
    namespace: &str,
    owner: &Owner<'_>,
    deadline: Instant,
) -> Result<OwnerOf, Refused> {
    let known = state.parents.by_uid(namespace, &owner.uid);
    let Some(link) = who::possible_parent(known.as_deref(), owner) else {
        return Ok(OwnerOf::Unstamped);
    };
    let found = match needs::parent(state, namespace, &link, false, deadline).await {
        Ok(found) => found.seen,
        // Another API group's kind of this name, or an object that is gone.
        Err(Missing::Gone(_)) if kinds::owner(owner).is_none() => return Ok(OwnerOf::Unstamped),
        Err(Missing::Gone(_)) => return Ok(OwnerOf::NoSuchObject),
        Err(Missing::Away(refused)) => return Err(refused),
    };
    if *found.name != *owner.name.as_str() || kinds::owner(owner).is_none() {
        return Ok(OwnerOf::NoSuchObject);
    }
    let stamp = match who::stamp_of(context, namespace, &link, &found) {
        Ok(stamp) => stamp,
        Err(refused) if refused.code == 503 => return Err(refused),
        Err(_) => return Ok(OwnerOf::Nobody),
    };
    Ok(argo::runs_as(&stamp).map_or(OwnerOf::Nobody, |user| OwnerOf::User(user.clone())))
}
