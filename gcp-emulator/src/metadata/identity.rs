//! What a metadata server hands out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

/// Who the machine is to Google.
pub trait Identity: Send + Sync + 'static {
    /// `…/service-accounts/default/email`
    fn email(&self) -> BoxFuture<'_, Result<String, MetadataError>>;
    /// An access token with these scopes.
    fn token(&self, scopes: Vec<String>) -> BoxFuture<'_, Result<AccessToken, MetadataError>>;
    /// An ID token for an audience: only a Google account has one.
    fn identity_token(&self, _audience: String) -> BoxFuture<'_, Result<String, MetadataError>> {
        let none = MetadataError {
            status: 404,
            message: "there is no Google service account to issue an ID token for".to_owned(),
        };
        Box::pin(std::future::ready(Err(none)))
    }
}

/// A token and when it ends.
#[derive(Clone, Debug)]
pub struct AccessToken {
    secret: SecretString,
    expires: Instant,
}

impl AccessToken {
    /// A token that lives for `lifetime` from now.
    pub fn new(secret: impl Into<SecretString>, lifetime: Duration) -> Self {
        Self {
            secret: secret.into(),
            expires: Instant::now() + lifetime,
        }
    }

    fn left(&self) -> Duration {
        self.expires.saturating_duration_since(Instant::now())
    }

    /// The answer of `…/token`.
    pub(crate) fn shown(&self) -> Value {
        json!({
            "access_token": self.secret.expose_secret(),
            "expires_in": self.left().as_secs(),
            "token_type": "Bearer",
        })
    }
}

/// Why there is no answer; its text goes to whoever asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct MetadataError {
    /// HTTP status.
    pub status: u16,
    /// For the one who asks: never holds a token.
    pub message: String,
}

impl MetadataError {
    /// Something is wrong on this side.
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

/// Tokens that still have some life in them, by account and scopes. Failures are not kept.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<HashMap<(String, Vec<String>), AccessToken>>);

/// A token with less than this left is replaced: Google's clients ask again at 3 min 45 s.
const MARGIN: Duration = Duration::from_secs(300);

impl Cache {
    pub(crate) fn get(&self, account: &str, scopes: &[String]) -> Option<AccessToken> {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let token = tokens.get(&(account.to_owned(), scopes.to_vec()))?;
        (token.left() > MARGIN).then(|| token.clone())
    }

    pub(crate) fn put(&self, account: &str, scopes: Vec<String>, token: &AccessToken) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, token| token.left() > MARGIN);
        tokens.insert((account.to_owned(), scopes), token.clone());
    }
}
