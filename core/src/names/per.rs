//! `per`: what an identity class has one identity for each of.

use serde::Serialize;

/// What a class has one identity for each of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Per {
    /// The proven user.
    User,
    /// Metaflow's project, as the pod claims it.
    Project,
    /// The flow, as the pod claims it.
    Flow,
    /// The step, as the pod claims it.
    Step,
}

impl Per {
    const ALL: [Per; 4] = [Per::User, Per::Project, Per::Flow, Per::Step];

    /// All words of the rules with their meaning.
    pub(crate) fn words() -> [(&'static str, Per); 4] {
        Per::ALL.map(|per| (per.as_str(), per))
    }

    /// The word in the rules.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Per::User => "user",
            Per::Project => "project",
            Per::Flow => "flow",
            Per::Step => "step",
        }
    }

    /// Reads the word of the rules.
    #[must_use]
    pub fn parse(word: &str) -> Option<Per> {
        Per::ALL.into_iter().find(|per| per.as_str() == word)
    }
}
