//! The rules that an admin wrote: read, checked as a whole, and prepared for lookups.

use std::collections::{BTreeSet, HashSet};

use sha2::{Digest, Sha256};

mod classes;
mod document;
mod files;
mod index;
mod lookup;
mod matching;
mod model;
mod pods;
mod users;
mod yaml;

pub use classes::{
    BindBy, ForeignMembers, Grant, GrantTarget, Lifecycle, Mode, RulesDuration, WhenFull,
};
pub use matching::{Launcher, NoMatch};
pub use pods::Hygiene;
pub use users::endpoints::EndpointMode;
pub use yaml::{Problem, RulesErrors};

pub(crate) use classes::Class;
pub(crate) use matching::{Conditions, Effect, Expectation, Rule, RuleTest};
pub(crate) use users::endpoints::{Endpoints, Members};
pub(crate) use users::pins::gsa_email;
pub(crate) use users::trusted::{built_in_carriers, is_carrier};
pub(crate) use users::{Mapping, UserRule, fill_in};

use index::RuleIndex;
use model::Model;

/// One file of rules or pins.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Name of the file, for messages.
    pub file: &'a str,
    /// Its text, YAML.
    pub text: &'a str,
}

/// Valid rules. They never change.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    pub(crate) model: Model,
    /// Names that `users` lists exactly. Only these may have letters that are not ASCII.
    pub(crate) listed_names: HashSet<String>,
    /// Groups that a rule or a class mentions.
    pub(crate) mentioned_groups: BTreeSet<String>,
    pub(crate) index: RuleIndex,
    text: String,
    revision: String,
}

impl Rules {
    /// Reads one file of rules (`kind: MappingRules`) and any number of files of pins (maps from users to GSAs).
    ///
    /// # Errors
    /// All problems of all files at once, each with file, line, column, key, value and what to do.
    pub fn parse(sources: &[Source<'_>]) -> Result<Rules, RulesErrors> {
        let model = files::read(sources)?;
        let text =
            serde_saphyr::to_string(&model).map_err(|error| RulesErrors::unprintable(&error))?;
        let digest = Sha256::digest(text.as_bytes());
        let mut revision = data_encoding::HEXLOWER.encode(&digest);
        revision.truncate(12);
        Ok(Rules {
            listed_names: model
                .users
                .iter()
                .filter_map(UserRule::listed_name)
                .map(str::to_owned)
                .collect(),
            index: RuleIndex::new(&model.rules),
            mentioned_groups: model.mentioned_groups().map(str::to_owned).collect(),
            text,
            revision,
            model,
        })
    }

    /// The rules as one file with all defaults filled in. Parsing it gives the same rules.
    #[must_use]
    pub fn to_yaml(&self) -> &str {
        &self.text
    }

    /// 12 hex digits of the SHA-256 of [`Rules::to_yaml`]: equal for rules with the same meaning.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// Name of the installation.
    #[must_use]
    pub fn stack(&self) -> &str {
        &self.model.stack
    }

    /// The cluster, as `projects/P/locations/L/clusters/C`.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.model.cluster
    }

    /// The cluster's workload identity pool, `PROJECT.svc.id.goog`.
    #[must_use]
    pub fn pool(&self) -> String {
        format!("{}.svc.id.goog", self.model.cluster_project())
    }

    /// What happens to a pod that no rule matches, or whose requester is unknown.
    #[must_use]
    pub fn no_match(&self) -> NoMatch {
        self.model.no_match
    }
}

#[cfg(test)]
pub(crate) mod tests;
