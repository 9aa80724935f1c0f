//! Who makes a request: the principal behind its bearer token, and the token's scopes.

use jiff::Timestamp;

use crate::api::principal::Principal;

/// Who makes a request.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// No Authorization header.
    Anonymous,
    /// A token that is unknown, expired, or of a disabled account.
    Invalid,
    Known(Grant),
}

impl Caller {
    /// The name for the request log.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Anonymous => "",
            Self::Invalid => "invalid token",
            Self::Known(grant) => grant.principal.name(),
        }
    }
}

/// What an access token grants, and until when.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) principal: Principal,
    pub(crate) scopes: Vec<String>,
    pub(crate) issued: Timestamp,
    pub(crate) expires: Timestamp,
}

/// Whether a token with `scopes` may call a service that accepts `accepted`. `cloud-platform` opens every service.
pub(crate) fn covers(scopes: &[String], accepted: &[&str]) -> bool {
    scopes.iter().any(|scope| {
        let short = scope
            .strip_prefix("https://www.googleapis.com/auth/")
            .unwrap_or(scope);
        short == "cloud-platform" || accepted.contains(&short)
    })
}

/// Scopes as clients send them: separated by spaces or commas.
pub(crate) fn split_scopes(text: &str) -> Vec<String> {
    text.split([' ', ','])
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .collect()
}
