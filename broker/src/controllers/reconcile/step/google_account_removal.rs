//! Steps that disable and delete the GSA. An account that is not ours is not touched.

use namesake_api::Identity;
use namesake_gcp::{Error, ServiceAccount};

use super::google_account::mark;
use crate::controllers::context::Context;
use crate::controllers::reconcile::outcome::{StepOutcome, StepResult};
use crate::identity::phase;

/// Disables the GSA, so that existing tokens stop working too.
pub(crate) async fn disable(identity: &Identity, context: &Context) -> StepResult {
    // It may have been enabled a moment ago, and Google may still show the state before.
    let age = phase::time_in_phase(identity, context.now());
    let may_be_stale = age < context.config.timings.stale_reads;
    if let GoogleAccountOwner::Ours(account) = find(identity, context).await?
        && (!account.disabled || may_be_stale)
    {
        let (project, id) = (&identity.spec.project, &account.unique_id);
        ignore_not_found(context.gcp.disable_service_account(project, id).await)?;
    }
    Ok(StepOutcome::default())
}

/// Disables the GSA, then deletes it by its unique id: another account that got its name meanwhile stays.
pub(crate) async fn delete(identity: &Identity, context: &Context) -> StepResult {
    disable(identity, context).await?;
    if let GoogleAccountOwner::Ours(account) = find(identity, context).await? {
        let (project, id) = (&identity.spec.project, &account.unique_id);
        ignore_not_found(context.gcp.delete_service_account(project, id).await)?;
        context.quotas.add_deleted(project);
    }
    Ok(StepOutcome {
        // For a returning user it is undeleted by this id.
        google_account_dropped: identity.phase().accepts_new_pods(),
        ..StepOutcome::default()
    })
}

/// Whose the GSA is that the identity has, or had.
pub(super) enum GoogleAccountOwner {
    Ours(ServiceAccount),
    Foreign,
    None,
}

pub(super) async fn find(identity: &Identity, context: &Context) -> StepResult<GoogleAccountOwner> {
    if identity.spec.pinned {
        return Ok(GoogleAccountOwner::None);
    }
    // First the recorded one: somebody may have edited the spec.
    let status = identity.status.as_ref();
    let recorded = status.and_then(|status| status.google_service_account_id.clone());
    let named = identity.spec.google_service_account.clone();
    let (project, mark) = (&identity.spec.project, mark(identity)?);
    let mut owner = GoogleAccountOwner::None;
    for account in recorded.into_iter().chain(named) {
        match context.gcp.get_service_account(project, &account).await? {
            Some(account) if account.description == mark => {
                return Ok(GoogleAccountOwner::Ours(account));
            }
            Some(_) => owner = GoogleAccountOwner::Foreign,
            None => {}
        }
    }
    Ok(owner)
}

fn ignore_not_found(result: Result<(), Error>) -> StepResult<()> {
    match result {
        Err(Error::NotFound(_)) => Ok(()),
        other => Ok(other?),
    }
}
