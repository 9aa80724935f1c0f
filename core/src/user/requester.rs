//! Requesters: who the API server says made a request.

use super::{UserError, is_invisible};

/// Longest name of a requester, in bytes: every stamp contains it.
const MAX_REQUESTER_BYTES: usize = 1024;
/// Beginning of the usernames of service accounts: `system:serviceaccount:NAMESPACE:NAME`.
pub(crate) const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// Who made a request: `userInfo` of the admission review. Nothing else proves who a person is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requester {
    /// `userInfo.username`.
    pub username: String,
    /// `userInfo.groups`.
    pub groups: Vec<String>,
    /// Whether `userInfo.extra` has `authentication.kubernetes.io/credential-id`: bound tokens of service accounts have it,
    /// impersonation and legacy token Secrets do not.
    pub has_credential_id: bool,
}

impl Requester {
    /// Whether the username is proven: a service account without a credential id may be impersonated.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.has_credential_id || !self.username.starts_with(SERVICE_ACCOUNT)
    }
}

/// A requester may have any characters except `*` and invisible ones.
pub(crate) fn check_requester(name: &str) -> Result<(), UserError> {
    if name.is_empty() {
        return Err(UserError::Empty);
    }
    if name.len() > MAX_REQUESTER_BYTES {
        return Err(UserError::TooLong {
            bytes: name.len(),
            maximum: MAX_REQUESTER_BYTES,
        });
    }
    let forbidden = |c: &char| c.is_control() || c.is_whitespace() || is_invisible(*c) || *c == '*';
    name.chars()
        .find(forbidden)
        .map_or(Ok(()), |c| Err(UserError::Character(c)))
}
