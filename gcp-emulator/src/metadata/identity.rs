//! The identity and the tokens that a metadata server hands out.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use http::StatusCode;
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

/// The identity that a metadata server hands out tokens of.
pub trait Identity: Send + Sync + 'static {
    /// Its e-mail: `…/service-accounts/default/email`.
    fn email(&self) -> BoxFuture<'_, Result<String, MetadataError>>;
    /// An access token with these scopes.
    fn token(&self, scopes: Vec<String>) -> BoxFuture<'_, Result<AccessToken, MetadataError>>;
    /// An ID token for an audience. Only a Google service account has ID tokens.
    fn identity_token(&self, _audience: String) -> BoxFuture<'_, Result<String, MetadataError>> {
        let none = MetadataError {
            status: 404,
            message: "there is no Google service account to issue an ID token for".to_owned(),
        };
        Box::pin(std::future::ready(Err(none)))
    }
}

/// An access token with its expiry.
#[derive(Clone, Debug)]
pub struct AccessToken {
    secret: SecretString,
    expires: Instant,
}

impl AccessToken {
    /// A token that expires after `lifetime`.
    pub fn new(secret: impl Into<SecretString>, lifetime: Duration) -> Self {
        Self {
            secret: secret.into(),
            expires: Instant::now() + lifetime,
        }
    }

    fn time_left(&self) -> Duration {
        self.expires.saturating_duration_since(Instant::now())
    }

    /// The response of `…/token`.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "access_token": self.secret.expose_secret(),
            "expires_in": self.time_left().as_secs(),
            "token_type": "Bearer",
        })
    }
}

/// The error response of a metadata server.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct MetadataError {
    /// HTTP status.
    pub status: u16,
    /// Message for the client. Never holds a token.
    pub message: String,
}

impl MetadataError {
    /// 500
    pub fn internal(message: impl Into<String>) -> Self {
        Self {
            status: 500,
            message: message.into(),
        }
    }
}

impl IntoResponse for MetadataError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, format!("{}\n", self.message)).into_response()
    }
}

/// The tokens that do not expire soon, by account and scopes. Errors are not cached.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<HashMap<(String, Vec<String>), AccessToken>>);

/// A token that expires sooner is replaced. Google's clients request a new token 3 min 45 s before expiry.
const MARGIN: Duration = Duration::from_secs(300);

impl Cache {
    pub(crate) fn get(&self, account: &str, scopes: &[String]) -> Option<AccessToken> {
        let tokens = self.0.lock();
        let token = tokens.get(&(account.to_owned(), scopes.to_vec()))?;
        (token.time_left() > MARGIN).then(|| token.clone())
    }

    pub(crate) fn put(&self, account: &str, scopes: Vec<String>, token: &AccessToken) {
        let mut tokens = self.0.lock();
        tokens.retain(|_, token| token.time_left() > MARGIN);
        tokens.insert((account.to_owned(), scopes), token.clone());
    }
}
