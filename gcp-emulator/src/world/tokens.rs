//! Access tokens: opaque, short-lived, of one principal.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::api::caller::Grant;
use crate::api::principal::Principal;
use crate::world::controls::random::Random;

/// The valid tokens, by their SHA-256: the tokens themselves are not kept.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    grants: HashMap<[u8; 32], Grant>,
    sweep_at: usize,
}

impl Tokens {
    /// Issues a token with the prefix that Google uses for this kind of principal. `now` is the time of the token clock.
    pub(crate) fn issue(
        &mut self,
        random: &mut Random,
        principal: Principal,
        scopes: Vec<String>,
        lifetime: SignedDuration,
        now: Timestamp,
    ) -> (String, Grant) {
        let prefix = match principal {
            Principal::Federated(_) => "ya29.d.",
            Principal::ServiceAccount { .. } => "ya29.c.",
            Principal::User { .. } | Principal::Anonymous => "ya29.a0",
        };
        let token = format!("{prefix}{}", random.secret());
        let grant = Grant {
            principal,
            scopes,
            issued: now,
            expires: now.saturating_add(lifetime).unwrap_or(now),
        };
        if self.grants.len() >= self.sweep_at {
            self.grants.retain(|_, grant| grant.expires > now);
            self.sweep_at = (self.grants.len() * 2).max(1_024);
        }
        self.grants.insert(digest(&token), grant.clone());
        (token, grant)
    }

    /// The grant of `token`, unless it is unknown or expired.
    pub(crate) fn get(&self, token: &str, now: Timestamp) -> Option<&Grant> {
        self.grants
            .get(&digest(token))
            .filter(|grant| grant.expires > now)
    }

    pub(crate) fn count(&self) -> usize {
        self.grants.len()
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_expires_after_its_lifetime() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut tokens = Tokens::default();
        let user = Principal::User {
            email: "a@x.com".into(),
        };
        let hour = SignedDuration::from_hours(1);
        let (token, grant) = tokens.issue(&mut Random::new(Some(1)), user, vec![], hour, now);
        assert!(token.starts_with("ya29.a0"));
        assert!(tokens.get(&token, now).is_some());
        assert!(tokens.get(&token, grant.expires).is_none());
        assert!(tokens.get("ya29.a0forged", now).is_none());
    }
}
