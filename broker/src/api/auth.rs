//! Who calls: the API server says, by TokenReview for our audience. Only the webhook's account may.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use kube::api::PostParams;
use kube::{Api, Client};
use namesake_api::names;
use sha2::{Digest, Sha256};

use super::{ApiError, Reason};
use crate::server::config::Config;

/// Most tokens remembered; each replica of the webhook has one at a time.
const REMEMBERED: usize = 256;

/// Knows who may call, and remembers for a short time which tokens were good.
pub struct Callers {
    allowed: String,
    lifetime: Duration,
    good: Mutex<HashMap<[u8; 32], Timestamp>>,
}

impl Callers {
    /// Only the webhook of the same namespace may call.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            allowed: format!(
                "system:serviceaccount:{}:{}",
                config.namespace,
                names::WEBHOOK_SERVICE_ACCOUNT
            ),
            lifetime: config.timings.token_cache,
            good: Mutex::default(),
        }
    }

    /// Lets the webhook pass.
    ///
    /// # Errors
    /// 401 without a good token for our audience, 403 for anybody else's, 503 when the API server cannot say.
    pub async fn check(
        &self,
        client: &Client,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let token = bearer(headers)?;
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if self.remembers(&digest, now) {
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
        let reviewed = reviewed.map_err(|e| {
            ApiError::away(format!(
                "the API server cannot say whose token this is: {e}"
            ))
        })?;
        self.judge(&reviewed.status.unwrap_or_default())?;
        self.remember(digest, now);
        Ok(())
    }

    fn judge(&self, status: &TokenReviewStatus) -> Result<(), ApiError> {
        let audience = status
            .audiences
            .iter()
            .flatten()
            .any(|a| a == names::BROKER_AUDIENCE);
        if status.authenticated != Some(true) || !audience {
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
            "only {} may ask for identities, not {username:?}",
            self.allowed
        );
        Err(ApiError::new(
            StatusCode::FORBIDDEN,
            Reason::NotTheWebhook,
            why,
        ))
    }

    fn remembers(&self, digest: &[u8; 32], now: Timestamp) -> bool {
        let good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        good.get(digest).is_some_and(|until| now < *until)
    }

    fn remember(&self, digest: [u8; 32], now: Timestamp) {
        let mut good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        good.retain(|_, until| now < *until);
        if let (true, Ok(until)) = (good.len() < REMEMBERED, now.checked_add(self.lifetime)) {
            good.insert(digest, until);
        }
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let missing =
        || ApiError::unauthenticated("send the webhook's token: Authorization: Bearer TOKEN");
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
    fn only_the_webhook_with_a_token_for_us_passes() {
        let webhook = "system:serviceaccount:namesake-system:namesake-webhook";
        assert!(callers().judge(&status(webhook, "namesake-broker")).is_ok());
        let other = callers().judge(&status(
            "system:serviceaccount:research:namesake-webhook",
            "namesake-broker",
        ));
        assert_eq!(other.unwrap_err().status(), StatusCode::FORBIDDEN);
        let audience = callers().judge(&status(webhook, "https://kubernetes.default.svc"));
        assert_eq!(audience.unwrap_err().status(), StatusCode::UNAUTHORIZED);
        let nobody = callers().judge(&TokenReviewStatus::default());
        assert_eq!(nobody.unwrap_err().status(), StatusCode::UNAUTHORIZED);
    }

    #[test]
    fn a_good_token_is_remembered_for_a_short_time_only() {
        let callers = callers();
        let at = |second| Timestamp::from_second(second).unwrap();
        callers.remember([7; 32], at(0));
        assert!(callers.remembers(&[7; 32], at(59)));
        assert!(!callers.remembers(&[7; 32], at(60)));
        assert!(!callers.remembers(&[8; 32], at(0)));
    }

    #[test]
    fn a_header_that_is_no_bearer_token_is_refused() {
        for value in ["Basic abc", "Bearer ", "Bearer", ""] {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
            assert!(bearer(&headers).is_err(), "{value:?}");
        }
        assert!(bearer(&HeaderMap::new()).is_err());
    }
}
