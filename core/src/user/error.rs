//! Why a name is not a user.

/// Why a name is not a user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// It is empty.
    #[error("it is empty")]
    Empty,
    /// It is too long.
    #[error("it has {bytes} bytes, and at most {maximum} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The longest that is allowed: [`MAX_USER_BYTES`](crate::MAX_USER_BYTES) for users.
        maximum: usize,
    },
    /// A control character, white space, or one of `/ \ *`.
    #[error("the character {0:?} is not allowed")]
    Character(char),
    /// It is not ASCII, and the rules do not list exactly this name.
    #[error("the character {0:?} is not ASCII, and the rules do not list exactly this name")]
    NotAscii(char),
    /// `a..b`, `.a`, `a.`, also on either side of the `@`.
    #[error("a dot may not come first, last, or next to another dot")]
    Dots,
    /// More than one `@`, or nothing on one side of it.
    #[error("an e-mail address has one @ with something on both sides")]
    At,
    /// A name that must be canonical and is not.
    #[error("the canonical form is {0}")]
    NotCanonical(String),
}
