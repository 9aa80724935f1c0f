//! Takes an identity's Google side down: the binding first, so that nobody acts as it from then on; then the grants; then the
//! account. Whatever is gone already counts as done, and what does not carry our mark is left alone.

use kube::runtime::controller::Action;
use kube::{Resource as _, ResourceExt};
use namesake_api::{Identity, Mode};
use namesake_gcp::{Edit, Error as Google, Resource};
use tracing::info;

use super::advance::write;
use super::{Context, Error, google};
use crate::conditions::Finding;
use crate::derive;
use crate::failure::Failure;
use crate::plan::Desired;
use crate::principal;

use namesake_api::names::GOOGLE_ACCOUNT_READY;

/// Takes it all down. The finalizer goes when this succeeds; while Google is away the Identity waits, and says why.
pub(super) async fn cleanup(identity: &Identity, context: &Context) -> Result<Action, Error> {
    let limit = context.config.timings.step;
    let done = tokio::time::timeout(limit, take_down(identity, context)).await;
    let late = || Err(Failure::passing("Timeout", "Google took too long"));
    let name = identity.name_any();
    match done.unwrap_or_else(|_| late()) {
        Ok(()) => {
            context.memories.forget(identity);
            info!(%name, user = %identity.spec.user, "identity taken down");
            Ok(Action::await_change())
        }
        Err(failure) => {
            context.metrics.step("TakeDown", failure.reason);
            let why = format!(
                "the Identity waits until its Google side is gone: {}",
                failure.message
            );
            let finding = Finding::fails(GOOGLE_ACCOUNT_READY, "Deleting", why.clone());
            // In a namespace that is going away neither needs to be possible.
            let _ = write(identity, context, &[finding]).await;
            context
                .events
                .warning(&identity.object_ref(&()), "TakeDown", failure.reason, &why)
                .await;
            Err(Error::Google(why))
        }
    }
}

pub(super) async fn take_down(identity: &Identity, context: &Context) -> Result<(), Failure> {
    let gcp = &context.gcp;
    // Nothing was ever done for one that was written by hand, or whose KSA was never made.
    if !derive::is_derived(identity) {
        return Ok(());
    }
    if identity.spec.mode == Mode::Direct {
        if identity.service_account_uid().is_none() {
            return Ok(());
        }
        return revoke(identity, context, &google::grantee(identity, gcp).await?).await;
    }
    let email = google::email(identity)?;
    let project = &identity.spec.project;
    let account = gcp.get_service_account(project, email).await?;
    let mark = google::mark(identity)?;
    let ours = !identity.spec.pinned && account.as_ref().is_some_and(|a| a.description == mark);
    if ours || (identity.spec.pinned && account.is_some()) {
        unbind(identity, context, email).await?;
    }
    // Another's account of the same name keeps what it has; of one that is gone, nothing of ours may stay.
    if ours || (account.is_none() && !identity.spec.pinned) {
        revoke(identity, context, &google::grantee(identity, gcp).await?).await?;
    }
    // By its unique id: a namesake made in between stays.
    if let Some(account) = account.filter(|_| ours) {
        forgive(
            gcp.disable_service_account(project, &account.unique_id)
                .await,
        )?;
        forgive(
            gcp.delete_service_account(project, &account.unique_id)
                .await,
        )?;
    }
    Ok(())
}

async fn unbind(identity: &Identity, context: &Context, email: &str) -> Result<(), Failure> {
    let resource = Resource::ServiceAccount {
        email: email.to_owned(),
    };
    let member = principal::binding(identity);
    let edits = vec![Edit::remove(google::WORKLOAD_IDENTITY_USER, member)];
    let removed = context.policies.change(&resource, edits).await;
    forgive(removed.map(|_| ()))
}

async fn revoke(identity: &Identity, context: &Context, member: &str) -> Result<(), Failure> {
    for (resource, roles) in &Desired::of(&identity.spec).grants {
        let edits = roles.iter().map(|role| Edit::remove(role, member));
        let removed = context.policies.change(resource, edits.collect()).await;
        forgive(removed.map(|_| ()))?;
    }
    Ok(())
}

/// What is not there need not be removed.
fn forgive(done: Result<(), Google>) -> Result<(), Failure> {
    match done {
        Err(Google::NotFound(_)) => Ok(()),
        other => Ok(other?),
    }
}
