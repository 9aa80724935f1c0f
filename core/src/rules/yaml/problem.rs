//! Problems in rules: where, what is wrong, and what to do.

use std::{cell::RefCell, fmt};

/// All problems of the rules, in the order of the files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.join_lines())]
pub struct RulesErrors {
    /// The problems, at least one.
    pub problems: Vec<Problem>,
}

impl RulesErrors {
    pub(crate) fn unprintable(error: &dyn fmt::Display) -> RulesErrors {
        let what = format!("the rules cannot be printed: {error}");
        let invalid = invalid(what, "report this as a bug of Namesake");
        RulesErrors {
            problems: vec![Problem::of_file("rules", invalid)],
        }
    }

    fn join_lines(&self) -> String {
        self.problems
            .iter()
            .map(Problem::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// One problem. Printed as `file:line:column: key: what: what to do`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Name of the file.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1, in characters.
    pub column: u64,
    /// Path of the key, as `rules[2].match.user`; empty for the whole file.
    pub key: String,
    /// What is wrong, with the value.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl Problem {
    /// A problem of a whole file.
    pub(crate) fn of_file(file: &str, invalid: InvalidValue) -> Problem {
        Problem::new(file, Position::START, "", invalid)
    }

    pub(crate) fn new(file: &str, at: Position, key: &str, invalid: InvalidValue) -> Problem {
        let InvalidValue { what, remedy } = invalid;
        Problem {
            file: file.to_owned(),
            line: at.line,
            column: at.column,
            key: key.to_owned(),
            what,
            remedy,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}: {}", self.what, self.remedy)
    }
}

/// A place in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: u64,
    pub(crate) column: u64,
}

impl Position {
    /// The start of a file.
    pub(crate) const START: Position = Position { line: 1, column: 1 };
}

/// What is wrong with a value, without its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InvalidValue {
    pub(crate) what: String,
    pub(crate) remedy: String,
}

pub(crate) fn invalid(what: impl Into<String>, remedy: impl Into<String>) -> InvalidValue {
    InvalidValue {
        what: what.into(),
        remedy: remedy.into(),
    }
}

/// Collects the problems of one file while it is read.
#[derive(Debug)]
pub(crate) struct ProblemLog<'a> {
    file: &'a str,
    problems: RefCell<Vec<Problem>>,
}

impl<'a> ProblemLog<'a> {
    pub(crate) fn new(file: &'a str) -> ProblemLog<'a> {
        ProblemLog {
            file,
            problems: RefCell::default(),
        }
    }

    pub(crate) fn add(&self, at: Position, key: &str, invalid: InvalidValue) {
        let problem = Problem::new(self.file, at, key, invalid);
        self.problems.borrow_mut().push(problem);
    }

    pub(crate) fn count(&self) -> usize {
        self.problems.borrow().len()
    }

    /// The problems, in the order of the file.
    pub(crate) fn finish(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems
    }
}
