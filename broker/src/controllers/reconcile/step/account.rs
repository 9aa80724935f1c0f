//! Steps on the KSA, and its observation.

use futures::TryFutureExt;
use kube::ResourceExt;
use namesake_api::Identity;

use crate::cluster::ensure::{self, EnsureError};
use crate::cluster::requests::namespace_and_name;
use crate::controllers::context::Context;
use crate::controllers::reconcile::outcome::{ObservedAccount, StepOutcome, StepResult};
use crate::identity::objects;
use crate::identity::objects::judgement::{self, Judgement};
use crate::identity::plan::observed::ServiceAccountState;
use crate::identity::step_failure::StepFailure;

/// Observes the KSA. Unless `thorough`, what the watch shows is enough. A KSA that the status does not have counts as right only if
/// nothing else had to be created with it.
pub(crate) async fn observe(
    identity: &Identity,
    context: &Context,
    thorough: bool,
) -> StepResult<ObservedAccount> {
    let (namespace, name) = namespace_and_name(identity);
    let mark = objects::mark(identity).map_err(EnsureError::from)?;
    let wanted = objects::service_account(identity, &mark);
    let recorded = identity.service_account_uid();
    let may_adopt_uid = recorded.is_none() && !thorough && objects::has_no_role_bindings(identity);
    let observed = |judgement: &Judgement, uid: &str| ObservedAccount {
        state: right_or_unowned(judgement),
        unrecorded_uid: may_adopt_uid.then(|| uid.to_owned()),
    };
    let watched_uid = may_adopt_uid
        .then(|| context.accounts.uid(&namespace, &name))
        .flatten();
    if let Some(uid) = recorded.or(watched_uid.as_deref()).filter(|_| !thorough)
        && let Some(judgement) = context.accounts.judge(&wanted, uid)
    {
        return Ok(observed(&judgement, uid));
    }
    let Some(account) = ensure::get_service_account(&context.client, identity).await? else {
        return Ok(ServiceAccountState::Absent.into());
    };
    let uid = account.uid().unwrap_or_default();
    let is_known = may_adopt_uid || Some(uid.as_str()) == recorded;
    let judgement = judgement::judge(&account, &wanted);
    match judgement {
        Judgement::Right | Judgement::Unowned => {
            context.accounts.mark_right(&account.metadata);
            let is_complete =
                || ensure::have_role_bindings(&context.client, identity).map_err(StepFailure::from);
            if is_known && (!thorough || is_complete().await?) {
                return Ok(observed(&judgement, &uid));
            }
            Ok(ServiceAccountState::Drifted.into())
        }
        Judgement::Drifted => Ok(ServiceAccountState::Drifted.into()),
        // A recorded KSA is ours even if somebody changed its creation id.
        Judgement::Orphaned if is_known && recorded.is_some() => {
            Ok(ServiceAccountState::Drifted.into())
        }
        // The step that creates the KSA reports or replaces it.
        Judgement::Leftover | Judgement::Orphaned | Judgement::Foreign(_) => {
            Ok(ServiceAccountState::Absent.into())
        }
    }
}

/// The state of a KSA that is right, except that it may have no owner.
fn right_or_unowned(judgement: &Judgement) -> ServiceAccountState {
    match judgement {
        Judgement::Unowned => ServiceAccountState::Unowned,
        _ => ServiceAccountState::Right,
    }
}

/// Creates or repairs the KSA and its RoleBindings.
pub(super) async fn ensure(identity: &Identity, context: &Context) -> StepResult {
    let account = ensure::ensure_service_account(&context.client, identity).await?;
    Ok(StepOutcome {
        service_account: Some(ServiceAccountState::Right),
        service_account_uid: account.uid(),
        ..StepOutcome::default()
    })
}

/// Makes the Identity the owner of its KSA. The answer shows the whole KSA, so that it is judged as well.
pub(super) async fn set_owner(identity: &Identity, context: &Context) -> StepResult {
    let (account, judgement) = ensure::set_owner(&context.client, identity).await?;
    let state = if judgement == Judgement::Right {
        context.accounts.mark_right(&account.metadata);
        ServiceAccountState::Right
    } else {
        ServiceAccountState::Drifted
    };
    Ok(StepOutcome {
        service_account: Some(state),
        ..StepOutcome::default()
    })
}
