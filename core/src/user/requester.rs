//! Requesters: who the API server says made a request.

use super::{UserError, is_invisible};

/// Longest requester, in bytes. It stands in every stamp.
const MAX_REQUESTER_BYTES: usize = 1024;
/// How the API server names service accounts: this, the namespace, `:`, and the name.
pub(crate) const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// Who made a request: `userInfo` of the admission review. The only proof of a person there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requester {
    /// `userInfo.username`.
    pub username: String,
    /// `userInfo.groups`.
    pub groups: Vec<String>,
    /// Whether `userInfo.extra` has `authentication.kubernetes.io/credential-id`: real tokens of service accounts have it,
    /// impersonation has not.
    pub extra_credential_id: bool,
}

impl Requester {
    /// Whether the name is proven: a service account without its credential id is somebody who impersonates it.
    #[must_use]
    pub fn is_itself(&self) -> bool {
        self.extra_credential_id || !self.username.starts_with(SERVICE_ACCOUNT)
    }
}

/// A requester may have any characters but those that cannot be seen and those that globs use.
pub(crate) fn check_requester(name: &str) -> Result<(), UserError> {
    if name.is_empty() {
        return Err(UserError::Empty);
    }
    if name.len() > MAX_REQUESTER_BYTES {
        return Err(UserError::TooLong {
            bytes: name.len(),
            most: MAX_REQUESTER_BYTES,
        });
    }
    let forbidden = |c: &char| c.is_control() || c.is_whitespace() || is_invisible(*c) || *c == '*';
    name.chars()
        .find(forbidden)
        .map_or(Ok(()), |c| Err(UserError::Character(c)))
}
