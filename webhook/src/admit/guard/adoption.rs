//! Brings a pod that gets a controller, and that controller, to the pure check.

use namesake_api::names::RESOLUTION_ANNOTATION;
use namesake_core::{ExistingPod, Reason, Resolution, SealError, User, is_managed_name};

use super::Guard;
use crate::admit::admission::{not_opted_in, unexpected};
use crate::admit::find_parent::{Owner, find_owner};
use crate::decide::argo;
use crate::decide::validate::adoption::{ControllerUser, RunsAs, check_adoption};
use crate::decide::validate::guarded::Guarded;
use crate::decide::who::stamp;
use crate::review::OwnerReference;
use crate::review::refused::Refused;

/// Checks each controller that a pod has after an update and did not have before. Returns the pod's service account.
pub(super) async fn check(guard: &Guard<'_>) -> Result<String, Refused> {
    let (context, request) = (guard.context, guard.request);
    let (Some(new), Some(old)) = (&request.object, &request.old_object) else {
        return Err(unexpected(request));
    };
    if context.epoch.is_empty() {
        return Err(not_opted_in(guard.state, context, &request.namespace));
    }
    let pod = new.metadata.name.as_deref().unwrap_or_default();
    let runs_as = runs_as(guard, old).await?;
    let is_new = |owner: &&OwnerReference<'_>| {
        let mut before = old.metadata.owner_references.iter().flatten();
        owner.controller == Some(true) && !before.any(|o| o == *owner)
    };
    let owners = new.metadata.owner_references.iter().flatten();
    for owner in owners.filter(is_new) {
        let user = controller_user(guard, owner).await?;
        let object = format!("{} {}", owner.kind, owner.name);
        let requester = &request.user_info.username;
        check_adoption(requester, (pod, &runs_as), (&object, &user))?;
    }
    Ok(old.account().to_owned())
}

// The Identity of a managed account proves the user of the pod, also when the key of its resolution is gone.
async fn runs_as(guard: &Guard<'_>, pod: &Guarded<'_>) -> Result<RunsAs, Refused> {
    let account = pod.account();
    let known = guard.identity(account).await?;
    if let Some(user) = known.and_then(|known| User::exact(&known.user).ok()) {
        return Ok(RunsAs::User(user));
    }
    Ok(
        match (
            resolution(guard, pod)?.and_then(|r| r.user),
            is_managed_name(account),
        ) {
            (Some(user), _) => RunsAs::User(user),
            (None, true) => RunsAs::Unproven,
            (None, false) => RunsAs::NoIdentity,
        },
    )
}

// The resolution of a pod, if it is valid.
fn resolution(guard: &Guard<'_>, pod: &Guarded<'_>) -> Result<Option<Resolution>, Refused> {
    let (context, metadata) = (guard.context, &pod.metadata);
    let Some(text) = metadata.annotation(RESOLUTION_ANNOTATION) else {
        return Ok(None);
    };
    let existing = ExistingPod {
        stack: context.rules.stack(),
        namespace: &guard.request.namespace,
        service_account: pod.account(),
        name: metadata.name.as_deref().unwrap_or_default(),
        generate_name: metadata.generate_name.as_deref(),
        epoch: &context.epoch,
    };
    match Resolution::verify_existing(text, &context.keys, &existing) {
        Ok(found) => Ok(Some(found)),
        Err(error @ SealError::UnknownKey(_)) => Err(Refused::new(
            Reason::UnknownKey,
            format!(
                "the resolution of pod {} cannot be verified yet: {error}; keys are read again every minute, and its controller tries \
                 again by itself",
                existing.name
            ),
        )),
        Err(_) => Ok(None),
    }
}

async fn controller_user(
    guard: &Guard<'_>,
    owner: &OwnerReference<'_>,
) -> Result<ControllerUser, Refused> {
    let (state, namespace) = (guard.state, guard.request.namespace.as_str());
    let (reference, parent) = match find_owner(state, namespace, owner, guard.deadline).await? {
        Owner::Other => return Ok(ControllerUser::NeverStamped),
        Owner::NoSuchObject(_) => return Ok(ControllerUser::NoSuchObject),
        Owner::Parent(reference, parent) => (reference, parent),
    };
    match stamp::of_parent(guard.context, namespace, &reference, &parent) {
        Ok(stamp) => Ok(match argo::runs_as(&stamp) {
            Some(user) => ControllerUser::User(user.clone()),
            None => ControllerUser::Unproven,
        }),
        Err(refused) if !refused.reason.is_lasting() => Err(refused),
        Err(_) => Ok(ControllerUser::Unproven),
    }
}
