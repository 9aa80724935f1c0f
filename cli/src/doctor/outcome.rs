//! What a check found, and what it could not see. Pure.

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// The object that it is about.
    pub(super) place: String,
    /// What is wrong.
    pub(super) what: String,
    /// The command that fixes it.
    pub(super) command: String,
}

/// The outcome of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing was found; with a detail.
    Fine(String),
    /// Something was found.
    Found(Vec<Finding>),
    /// Something was found, and something else could not be seen, with the reason.
    FoundInPart(Vec<Finding>, String),
    /// It could not be seen, with the reason.
    Unseen(String),
    /// It could not be seen because a program has not reported it yet, with what is missing: soon it may be there.
    NotYet(String),
}

impl Outcome {
    /// Fine if there are no findings.
    pub(super) fn of(findings: Vec<Finding>, fine: impl Into<String>) -> Self {
        match findings.as_slice() {
            [] => Self::Fine(fine.into()),
            _ => Self::Found(findings),
        }
    }

    /// This outcome, and that something could not be seen, if so.
    pub(super) fn and_unseen(self, unseen: Option<Self>) -> Self {
        match (self, unseen) {
            (Self::Fine(_), Some(unseen)) => unseen,
            (Self::Found(findings), Some(Self::Unseen(why) | Self::NotYet(why))) => {
                Self::FoundInPart(findings, why)
            }
            (outcome, _) => outcome,
        }
    }

    /// The same with another command for each finding.
    pub(super) fn with_command(mut self, command: &str) -> Self {
        if let Self::Found(findings) | Self::FoundInPart(findings, _) = &mut self {
            for finding in findings {
                command.clone_into(&mut finding.command);
            }
        }
        self
    }

    /// What was found.
    pub(super) fn findings(&self) -> &[Finding] {
        match self {
            Self::Found(findings) | Self::FoundInPart(findings, _) => findings,
            Self::Fine(_) | Self::Unseen(_) | Self::NotYet(_) => &[],
        }
    }

    /// Why it could not be seen, or not whole.
    pub(super) fn unseen(&self) -> Option<&str> {
        match self {
            Self::Unseen(why) | Self::NotYet(why) | Self::FoundInPart(_, why) => Some(why),
            Self::Fine(_) | Self::Found(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_seen_stays_beside_what_was_found() {
        let finding = Finding {
            place: "Lease".to_owned(),
            what: "no broker holds it".to_owned(),
            command: "kubectl".to_owned(),
        };
        let unseen = || Some(Outcome::Unseen("no right".to_owned()));
        let fine = || Outcome::of(Vec::new(), "all");
        let found = || Outcome::of(vec![finding.clone()], "all");
        assert_eq!(fine().and_unseen(None), Outcome::Fine("all".to_owned()));
        assert_eq!(Some(fine().and_unseen(unseen())), unseen());
        assert_eq!(found().and_unseen(None), found());
        let both = found().and_unseen(unseen());
        assert_eq!(both.findings(), std::slice::from_ref(&finding));
        assert_eq!(both.unseen(), Some("no right"));
    }
}
