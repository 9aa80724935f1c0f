//! Tokens as a task pod gets them: the KSA's token, its exchange, and an access token of the GSA. They are never logged or
//! stored.
//!
//! These calls are plain requests: the official crate's credentials fail for good after one 403, and the purpose of these
//! calls is to find out when the 403 ends.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
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

/// An access token of Google, with its expiry.
#[derive(Clone)]
pub struct AccessToken {
    secret: SecretString,
    expires: Timestamp,
}

impl AccessToken {
    /// A token that this client did not request.
    #[must_use]
    pub const fn new(secret: SecretString, expires: Timestamp) -> Self {
        Self { secret, expires }
    }

    /// When it expires.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }

    pub(crate) const fn secret(&self) -> &SecretString {
        &self.secret
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

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
    ) -> Result<AccessToken, Error> {
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
        let token = text(&answer, "access_token")
            .ok_or_else(|| invalid(&what, "the answer has no token"))?;
        let seconds = answer["expires_in"].as_i64().unwrap_or(0).clamp(0, 86_400);
        let expires = Timestamp::now()
            .saturating_add(SignedDuration::from_secs(seconds))
            .unwrap_or(Timestamp::MAX);
        Ok(AccessToken::new(token.into(), expires))
    }

    /// Gets an access token of a GSA with a federated token, as the metadata server does for a pod.
    ///
    /// # Errors
    /// `PermissionDenied` until the binding takes effect, `NotFound` until the credentials service knows the account.
    pub async fn generate_access_token(
        &self,
        federated: &AccessToken,
        email: &str,
    ) -> Result<AccessToken, Error> {
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
                self.send(&what, request, Bearer::Token(federated.secret()))
            })
            .await?;
        let token = text(&answer, "accessToken")
            .ok_or_else(|| invalid(&what, "the answer has no token"))?;
        let expires = text(&answer, "expireTime").and_then(|t| t.parse().ok());
        let expires = expires.ok_or_else(|| invalid(&what, "the answer has no expiry"))?;
        Ok(AccessToken::new(token.into(), expires))
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

fn text(answer: &Value, key: &str) -> Option<String> {
    answer[key]
        .as_str()
        .filter(|t| !t.is_empty())
        .map(str::to_owned)
}
