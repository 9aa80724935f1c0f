//! Who sent a request: what the claims of its token, which Envoy verified, prove. Pure.

mod identity;
mod person;
mod pod;
mod token;

use namesake_core::{EndpointRight, Reason, Refusal, Rules, User};

pub use identity::{KnownIdentity, NotReady};
pub use token::{Token, TokenError};

use crate::config::Config;

/// Somebody whom a token proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user, as the webhook would see it.
    pub user: User,
    /// The name in the token: of a person, or of the service account of a pod.
    pub requester: String,
    /// Groups in the token, with the issuer's prefix.
    pub groups: Vec<String>,
    /// Whether it is a task's pod.
    pub is_pod: bool,
}

impl Caller {
    /// What the caller may do.
    ///
    /// # Errors
    /// The rules give no right.
    pub fn right(&self, rules: &Rules) -> Result<EndpointRight, Refusal> {
        if self.is_pod {
            rules.endpoint_right_of_pod(&self.user)
        } else {
            rules.endpoint_right(&self.user, &self.groups)
        }
    }
}

/// Finds out whom the claims prove. `now` is in seconds since 1970; `identity` finds an Identity by namespace and name.
///
/// # Errors
/// The claims are not acceptable ([`Reason::InvalidToken`]), or prove nobody whom the rules know.
pub fn identify(
    token: &Token,
    config: &Config,
    rules: &Rules,
    now: i64,
    identity: impl Fn(&str, &str) -> Option<KnownIdentity>,
) -> Result<Caller, Refusal> {
    let invalid = |error: TokenError| refuse_token(&error);
    token.check_times(now).map_err(invalid)?;
    let issuer = token.issuer().map_err(invalid)?;
    if let Some(cluster) = config.cluster.as_ref().filter(|c| c.issuer == issuer) {
        token
            .check_audience(std::slice::from_ref(&cluster.audience))
            .map_err(invalid)?;
        return pod::identify(token, identity);
    }
    let issuer = config.issuers.iter().find(|known| known.issuer == issuer);
    let issuer = issuer.ok_or_else(|| refuse_token(&TokenError::Issuer))?;
    token.check_audience(&issuer.audiences).map_err(invalid)?;
    let requester = person::requester(token, issuer).map_err(invalid)?;
    let user = rules.user(&requester, |_| None)?;
    Ok(Caller {
        user,
        requester: requester.username,
        groups: requester.groups,
        is_pod: false,
    })
}

/// The refusal of claims that prove nobody. It repeats none of them.
#[must_use]
pub fn refuse_token(error: &TokenError) -> Refusal {
    let message = format!("The token is not accepted: {error}. Log in again.");
    refuse(Reason::InvalidToken, message)
}

fn refuse(reason: Reason, message: String) -> Refusal {
    Refusal {
        rule: None,
        reason,
        message,
    }
}

#[cfg(test)]
mod tests;
