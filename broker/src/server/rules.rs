//! The rules in force. They come from a ConfigMap that an admin edits. The last accepted ones are stored in a ConfigMap of the
//! broker's own, so that an invalid edit changes nothing, not even after a restart.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use namesake_api::names;
use namesake_core::{Rules, RulesErrors};
use namesake_service::{
    RulesRejection, managed_config_map, parse_and_test_rules, parse_rules, rules_files,
};
use tokio::sync::watch;

/// The rules in force; readers take no lock.
pub struct CurrentRules {
    current: ArcSwapOption<Rules>,
    changed: watch::Sender<()>,
}

impl Default for CurrentRules {
    fn default() -> Self {
        Self {
            current: ArcSwapOption::empty(),
            changed: watch::Sender::new(()),
        }
    }
}

impl CurrentRules {
    /// The rules, once some were accepted.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Rules>> {
        self.current.load_full()
    }

    /// Puts rules in force.
    pub fn set(&self, rules: Rules) {
        self.current.store(Some(Arc::new(rules)));
        self.changed.send_replace(());
    }

    /// Notifies of each change of the rules.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

/// Parses the rules in a ConfigMap that were accepted before.
///
/// # Errors
/// All problems, each with file, line and column.
pub fn parse(map: &ConfigMap) -> Result<Rules, RulesErrors> {
    parse_rules(&rules_files(map.data.as_ref()))
}

/// Parses the edited rules in a ConfigMap, and runs their own tests.
///
/// # Errors
/// All problems or failed tests, each with file, line and column.
pub fn parse_edit(map: &ConfigMap) -> Result<Rules, RulesRejection> {
    parse_and_test_rules(&rules_files(map.data.as_ref()))
}

/// The ConfigMap in which the broker stores accepted rules: the same files, with their revision.
#[must_use]
pub fn accepted(map: &ConfigMap, namespace: &str, revision: &str) -> ConfigMap {
    let (name, files) = (
        names::ACCEPTED_RULES_CONFIG_MAP,
        rules_files(map.data.as_ref()),
    );
    let mut accepted = managed_config_map(namespace, name, files);
    let annotations = accepted.annotations_mut();
    annotations.insert(
        names::RULES_REVISION_ANNOTATION.to_owned(),
        revision.to_owned(),
    );
    accepted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(files: &[(&str, &str)]) -> ConfigMap {
        let data = files
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        ConfigMap {
            data: Some(data),
            ..ConfigMap::default()
        }
    }

    #[test]
    fn all_files_of_rules_are_stored_and_no_other_keys() {
        let map = map(&[("rules.yaml", "a"), ("pins.yaml", "b"), ("README", "c")]);
        let stored = accepted(&map, "namesake-system", "0123456789ab");
        let keys: Vec<_> = stored.data.unwrap().into_keys().collect();
        assert_eq!(keys, ["pins.yaml", "rules.yaml"]);
        let annotations = stored.metadata.annotations.unwrap_or_default();
        assert_eq!(
            annotations[names::RULES_REVISION_ANNOTATION],
            "0123456789ab"
        );
    }

    #[test]
    fn a_problem_is_reported_with_file_and_line() {
        let error =
            parse(&map(&[("rules.yaml", "kind: MappingRules\nnonsense: 1\n")])).unwrap_err();
        assert!(error.to_string().contains("rules.yaml:2:"), "{error}");
    }

    #[test]
    fn new_rules_notify_subscribers() {
        let current = CurrentRules::default();
        let changes = current.changes();
        assert!(current.current().is_none());
        current.set(parse(&map(&[("rules.yaml", crate::fixtures::RULES)])).unwrap());
        assert!(changes.has_changed().unwrap());
        assert_eq!(current.current().unwrap().stack(), "prod");
    }
}
