//! Proves an identity the way a pod uses it: a token of the KSA, exchanged, turned into one of the GSA, and with that token
//! the permissions that each grant should give. What Google answers to us as admins proves nothing about a pod.

mod limit;
mod permissions;
mod suspicion;

use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt};
use namesake_api::{Identity, Mode};
use namesake_gcp::{AccessToken, Error, Gcp};
use secrecy::SecretString;
use tokio::time::Instant;

use crate::cluster::ensure;
use crate::google::grants;
use crate::google::principal;
use crate::identity::failure::{Failure, Retry};
use crate::identity::reason::ConditionReason;

pub(crate) use limit::Proofs;
pub(crate) use suspicion::suspicion;

/// Word for a proof that Google refused: somebody may not act as the identity, or the identity has not what was granted.
pub(crate) const REFUSED: ConditionReason = ConditionReason::Propagating;
/// Word for an identity that worked, and does not any more although binding and grants are there.
const REVOKED: ConditionReason = ConditionReason::Revoked;
/// Shortest life that the API server gives a token, in seconds.
const TOKEN_SECONDS: i64 = 600;
/// How long a token of a KSA is used: well before it ends.
const FRESH: Duration = Duration::from_secs(300);
/// Pods that a proof stands for. Each has connections of its own, and so, as a rule, replicas of its own to ask.
const WITNESSES: usize = 8;
/// How many of them ask for permissions, too, while further proofs are to come: a project that is shared by everybody can be read
/// some ten times a second only (Google documents that for version 1 of its Resource Manager).
const ASKING: usize = 4;
/// Scope of a federated token that is only used to impersonate.
const SCOPE_IAM: &str = "https://www.googleapis.com/auth/iam";
/// Scope of a federated token that acts itself.
const SCOPE_ALL: &str = "https://www.googleapis.com/auth/cloud-platform";

/// A token of a KSA: proofs that follow one another start from the same.
#[derive(Clone, Debug)]
pub(crate) struct Minted {
    token: SecretString,
    at: Instant,
}

impl Minted {
    fn is_fresh(&self) -> bool {
        self.at.elapsed() < FRESH
    }
}

/// Goes the way once, as several pods at the same time would. `token` is kept for the next proof; all others live in memory for
/// the length of this call. `last`: with this proof the identity counts as working.
///
/// Google answers from many replicas that learn a change one by one: one success says that one of them knows. The first
/// goes alone, so that an identity that is not believed yet costs one call and not all of them.
pub(crate) async fn prove(
    identity: &Identity,
    client: &Client,
    gcp: &Gcp,
    last: bool,
    token: &mut Option<Minted>,
) -> Result<(), Failure> {
    let minted = match token.take().filter(Minted::is_fresh) {
        Some(minted) => minted,
        None => Minted {
            token: service_account_token(identity, client).await?,
            at: Instant::now(),
        },
    };
    let federated = federated_token(identity, gcp, &minted.token).await?;
    *token = Some(minted);
    witness(identity, gcp, &federated, true).await?;
    let asking = if last { WITNESSES } else { ASKING };
    let others = (1..WITNESSES).map(|number| witness(identity, gcp, &federated, number < asking));
    futures::future::try_join_all(others).await.map(|_| ())
}

/// Goes the way once, as one that has worked. One answer is enough: no replica of Google's has anything to learn.
pub(crate) async fn prove_again(
    identity: &Identity,
    client: &Client,
    gcp: &Gcp,
) -> Result<(), Failure> {
    let proven = async {
        let token = service_account_token(identity, client).await?;
        let federated = federated_token(identity, gcp, &token).await?;
        witness(identity, gcp, &federated, true).await
    };
    proven.await.map_err(revoked)
}

// What Google refuses now it once gave, and nothing that the broker writes is missing.
fn revoked(failure: Failure) -> Failure {
    if failure.is_of_the_organization() {
        // Believed when it is heard several times, as any refusal of what has worked.
        return Failure {
            retry: Retry::Soon(Duration::ZERO),
            revokes: true,
            ..failure
        };
    }
    if failure.reason != REFUSED.as_str() {
        return failure;
    }
    let message = format!(
        "it worked, binding and grants are there, and Google refuses it all the same: look for a deny policy, an \
         organisation policy or a changed workload pool. {}",
        failure.message
    );
    Failure {
        reason: REVOKED.as_str(),
        message,
        revokes: true,
        ..failure
    }
}

/// The way from the federated token to a token of the identity, and to each permission if it `asks` for them.
async fn witness(
    identity: &Identity,
    gcp: &Gcp,
    federated: &AccessToken,
    asks: bool,
) -> Result<(), Failure> {
    let token = match &identity.spec.google_service_account {
        Some(email) => gcp.generate_access_token(federated, email).await,
        None => Ok(federated.clone()),
    };
    let token = token.map_err(|error| propagating(&error))?;
    if !asks {
        return Ok(());
    }
    for (resource, roles) in &grants::testable(&identity.spec) {
        let wanted = permissions::of(resource, roles.iter().map(String::as_str));
        if wanted.is_empty() {
            continue;
        }
        let held = gcp.test_iam_permissions(resource, &token, &wanted).await;
        let held = held.map_err(|error| propagating(&error))?;
        let missing: Vec<_> = wanted
            .into_iter()
            .filter(|p| !held.iter().any(|held| held == p))
            .collect();
        if !missing.is_empty() {
            let why = format!(
                "Google does not give {} on {resource} yet: that takes 2 to 7 minutes after the grant was written",
                missing.join(", ")
            );
            return Err(Failure::passing(REFUSED, why));
        }
    }
    Ok(())
}

/// A token of the KSA for the pool, as GKE's metadata server asks for one.
async fn service_account_token(
    identity: &Identity,
    client: &Client,
) -> Result<SecretString, Failure> {
    let (namespace, name) = (
        identity.namespace().unwrap_or_default(),
        identity.name_any(),
    );
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            audiences: Some(vec![principal::pool(&identity.spec.cluster)]),
            expiration_seconds: Some(TOKEN_SECONDS),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let api = Api::<ServiceAccount>::namespaced(client.clone(), &namespace);
    let what = format!("a token of service account {namespace}/{name}");
    let made = api
        .create_token_request(&name, &PostParams::default(), &request)
        .await;
    let made = made.map_err(ensure::Error::kube(&what))?;
    let token = made.status.and_then(|status| status.token);
    token.map(SecretString::from).ok_or_else(|| {
        Failure::passing(
            ConditionReason::ApiServerUnavailable,
            format!("the API server gave no {what}"),
        )
    })
}

/// The way from a token of the KSA to the federated token.
async fn federated_token(
    identity: &Identity,
    gcp: &Gcp,
    token: &SecretString,
) -> Result<AccessToken, Failure> {
    let scope = match identity.spec.mode {
        Mode::Impersonate => SCOPE_IAM,
        Mode::Direct => SCOPE_ALL,
    };
    let audience = principal::exchange_audience(&identity.spec.cluster);
    let exchanged = gcp.exchange(token, &audience, scope).await;
    exchanged.map_err(|error| propagating(&error))
}

/// While IAM learns a change it answers 403 and 404; then it is not a person's turn to do something.
fn propagating(error: &Error) -> Failure {
    match error {
        Error::PermissionDenied(_) | Error::NotFound(_) => {
            let failure = error.failure();
            let why = format!(
                "{}: {}: Google needs 2 to 7 minutes to learn a change",
                failure.what, failure.message
            );
            Failure {
                retry: Retry::Soon(Duration::ZERO),
                ..Failure::passing(REFUSED, why)
            }
        }
        other => other.clone().into(),
    }
}
