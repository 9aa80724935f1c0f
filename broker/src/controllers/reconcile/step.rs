//! Makes one change of the plan.

pub(crate) mod account;
mod allowed;
pub(crate) mod google_account;
pub(crate) mod google_account_removal;
mod leftovers;
pub(crate) mod members;
pub(crate) mod policies;
pub(crate) mod revoke;
pub(crate) mod teardown;

use std::time::Duration;

use namesake_api::Identity;

use super::memory::Memory;
use super::outcome::{StepOutcome, StepResult};
use crate::controllers::context::Context;
use crate::google::verify;
use crate::identity::plan::change::Change;
use crate::server::config::Timings;

/// Timeout of each call of a verification: it should soon be known why it fails, and it is tried again anyway.
const VERIFICATION_CALL: Duration = Duration::from_secs(8);

/// Makes one change.
pub(crate) async fn execute(
    identity: &Identity,
    context: &Context,
    change: &Change,
    memory: &mut Memory,
) -> StepResult {
    if change.is_at_google() {
        context.cluster_id.check(&identity.spec.cluster)?;
    }
    match change {
        Change::CreateServiceAccount | Change::RepairServiceAccount => {
            account::ensure(identity, context).await
        }
        Change::SetServiceAccountOwner => account::set_owner(identity, context).await,
        Change::EnsureGoogleAccount => google_account::ensure(identity, context).await,
        Change::ConfirmGoogleAccount => google_account::confirm(identity, context).await,
        Change::Record => policies::record(identity, context).await,
        Change::Bind => policies::bind(identity, context).await,
        Change::Grant(resource) => policies::grant(identity, context, resource).await,
        Change::Verify => {
            let google = context.gcp.within(VERIFICATION_CALL);
            let last = memory.next_verification_is_last();
            let (client, token) = (&context.client, &mut memory.token);
            let verification = verify::verify_once(identity, client, &google, last, token).await;
            verification.map(|()| StepOutcome::default())
        }
        Change::VerifyAgain => {
            let google = context.gcp.within(VERIFICATION_CALL);
            let verification = verify::verify_again(identity, &context.client, &google).await;
            verification.map(|()| StepOutcome::default())
        }
        Change::Revoke => revoke::revoke(identity, context).await,
        Change::Unbind => revoke::unbind(identity, context).await,
        Change::DisableGoogleAccount => google_account_removal::disable(identity, context).await,
        Change::DeleteGoogleAccount => google_account_removal::delete(identity, context).await,
        Change::Drain => teardown::drain(identity, context).await,
        Change::DeleteServiceAccount => teardown::delete_service_account(identity, context).await,
        Change::DeleteIdentity => teardown::delete_identity(identity, context).await,
    }
}

/// Pause after a step: only reads that confirm a new GSA, and verifications, have to be some time apart.
pub(crate) fn pause(change: &Change, next: Option<&Change>, timings: &Timings) -> Duration {
    match (change, next) {
        (Change::ConfirmGoogleAccount, Some(Change::ConfirmGoogleAccount)) => timings.sighting,
        (Change::Verify, Some(Change::Verify)) => timings.verification,
        _ => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_confirmations_and_verifications_are_some_time_apart() {
        let timings = Timings::default();
        let wait = |change: Change, next: Option<Change>| pause(&change, next.as_ref(), &timings);
        let confirm = || Change::ConfirmGoogleAccount;
        assert_eq!(wait(confirm(), Some(confirm())), timings.sighting);
        assert_eq!(
            wait(Change::Verify, Some(Change::Verify)),
            timings.verification
        );
        for (change, next) in [
            (Change::EnsureGoogleAccount, Some(confirm())),
            (confirm(), Some(Change::Bind)),
            (Change::Bind, Some(Change::Verify)),
            (Change::Verify, None),
        ] {
            assert_eq!(wait(change, next), Duration::ZERO);
        }
    }
}
