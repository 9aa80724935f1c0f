//! The way a task pod becomes somebody: KSA token, exchange, access token of the GSA. Never logged, never stored.
//!
//! By plain requests: the official crate's credentials fail for ever after one 403, and these calls are made to find
//! out when the 403 ends.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::error::refusal;
use crate::transport::http::{Bearer, invalid, url};
use crate::transport::names::{check_name, project_of};
use crate::transport::retry::Counted;
use crate::{Error, Gcp, Rate, Refusal};

/// Scope of the tokens that permissions are tested with; policies limit what they can do.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Life of the tokens that are made here; they are used at once and dropped.
const LIFETIME: &str = "300s";

/// A token that Google accepts, until it expires.
#[derive(Clone)]
pub struct AccessToken {
    secret: SecretString,
    expires: Timestamp,
}

impl AccessToken {
    /// A token from elsewhere.
    #[must_use]
    pub const fn new(secret: SecretString, expires: Timestamp) -> Self {
        Self { secret, expires }
    }

    /// When it expires.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }

    pub(crate) fn expose(&self) -> &str {
        self.secret.expose_secret()
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
    /// Exchanges a KSA's token for a federated one. `audience` is `identitynamespace:POOL:ISSUER` (or a provider's
    /// name); `scope` is a URL, `…/auth/iam` when the token is only used to impersonate.
    ///
    /// # Errors
    /// `PoolMissing` when there is no such pool or provider, `Invalid` when the KSA's token is not accepted, `Refused` when
    /// the provider's attribute condition rejects it.
    pub async fn exchange(
        &self,
        subject_token: &SecretString,
        audience: &str,
        scope: &str,
    ) -> Result<AccessToken, Error> {
        let what = format!("exchange the KSA's token for {audience}");
        let url = url(&self.endpoints.sts, &["v1", "token"])?;
        let counted = Counted {
            rate: Rate::Exchange,
            whose: pool(audience),
        };
        let answer = self
            .retry()
            .idempotent(&what, counted, || {
                let request = self.http.post(url.clone()).form(&[
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
                    // A file's newline is no part of the token.
                    ("subject_token", subject_token.expose_secret().trim()),
                ]);
                self.send(
                    &what,
                    request,
                    Bearer::Nobody {
                        secret: subject_token,
                    },
                )
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

    /// An access token of the GSA, asked for with a federated token: what the metadata server does for a pod.
    ///
    /// # Errors
    /// `PermissionDenied` until the binding works, `NotFound` until the account is known to the credentials service.
    pub async fn generate_access_token(
        &self,
        federated: &AccessToken,
        email: &str,
    ) -> Result<AccessToken, Error> {
        check_name("service account", email)?;
        let what = format!("get an access token of {email} with the KSA's token");
        let verb = format!("{email}:generateAccessToken");
        let counted = Counted {
            rate: Rate::Credentials,
            whose: &project_of(email),
        };
        let url = url(
            &self.endpoints.iam_credentials,
            &["v1", "projects", "-", "serviceAccounts", &verb],
        )?;
        let answer = self
            .retry()
            .idempotent(&what, counted, || {
                let body = json!({"scope": [SCOPE], "lifetime": LIFETIME});
                self.send(
                    &what,
                    self.http.post(url.clone()).json(&body),
                    Bearer::Token(federated),
                )
            })
            .await?;
        let token = text(&answer, "accessToken")
            .ok_or_else(|| invalid(&what, "the answer has no token"))?;
        let expires = text(&answer, "expireTime").and_then(|t| t.parse().ok());
        let expires = expires.ok_or_else(|| invalid(&what, "the answer has no time of expiry"))?;
        Ok(AccessToken::new(token.into(), expires))
    }
}

/// The same error, naming pool and provider, if they reject the token: Google does not.
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

/// The pool in an audience; the whole of an audience that has another form.
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
