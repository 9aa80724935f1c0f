//! Users: the canonical names of the people that pods run as, and the requesters that they are mapped from.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::quoted;

mod error;
mod groups;
mod requester;

pub use error::UserError;
pub use groups::{Groups, Membership};
pub use requester::Requester;

pub(crate) use requester::{SERVICE_ACCOUNT, check_requester};

/// Longest user, in bytes: the longest e-mail address there is (RFC 5321).
pub const MAX_USER_BYTES: usize = 254;

/// The person that a pod runs as, in canonical form: not empty, at most [`MAX_USER_BYTES`], e-mail addresses in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct User(String);

impl User {
    /// The canonical form of a name: e-mail addresses in lower case (ASCII letters only), anything else unchanged.
    ///
    /// # Errors
    /// A name that is empty, too long or not ASCII, or that could be confused with another name or a path.
    pub fn canonical(name: &str) -> Result<User, UserError> {
        match name.chars().find(|c| !c.is_ascii() && !is_forbidden(*c)) {
            Some(c) => Err(UserError::NotAscii(c)),
            None => User::listed(name),
        }
    }

    /// As [`User::canonical`], for a name that the rules list exactly: it may have letters that are not ASCII.
    ///
    /// # Errors
    /// As [`User::canonical`].
    pub(crate) fn listed(name: &str) -> Result<User, UserError> {
        let user = User(canonical_case(name).into_owned());
        user.check().map(|()| user)
    }

    /// A name that must be canonical already, such as one that we signed or stored.
    ///
    /// # Errors
    /// As [`User::canonical`], and [`UserError::NotCanonical`].
    pub fn exact(name: &str) -> Result<User, UserError> {
        let user = User::listed(name)?;
        if user.0 == name {
            Ok(user)
        } else {
            Err(UserError::NotCanonical(user.0))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn check(&self) -> Result<(), UserError> {
        let name = self.as_str();
        if name.is_empty() {
            return Err(UserError::Empty);
        }
        if name.len() > MAX_USER_BYTES {
            return Err(UserError::TooLong {
                bytes: name.len(),
                maximum: MAX_USER_BYTES,
            });
        }
        if let Some(c) = name.chars().find(|c| is_forbidden(*c)) {
            return Err(UserError::Character(c));
        }
        let parts: Vec<&str> = name.split('@').collect();
        if parts.len() > 2 || parts.iter().any(|part| part.is_empty()) {
            return Err(UserError::At);
        }
        if parts
            .iter()
            .any(|part| part.starts_with('.') || part.ends_with('.') || part.contains(".."))
        {
            return Err(UserError::Dots);
        }
        Ok(())
    }
}

/// The name with e-mail addresses in lower case, before any other check. Only ASCII letters change.
pub(crate) fn canonical_case(name: &str) -> std::borrow::Cow<'_, str> {
    if name.contains('@') && name.bytes().any(|b| b.is_ascii_uppercase()) {
        name.to_ascii_lowercase().into()
    } else {
        name.into()
    }
}

/// Characters that are invisible, or that make a name look like a path or a glob.
fn is_forbidden(c: char) -> bool {
    c.is_control() || c.is_whitespace() || is_invisible(c) || matches!(c, '/' | '\\' | '*')
}

/// Invisible characters that change how text looks: soft hyphen, zero-width characters, text direction, byte order mark.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for User {
    type Error = String;

    fn try_from(name: String) -> Result<User, String> {
        User::exact(&name).map_err(|error| format!("{} is not a user: {error}", quoted(&name)))
    }
}

#[cfg(test)]
mod tests;
