//! Verifies that an identity works, the way a pod uses it: a token of the KSA, exchanged, turned into one of the GSA, and with
//! that token the permissions that each grant should give. What Google tells the broker as an admin proves nothing about a pod.

mod deny_policy_hint;
mod permissions;
mod tokens;
mod verification_limiter;

use std::time::Duration;

use kube::Client;
use namesake_api::Identity;
use namesake_core::Reason;
use namesake_gcp::{Error, Gcp};
use secrecy::SecretString;

use crate::google::grants;
use crate::identity::step_failure::{Retry, StepFailure};

pub(crate) use deny_policy_hint::deny_policy_hint;
pub(crate) use tokens::CachedToken;
pub(crate) use verification_limiter::VerificationLimiter;

/// Reason of a verification that Google refused: the KSA may not act as the identity yet, or a grant is missing.
pub(crate) const REFUSED: Reason = Reason::Propagating;
/// Pods that one verification stands for. Each has its own connections and so, usually, reaches other replicas of Google.
const PARALLEL_CHECKS: usize = 8;
/// How many of them test permissions as well, except in the last verification: a project that everybody shares can be read only
/// some ten times a second (Google documents that for version 1 of its Resource Manager).
const PERMISSION_CHECKS: usize = 4;

/// Verifies the identity once, as several pods at the same time would use it. `token` is kept for the next verification; all
/// other tokens live only as long as this call. After the `last` verification the identity counts as working.
///
/// Google answers from many replicas that learn of a change one by one, so one success proves only that one of them has. The
/// first check runs alone, so that an identity that does not work yet costs one call instead of all.
pub(crate) async fn verify_once(
    identity: &Identity,
    client: &Client,
    gcp: &Gcp,
    last: bool,
    token: &mut Option<CachedToken>,
) -> Result<(), StepFailure> {
    let minted = match token.take().filter(CachedToken::is_fresh) {
        Some(cached) => cached,
        None => CachedToken::mint(identity, client).await?,
    };
    let federated = minted.exchange(identity, gcp).await?;
    *token = Some(minted);
    check(identity, gcp, &federated, true).await?;
    let with_permissions = if last {
        PARALLEL_CHECKS
    } else {
        PERMISSION_CHECKS
    };
    let others = (1..PARALLEL_CHECKS)
        .map(|number| check(identity, gcp, &federated, number < with_permissions));
    futures::future::try_join_all(others).await.map(|_| ())
}

/// Verifies once more an identity that worked. One check is enough, because no replica of Google has anything to learn.
pub(crate) async fn verify_again(
    identity: &Identity,
    client: &Client,
    gcp: &Gcp,
) -> Result<(), StepFailure> {
    let verification = async {
        let token = CachedToken::mint(identity, client).await?;
        let federated = token.exchange(identity, gcp).await?;
        check(identity, gcp, &federated, true).await
    };
    verification.await.map_err(revoked)
}

/// The failure of a verification that succeeded before, although everything that the broker writes is in place.
fn revoked(failure: StepFailure) -> StepFailure {
    if failure.is_organization_refusal() {
        // Believed after several refusals, like any refusal of an identity that worked.
        return StepFailure {
            retry: Retry::Backoff(Duration::ZERO),
            revokes: true,
            ..failure
        };
    }
    if failure.reason != REFUSED {
        return failure;
    }
    let message = format!(
        "the identity worked, binding and grants are in place, and Google refuses it now: look for a deny policy, an \
         organization policy or a changed workload identity pool. {}",
        failure.message
    );
    StepFailure {
        reason: Reason::Revoked,
        message,
        revokes: true,
        ..failure
    }
}

/// From the federated token to a token of the identity, and to each permission that the grants give, if these are to be tested.
async fn check(
    identity: &Identity,
    gcp: &Gcp,
    federated: &SecretString,
    test_permissions: bool,
) -> Result<(), StepFailure> {
    let token = match &identity.spec.google_service_account {
        Some(email) => gcp.generate_access_token(federated, email).await,
        None => Ok(federated.clone()),
    };
    let token = token.map_err(propagating)?;
    if !test_permissions {
        return Ok(());
    }
    for (resource, roles) in &grants::testable(&identity.spec) {
        let wanted = permissions::of(resource, roles.iter().map(String::as_str));
        if wanted.is_empty() {
            continue;
        }
        let held = gcp.test_iam_permissions(resource, &token, &wanted).await;
        let held = held.map_err(propagating)?;
        let missing: Vec<_> = wanted
            .into_iter()
            .filter(|p| !held.iter().any(|held| held == p))
            .collect();
        if !missing.is_empty() {
            let why = format!(
                "Google does not give {} on {resource} yet: that takes 2 to 7 minutes after the grant was written",
                missing.join(", ")
            );
            return Err(StepFailure::passing(REFUSED, why));
        }
    }
    Ok(())
}

/// While Google distributes a change it answers 403 and 404; that needs time, not a person.
fn propagating(error: Error) -> StepFailure {
    match error {
        Error::PermissionDenied(failure) | Error::NotFound(failure) => StepFailure::passing(
            REFUSED,
            format!(
                "{}: {}: Google needs 2 to 7 minutes to distribute a change",
                failure.what, failure.message
            ),
        ),
        other => other.into(),
    }
}
