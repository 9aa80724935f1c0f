//! The tokens of a verification: one of the KSA, as GKE's metadata server requests it, and the federated token for it.

use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client};
use namesake_api::{Identity, Mode};
use namesake_core::Reason;
use namesake_gcp::Gcp;
use secrecy::SecretString;
use tokio::time::Instant;

use super::propagating;
use crate::cluster::ensure::{EnsureError, KIND};
use crate::cluster::requests::{described, namespace_and_name};
use crate::google::principal;
use crate::identity::step_failure::StepFailure;

/// Shortest lifetime that the API server gives a token, in seconds.
const LIFETIME_SECONDS: i64 = 600;
/// How long a token is used: well before it expires.
const FRESH: Duration = Duration::from_secs(300);
/// Scope of a federated token that only impersonates.
const SCOPE_IAM: &str = "https://www.googleapis.com/auth/iam";
/// Scope of a federated token that acts itself.
const SCOPE_ALL: &str = "https://www.googleapis.com/auth/cloud-platform";

/// A token of a KSA. Consecutive verifications start from the same one.
#[derive(Clone, Debug)]
pub(crate) struct CachedToken {
    token: SecretString,
    minted: Instant,
}

impl CachedToken {
    pub(super) fn is_fresh(&self) -> bool {
        self.minted.elapsed() < FRESH
    }

    /// Requests a token of the KSA for the workload identity pool.
    pub(super) async fn mint(identity: &Identity, client: &Client) -> Result<Self, StepFailure> {
        let (namespace, name) = namespace_and_name(identity);
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: Some(vec![principal::pool(&identity.spec.cluster)]),
                expiration_seconds: Some(LIFETIME_SECONDS),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let api = Api::<ServiceAccount>::namespaced(client.clone(), &namespace);
        let what = format!("a request for a token of {}", described(KIND, identity));
        let answer = api
            .create_token_request(&name, &PostParams::default(), &request)
            .await;
        let answer = answer.map_err(EnsureError::kube(&what))?;
        let Some(token) = answer.status.and_then(|status| status.token) else {
            let why = format!("the API server answered {what} without a token");
            return Err(StepFailure::passing(Reason::ApiServerUnavailable, why));
        };
        Ok(Self {
            token: SecretString::from(token),
            minted: Instant::now(),
        })
    }

    /// Exchanges it for a federated token.
    pub(super) async fn exchange(
        &self,
        identity: &Identity,
        gcp: &Gcp,
    ) -> Result<SecretString, StepFailure> {
        let scope = match identity.spec.mode {
            Mode::Impersonate => SCOPE_IAM,
            Mode::Direct => SCOPE_ALL,
        };
        let audience = principal::exchange_audience(&identity.spec.cluster);
        let exchanged = gcp.exchange(&self.token, &audience, scope).await;
        exchanged.map_err(propagating)
    }
}
