//! Tokens as a task pod gets them: the KSA's token, its exchange, and an access token of the GSA. They are never logged or
//! stored.
//!
//! These calls are plain requests: the official crate's credentials fail for good after one 403, and the purpose of these
//! calls is to find out when the 403 ends.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::error::refusal;
use crate::transport::http::{Bearer, invalid, url};
use crate::transport::names::{check_name, project_of};
use crate::{Error, Gcp, Rate, Refusal};

/// Scope of the tokens that permissions are tested with; the policies limit what they can do.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Lifetime of these tokens: they are used at once and dropped.
const LIFETIME: &str = "300s";

impl Gcp {
    /// Exchanges a KSA's token for a federated token. `audience` is `identitynamespace:POOL:ISSUER` or the name of a
    /// provider; `scope` is a URL, `…/auth/iam` if the token is only used to impersonate.
    ///
    /// # Errors
    /// `PoolMissing` if there is no such pool or provider, `Invalid` if the KSA's token is not accepted, `Refused` if the
    /// provider's attribute condition rejects it.
    pub async fn exchange(
        &self,
        subject_token: &SecretString,
        audience: &str,
        scope: &str,
    ) -> Result<SecretString, Error> {
        let what = format!("exchange the KSA's token for {audience}");
        let url = url(&self.endpoints.sts, &["v1", "token"])?;
        let form = [
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ),
            ("audience", audience),
            ("scope", scope),
            (
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
            // The newline at the end of a token file is not part of the token.
            ("subject_token", subject_token.expose_secret().trim()),
        ];
        let answer = self
            .retry()
            .idempotent(&what, Rate::Exchange.of(pool(audience)), || {
                let request = self.http.post(url.clone()).form(&form);
                self.send(&what, request, Bearer::InBody(subject_token))
            })
            .await
            .map_err(|error| with_audience(error, audience))?;
        token(&what, &answer, "access_token")
    }

    /// Gets an access token of a GSA with a federated token, as the metadata server does for a pod.
    ///
    /// # Errors
    /// `PermissionDenied` until the binding takes effect, `NotFound` until the credentials service knows the account.
    pub async fn generate_access_token(
        &self,
        federated: &SecretString,
        email: &str,
    ) -> Result<SecretString, Error> {
        check_name("service account", email)?;
        let what = format!("get an access token of {email} with the KSA's token");
        let verb = format!("{email}:generateAccessToken");
        let path = ["v1", "projects", "-", "serviceAccounts", &verb];
        let url = url(&self.endpoints.iam_credentials, &path)?;
        let body = json!({"scope": [SCOPE], "lifetime": LIFETIME});
        let answer = self
            .retry()
            .idempotent(&what, Rate::Credentials.of(&project_of(email)), || {
                let request = self.http.post(url.clone()).json(&body);
                self.send(&what, request, Bearer::Token(federated))
            })
            .await?;
        token(&what, &answer, "accessToken")
    }
}

/// Adds pool and provider to the refusal of a token, because Google's answer does not name them.
fn with_audience(error: Error, audience: &str) -> Error {
    match error {
        Error::Refused {
            failure,
            by: Refusal::CredentialRejected { .. },
        } => Error::Refused {
            failure,
            by: refusal::of_audience(audience),
        },
        other => other,
    }
}

/// The pool in an audience; the whole audience if it has another form.
fn pool(audience: &str) -> &str {
    let form = audience.strip_prefix("identitynamespace:");
    form.and_then(|rest| rest.split(':').next())
        .unwrap_or(audience)
}

fn token(what: &str, answer: &Value, key: &str) -> Result<SecretString, Error> {
    let token = answer[key].as_str().filter(|token| !token.is_empty());
    token
        .map(SecretString::from)
        .ok_or_else(|| invalid(what, "the answer has no token"))
}
