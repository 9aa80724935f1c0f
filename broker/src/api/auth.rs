//! Authenticates the caller by TokenReview for the broker's audience. Only the webhook's service account may call.

use std::collections::HashMap;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use kube::api::PostParams;
use kube::{Api, Client};
use namesake_api::names;
use namesake_core::Reason;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::{ApiError, Result};
use crate::server::config::Config;

/// Most tokens in the cache; each replica of the webhook has one at a time.
const MOST_TOKENS: usize = 256;

/// Checks callers, and remembers for a short time which tokens were valid.
pub struct Callers {
    allowed: String,
    lifetime: Duration,
    /// SHA-256 of valid tokens, and until when they count.
    valid: Mutex<HashMap<[u8; 32], Timestamp>>,
}

impl Callers {
    /// Allows the webhook of the broker's namespace.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            allowed: format!(
                "system:serviceaccount:{}:{}",
                config.namespace,
                names::WEBHOOK_SERVICE_ACCOUNT
            ),
            lifetime: config.timings.token_cache,
            valid: Mutex::default(),
        }
    }

    /// Checks the bearer token of a request.
    ///
    /// # Errors
    /// 401 without a valid token for the broker's audience, 403 for another account, 503 when the API server does not answer.
    pub async fn check(&self, client: &Client, headers: &HeaderMap, now: Timestamp) -> Result<()> {
        let token = bearer(headers)?;
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if self.is_cached(&digest, now) {
            return Ok(());
        }
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: token.to_owned(),
                audiences: Some(vec![names::BROKER_AUDIENCE.to_owned()]),
            },
            ..TokenReview::default()
        };
        let reviewed = Api::<TokenReview>::all(client.clone())
            .create(&PostParams::default(), &review)
            .await;
        let reviewed = reviewed.map_err(|error| {
            ApiError::api_server_unavailable(format!(
                "the API server did not review the caller's token: {error}"
            ))
        })?;
        self.authorize(&reviewed.status.unwrap_or_default())?;
        self.cache(digest, now);
        Ok(())
    }

    fn authorize(&self, status: &TokenReviewStatus) -> Result<()> {
        let for_us = status
            .audiences
            .iter()
            .flatten()
            .any(|a| a == names::BROKER_AUDIENCE);
        if status.authenticated != Some(true) || !for_us {
            let why =
                "the token is not valid for audience namesake-broker: mount one with that audience";
            return Err(ApiError::unauthenticated(why));
        }
        let username = status
            .user
            .as_ref()
            .and_then(|u| u.username.as_deref())
            .unwrap_or_default();
        if username == self.allowed {
            return Ok(());
        }
        let why = format!(
            "only {} may request identities, not {username:?}",
            self.allowed
        );
        Err(ApiError::new(Reason::NotTheWebhook, why))
    }

    fn is_cached(&self, digest: &[u8; 32], now: Timestamp) -> bool {
        let valid = self.valid.lock();
        valid.get(digest).is_some_and(|until| now < *until)
    }

    fn cache(&self, digest: [u8; 32], now: Timestamp) {
        let mut valid = self.valid.lock();
        valid.retain(|_, until| now < *until);
        if let (true, Ok(until)) = (valid.len() < MOST_TOKENS, now.checked_add(self.lifetime)) {
            valid.insert(digest, until);
        }
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str> {
    let missing =
        || ApiError::unauthenticated("send the webhook's token as Authorization: Bearer TOKEN");
    let value = headers.get(header::AUTHORIZATION).ok_or_else(missing)?;
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|v| v.split_once(' '))
        .ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() {
        Ok(token)
    } else {
        Err(missing())
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use k8s_openapi::api::authentication::v1::UserInfo;

    use super::*;

    fn callers() -> Callers {
        Callers::new(&Config::default())
    }

    fn status(username: &str, audience: &str) -> TokenReviewStatus {
        TokenReviewStatus {
            authenticated: Some(true),
            audiences: Some(vec![audience.to_owned()]),
            user: Some(UserInfo {
                username: Some(username.to_owned()),
                ..UserInfo::default()
            }),
            ..TokenReviewStatus::default()
        }
    }

    #[test]
    fn only_the_webhook_with_a_token_for_the_broker_passes() {
        let webhook = "system:serviceaccount:namesake-system:namesake-webhook";
        assert!(
            callers()
                .authorize(&status(webhook, "namesake-broker"))
                .is_ok()
        );
        let other = callers().authorize(&status(
            "system:serviceaccount:research:namesake-webhook",
            "namesake-broker",
        ));
        assert_eq!(other.unwrap_err().status(), StatusCode::FORBIDDEN);
        let audience = callers().authorize(&status(webhook, "https://kubernetes.default.svc"));
        assert_eq!(audience.unwrap_err().status(), StatusCode::UNAUTHORIZED);
        let nobody = callers().authorize(&TokenReviewStatus::default());
        assert_eq!(nobody.unwrap_err().status(), StatusCode::UNAUTHORIZED);
    }

    #[test]
    fn a_valid_token_is_cached_for_a_short_time_only() {
        let callers = callers();
        let at = |second| Timestamp::from_second(second).unwrap();
        callers.cache([7; 32], at(0));
        assert!(callers.is_cached(&[7; 32], at(59)));
        assert!(!callers.is_cached(&[7; 32], at(60)));
        assert!(!callers.is_cached(&[8; 32], at(0)));
    }

    #[test]
    fn a_header_that_is_not_a_bearer_token_is_refused() {
        for value in ["Basic abc", "Bearer ", "Bearer", ""] {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
            assert!(bearer(&headers).is_err(), "{value:?}");
        }
        assert!(bearer(&HeaderMap::new()).is_err());
    }
}
