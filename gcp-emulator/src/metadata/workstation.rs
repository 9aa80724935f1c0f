//! The identity of a person on their workstation.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::json;

use super::client::Http;
use super::identity::{AccessToken, Cache, Identity, MetadataError};

/// Lifetime of a token, in seconds.
const LIFETIME: u64 = 3_600;

/// The identity of a person, with tokens from the emulator's own API.
#[derive(Debug)]
pub struct Workstation {
    http: Http,
    email: String,
    cache: Cache,
}

impl Workstation {
    /// The person `email`, at the emulator at `base_url`.
    pub fn new(base_url: &str, email: &str) -> Self {
        Self {
            http: Http::new(base_url),
            email: email.to_owned(),
            cache: Cache::default(),
        }
    }

    async fn access_token(&self, scopes: Vec<String>) -> Result<AccessToken, MetadataError> {
        if let Some(token) = self.cache.get(&self.email, &scopes) {
            return Ok(token);
        }
        let request = json!({"email": self.email, "scopes": scopes, "lifetimeSeconds": LIFETIME});
        let answer = self
            .http
            .post("/emulator/v1/userTokens", None, &request)
            .await?;
        if answer.status != 200 {
            let message = format!(
                "the emulator returned {}: {}",
                answer.status_line(),
                answer.error()
            );
            return Err(MetadataError::internal(message));
        }
        let token = AccessToken::new(answer.text("accessToken"), Duration::from_secs(LIFETIME));
        self.cache.put(&self.email, scopes, &token);
        Ok(token)
    }
}

impl Identity for Workstation {
    fn email(&self) -> BoxFuture<'_, Result<String, MetadataError>> {
        std::future::ready(Ok(self.email.clone())).boxed()
    }

    fn token(&self, scopes: Vec<String>) -> BoxFuture<'_, Result<AccessToken, MetadataError>> {
        self.access_token(scopes).boxed()
    }
}
