//! Rules: what the admin wrote, checked as a whole, with the lookups that decisions need.

use std::collections::{BTreeSet, HashMap, HashSet};

use sha2::{Digest, Sha256};

use crate::{glob::Glob, name::is_managed_name, user::User};

mod classes;
mod fields;
mod legal;
mod matching;
mod model;
mod namespaces;
mod node;
mod pins;
mod pods;
mod problem;
mod read;
mod users;
mod yaml;

pub use classes::{
    BindBy, ForeignMembers, Grant, GrantTarget, Itself, Life, Mode, Per, Span, WhenFull,
};
pub use matching::{Launcher, NoMatch};
pub use pods::Hygiene;
pub use problem::{Problem, RulesErrors};

pub(crate) use classes::Class;
pub(crate) use matching::{Effect, Match, Rule};

pub(crate) use model::{Model, built_in_carriers, carries};
pub(crate) use pins::{Pin, email as pinned_email};
pub(crate) use users::{Mapping, UserRule, fill};

/// Where a user stands in the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Neither of the two below.
    Here,
    /// Has left.
    Offboarded,
    /// Has left and is back: the same person, who gets the same identity again.
    Returned,
}

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
        let model = read::read(sources)?;
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

    /// Whether a pod that is kept as it is may name this service account. Never a managed one; one that a rule gives to
    /// whom it proves only if it is listed by its full name, so that a wide glob does not give it to everybody else.
    #[must_use]
    pub fn allows_service_account(&self, name: &str) -> bool {
        let given = |rule: &Rule| rule.effect.is_account(name);
        let allowed: &[Glob] = &self.model.allowed_service_accounts;
        let mut allowed = allowed.iter().filter(|glob| glob.matches(name));
        !is_managed_name(name)
            && allowed.any(|glob| glob.is_exact() || !self.model.rules.iter().any(given))
    }

    /// Whether a user has left.
    #[must_use]
    pub fn is_offboarded(&self, user: &User) -> bool {
        self.offboarded.contains(user)
    }

    /// Where a user stands, as an Identity names the user; the user of a class that is not per user, the empty one, is here.
    #[must_use]
    pub fn standing(&self, user: &str) -> Standing {
        let is_in =
            |users: &HashSet<User>| User::exact(user).is_ok_and(|user| users.contains(&user));
        if is_in(&self.offboarded) {
            Standing::Offboarded
        } else if is_in(&self.returned) {
            Standing::Returned
        } else {
            Standing::Here
        }
    }

    /// What becomes of a new identity of a class when its project is full; nothing when there is no such class.
    #[must_use]
    pub fn when_full(&self, class: &str) -> Option<WhenFull> {
        self.class(class).map(|class| class.when_full)
    }

    /// How long identities of a class live, and what becomes of others in their policies; nothing when there is no such class.
    #[must_use]
    pub fn life(&self, class: &str) -> Option<Life> {
        self.class(class).map(|class| class.life)
    }

    /// Every grant of every class, as an identity of this key would have it.
    #[must_use]
    pub fn grants_of_key(&self, key: &str) -> Vec<Grant> {
        let classes = self.model.identities.iter();
        let grants = classes.flat_map(|class| &class.grants);
        grants.map(|grant| grant.filled(key)).collect()
    }

    /// Whether identities of some class may act at Google as the KSA itself.
    #[must_use]
    pub fn have_direct(&self) -> bool {
        let mut classes = self.model.identities.iter();
        classes.any(|class| class.mode == Mode::Direct || class.when_full == WhenFull::Direct)
    }

    /// Every project that the rules name for identities.
    #[must_use]
    pub fn projects(&self) -> BTreeSet<&str> {
        let classes = self.model.identities.iter();
        classes.map(|class| class.project.as_str()).collect()
    }

    pub(crate) fn class(&self, name: &str) -> Option<&Class> {
        self.model
            .identities
            .iter()
            .find(|class| class.name == name)
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
mod tests;
