//! The rules in force: the current ones, or the last that were accepted while the current ones are not valid or fail their own tests.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use namesake_core::Rules;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::rules::{RulesFiles, parse_and_test_rules, parse_rules};

/// The effect of a new version of the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RulesEffect {
    /// The current rules are in force.
    InForce {
        /// Their revision.
        revision: String,
        /// Whether another revision, or none, was in force before.
        new: bool,
    },
    /// The file has no effect now.
    Ignored,
    /// The current rules are not valid, or fail their own tests.
    Invalid {
        /// Every problem, one per line.
        problems: String,
        /// Revision of the rules that stay in force, if any.
        in_force: Option<String>,
    },
}

#[derive(Debug, Default)]
struct Versions {
    // `None` until the watch has listed them.
    current: Option<Option<RulesFiles>>,
    accepted: Option<RulesFiles>,
    // Whether the rules in force are a version that was current, not one that was accepted before this process started.
    from_current: bool,
}

/// The rules in force, and the versions in the two ConfigMaps.
#[derive(Debug, Default)]
pub struct RulesInForce {
    rules: ArcSwapOption<Rules>,
    versions: Mutex<Versions>,
    stack: watch::Sender<Option<String>>,
}

impl RulesInForce {
    /// The rules in force.
    #[must_use]
    pub fn get(&self) -> Option<Arc<Rules>> {
        self.rules.load_full()
    }

    /// Runs `work` for the stack of the rules in force, once there are any; when they name another stack, drops it and runs it
    /// again. Returns when `work` does.
    pub async fn for_stack(&self, work: impl AsyncFn(&str)) {
        let mut stacks = self.stack.subscribe();
        loop {
            let stack = stacks.borrow_and_update().clone();
            let changed = async {
                // The sender lives as long as `self`.
                let _ = stacks.changed().await;
            };
            let Some(stack) = stack else {
                changed.await;
                continue;
            };
            tokio::select! {
                () = work(&stack) => return,
                () = changed => {}
            }
        }
    }

    /// Sets the current rules; `None` when there is no ConfigMap.
    pub fn set_current(&self, files: Option<RulesFiles>) -> RulesEffect {
        let mut versions = self.versions.lock();
        versions.current = Some(files);
        self.decide(&mut versions)
    }

    /// Sets the rules that the broker accepted last; they are used only while the current ones are not valid and this process has
    /// not accepted any itself.
    pub fn set_accepted(&self, files: Option<RulesFiles>) -> RulesEffect {
        let mut versions = self.versions.lock();
        versions.accepted = files;
        if versions.from_current {
            return RulesEffect::Ignored;
        }
        self.decide(&mut versions)
    }

    fn decide(&self, versions: &mut Versions) -> RulesEffect {
        let problems = match &versions.current {
            None => return RulesEffect::Ignored,
            Some(None) => "the ConfigMap of rules is missing".to_owned(),
            Some(Some(files)) => match parse_and_test_rules(files) {
                Ok(rules) => {
                    versions.from_current = true;
                    return self.put(rules);
                }
                Err(rejection) => rejection.to_string(),
            },
        };
        if !versions.from_current
            && let Some(Ok(rules)) = versions.accepted.as_ref().map(parse_rules)
        {
            self.put(rules);
        }
        let in_force = self.get().map(|r| r.revision().to_owned());
        RulesEffect::Invalid { problems, in_force }
    }

    fn put(&self, rules: Rules) -> RulesEffect {
        let revision = rules.revision().to_owned();
        let new = self.get().is_none_or(|r| r.revision() != revision);
        if new {
            let stack = rules.stack().to_owned();
            self.rules.store(Some(Arc::new(rules)));
            self.stack.send_if_modified(|known| {
                let is_other = known.as_ref() != Some(&stack);
                *known = Some(stack);
                is_other
            });
        }
        RulesEffect::InForce { revision, new }
    }
}

#[cfg(test)]
mod tests {
    use namesake_api::names::RULES_KEY;

    use super::*;

    const VALID: &str = "apiVersion: namesake.dev/v1alpha1\nkind: MappingRules\nstack: prod\n\
                         cluster: projects/acme/locations/us-central1/clusters/ml\nnoMatch: deny\n";

    fn files(text: &str) -> Option<RulesFiles> {
        Some(RulesFiles::from([(RULES_KEY.to_owned(), text.to_owned())]))
    }

    fn other() -> String {
        VALID.replace("noMatch: deny", "noMatch: keep")
    }

    #[test]
    fn an_invalid_edit_leaves_the_rules_in_force_and_names_its_problems() {
        let rules = RulesInForce::default();
        assert!(matches!(
            rules.set_current(files(VALID)),
            RulesEffect::InForce { new: true, .. }
        ));
        let before = rules.get().unwrap();
        let invalid = format!("{VALID}\nnonsense: 1\n");
        let RulesEffect::Invalid { problems, in_force } = rules.set_current(files(&invalid)) else {
            panic!("accepted as valid");
        };
        assert!(
            problems.starts_with("rules.yaml:") && problems.contains("nonsense"),
            "{problems}"
        );
        assert_eq!(in_force.as_deref(), Some(before.revision()));
        assert!(matches!(
            rules.set_current(None),
            RulesEffect::Invalid {
                in_force: Some(_),
                ..
            }
        ));
        assert!(matches!(
            rules.set_current(files(VALID)),
            RulesEffect::InForce { new: false, .. }
        ));
    }

    #[test]
    fn an_edit_that_fails_its_own_tests_leaves_the_rules_in_force() {
        let rules = RulesInForce::default();
        rules.set_current(files(VALID));
        let test = "tests:\n- {as: alice@acme.com, in: research, expect: {identity: research}}\n";
        let failing = other() + test;
        let effect = rules.set_current(files(&failing));
        let RulesEffect::Invalid { problems, in_force } = effect else {
            panic!("in force: {effect:?}");
        };
        assert!(problems.contains("rules.yaml:7:"), "{problems}");
        assert_eq!(
            in_force.as_deref(),
            rules.get().as_deref().map(Rules::revision)
        );
        // What was accepted before this version ran tests stays in force after a restart.
        let restarted = RulesInForce::default();
        restarted.set_current(files(&failing));
        restarted.set_accepted(files(&failing));
        assert!(restarted.get().is_some());
    }

    #[test]
    fn accepted_rules_are_used_only_while_this_process_has_accepted_none() {
        let rules = RulesInForce::default();
        assert_eq!(rules.set_accepted(files(VALID)), RulesEffect::Ignored);
        assert!(rules.get().is_none(), "the current rules are not known yet");
        let invalid = rules.set_current(files("nonsense"));
        assert!(matches!(
            invalid,
            RulesEffect::Invalid {
                in_force: Some(_),
                ..
            }
        ));
        let accepted = rules.get().unwrap();
        assert!(matches!(
            rules.set_current(files(&other())),
            RulesEffect::InForce { new: true, .. }
        ));
        rules.set_current(files("nonsense"));
        assert_eq!(rules.set_accepted(files(VALID)), RulesEffect::Ignored);
        assert_ne!(rules.get().unwrap().revision(), accepted.revision());
    }

    #[test]
    fn accepted_rules_are_used_when_the_current_ones_are_not_valid() {
        let rules = RulesInForce::default();
        assert!(matches!(
            rules.set_current(files("nonsense")),
            RulesEffect::Invalid { in_force: None, .. }
        ));
        let effect = rules.set_accepted(files(VALID));
        assert!(matches!(
            effect,
            RulesEffect::Invalid {
                in_force: Some(_),
                ..
            }
        ));
    }
}
