//! The exit codes of all commands.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitStatus {
    /// Everything is fine, or what was asked for was done.
    Fine,
    /// Something was found, or what the command is about does not exist.
    Found,
    /// The command line or a file is not valid.
    Usage,
    /// Something could not be seen or done: rights are missing, the API server refused, or the rules are not valid.
    Incomplete,
    /// No API server answers, or it has no Namesake of this version.
    Unreachable,
}

impl ExitStatus {
    /// The exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Found => 1,
            Self::Usage => 2,
            Self::Incomplete => 3,
            Self::Unreachable => 4,
        }
    }

    /// The status of an answer: what was not seen counts more than what was found.
    #[must_use]
    pub const fn of(found: bool, complete: bool) -> Self {
        match (found, complete) {
            (_, false) => Self::Incomplete,
            (true, true) => Self::Found,
            (false, true) => Self::Fine,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        ExitCode::from(status.code())
    }
}
