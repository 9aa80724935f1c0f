//! The rules in force: the last that were accepted, while the ones as written are broken.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use namesake_core::Rules;
use namesake_service::{RulesFiles, parse_rules};

/// What came of a new text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offer {
    /// The rules as written are in force.
    InForce {
        /// Their revision.
        revision: String,
        /// Whether another revision, or none, was in force before.
        new: bool,
    },
    /// It does not matter now.
    Ignored,
    /// The rules as written are broken; why, and whether older ones are in force.
    Broken {
        /// Every problem, one a line.
        problems: String,
        /// Revision of the rules that stay in force, if any.
        in_force: Option<String>,
    },
}

#[derive(Debug, Default)]
struct Seen {
    // `None` until the watch has said whether there are any.
    current: Option<Option<RulesFiles>>,
    accepted: Option<RulesFiles>,
    // Rules in force come from what is written now, not from what was accepted once.
    from_current: bool,
}

/// The rules in force, and what the watches saw of the two ConfigMaps.
#[derive(Debug, Default)]
pub struct RulesInForce {
    rules: ArcSwapOption<Rules>,
    seen: Mutex<Seen>,
}

impl RulesInForce {
    /// The rules in force.
    #[must_use]
    pub fn get(&self) -> Option<Arc<Rules>> {
        self.rules.load_full()
    }

    /// Takes over the rules as they are written now; `None` when there is no ConfigMap.
    pub fn offer_current(&self, files: Option<RulesFiles>) -> Offer {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.current = Some(files);
        self.decide(&mut seen)
    }

    /// Takes over the rules that the broker accepted last; they count only while the written ones are broken and
    /// nothing newer was accepted by this process.
    pub fn offer_accepted(&self, files: Option<RulesFiles>) -> Offer {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.accepted = files;
        if seen.from_current {
            return Offer::Ignored;
        }
        self.decide(&mut seen)
    }

    fn decide(&self, seen: &mut Seen) -> Offer {
        let problems = match &seen.current {
            None => return Offer::Ignored,
            Some(None) => "the ConfigMap of rules is missing".to_owned(),
            Some(Some(files)) => match parse_rules(files) {
                Ok(rules) => {
                    seen.from_current = true;
                    return self.put(rules);
                }
                Err(errors) => errors.to_string(),
            },
        };
        if !seen.from_current
            && let Some(Ok(rules)) = seen.accepted.as_ref().map(parse_rules)
        {
            self.put(rules);
        }
        let in_force = self.get().map(|r| r.revision().to_owned());
        Offer::Broken { problems, in_force }
    }

    fn put(&self, rules: Rules) -> Offer {
        let revision = rules.revision().to_owned();
        let new = self.get().is_none_or(|r| r.revision() != revision);
        if new {
            self.rules.store(Some(Arc::new(rules)));
        }
        Offer::InForce { revision, new }
    }
}

#[cfg(test)]
mod tests {
    use namesake_api::names::RULES_KEY;

    use super::*;

    const GOOD: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/rules.yaml"));

    fn files(text: &str) -> Option<RulesFiles> {
        Some(RulesFiles::from([(RULES_KEY.to_owned(), text.to_owned())]))
    }

    fn other() -> String {
        GOOD.replace("noMatch: deny", "noMatch: keep")
    }

    #[test]
    fn a_broken_edit_leaves_the_rules_in_force_and_says_where_it_is_broken() {
        let rules = RulesInForce::default();
        assert!(matches!(
            rules.offer_current(files(GOOD)),
            Offer::InForce { new: true, .. }
        ));
        let before = rules.get().unwrap();
        let broken = format!("{GOOD}\nnonsense: 1\n");
        let Offer::Broken { problems, in_force } = rules.offer_current(files(&broken)) else {
            panic!("taken for good");
        };
        assert!(
            problems.starts_with("rules.yaml:") && problems.contains("nonsense"),
            "{problems}"
        );
        assert_eq!(in_force.as_deref(), Some(before.revision()));
        assert!(matches!(
            rules.offer_current(None),
            Offer::Broken {
                in_force: Some(_),
                ..
            }
        ));
        assert!(matches!(
            rules.offer_current(files(GOOD)),
            Offer::InForce { new: false, .. }
        ));
    }

    #[test]
    fn accepted_rules_count_only_while_nothing_newer_was_accepted_here() {
        let rules = RulesInForce::default();
        assert_eq!(rules.offer_accepted(files(GOOD)), Offer::Ignored);
        assert!(
            rules.get().is_none(),
            "the rules as written are not known yet"
        );
        let broken = rules.offer_current(files("nonsense"));
        assert!(matches!(
            broken,
            Offer::Broken {
                in_force: Some(_),
                ..
            }
        ));
        let accepted = rules.get().unwrap();
        assert!(matches!(
            rules.offer_current(files(&other())),
            Offer::InForce { new: true, .. }
        ));
        rules.offer_current(files("nonsense"));
        assert_eq!(rules.offer_accepted(files(GOOD)), Offer::Ignored);
        assert_ne!(rules.get().unwrap().revision(), accepted.revision());
    }

    #[test]
    fn accepted_rules_that_come_last_are_taken_when_the_written_ones_are_broken() {
        let rules = RulesInForce::default();
        assert!(matches!(
            rules.offer_current(files("nonsense")),
            Offer::Broken { in_force: None, .. }
        ));
        let offer = rules.offer_accepted(files(GOOD));
        assert!(matches!(
            offer,
            Offer::Broken {
                in_force: Some(_),
                ..
            }
        ));
    }
}
