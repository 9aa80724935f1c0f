//! Rules: what the admin wrote, checked as a whole, with the lookups that decisions need.

use std::collections::{BTreeSet, HashMap, HashSet};

use sha2::{Digest, Sha256};

use crate::user::User;

mod classes;
mod document;
mod files;
mod lookup;
mod matching;
mod model;
mod pins;
mod pods;
mod trusted;
mod users;
mod yaml;

pub use classes::{BindBy, ForeignMembers, Grant, GrantTarget, Itself, Life, Mode, Span, WhenFull};
pub use matching::{Launcher, NoMatch};
pub use pods::Hygiene;
pub use yaml::{Problem, RulesErrors};

pub(crate) use classes::Class;
pub(crate) use matching::{Effect, Match, Rule};
pub(crate) use pins::email as pinned_email;
pub(crate) use trusted::{built_in_carriers, carries};
pub(crate) use users::{Mapping, UserRule, fill};

use model::Model;
use pins::Pin;

/// One file of rules or pins.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Name of the file, for messages.
    pub file: &'a str,
    /// Its text, YAML.
    pub text: &'a str,
}

/// Rules in force: parsed, checked as a whole, never changed.
#[derive(Clone, Debug)]
pub struct Rules {
    pub(crate) model: Model,
    pub(crate) pins: HashMap<User, Pin>,
    pub(crate) offboarded: HashSet<User>,
    pub(crate) returned: HashSet<User>,
    /// Names that `users` lists exactly: these may have letters that are not ASCII.
    pub(crate) listed: HashSet<String>,
    /// Groups that a rule or a class mentions.
    pub(crate) mentioned: BTreeSet<String>,
    text: String,
    revision: String,
}

impl Rules {
    /// Reads one file of rules (`kind: MappingRules`) and any number of files of pins (a map from user to GSA).
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
            pins: model
                .pins
                .iter()
                .map(|(user, pin)| (user.clone(), pin.clone()))
                .collect(),
            offboarded: model.offboarded.iter().cloned().collect(),
            returned: model.returned.iter().cloned().collect(),
            listed: model
                .users
                .iter()
                .filter_map(UserRule::listed)
                .map(str::to_owned)
                .collect(),
            mentioned: model.mentioned_groups().map(str::to_owned).collect(),
            text,
            revision,
            model,
        })
    }

    /// The rules in one file, with every default written out; parsing it gives the same rules again.
    #[must_use]
    pub fn to_yaml(&self) -> &str {
        &self.text
    }

    /// 12 hex digits of the SHA-256 of [`Rules::to_yaml`]: the same for rules that mean the same.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// Name of this installation.
    #[must_use]
    pub fn stack(&self) -> &str {
        &self.model.stack
    }

    /// `projects/P/locations/L/clusters/C`.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.model.cluster
    }

    /// The cluster's workload identity pool, `PROJECT.svc.id.goog`.
    #[must_use]
    pub fn pool(&self) -> String {
        format!("{}.svc.id.goog", self.model.cluster_project())
    }

    /// What happens to a pod that no rule matches, or whose requester is nobody's.
    #[must_use]
    pub fn no_match(&self) -> NoMatch {
        self.model.no_match
    }
}

/// Rules are the same if they mean the same.
impl PartialEq for Rules {
    fn eq(&self, other: &Rules) -> bool {
        self.model == other.model
    }
}

impl Eq for Rules {}

#[cfg(test)]
pub(crate) mod tests;
