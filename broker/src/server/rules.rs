//! The rules in force. They come from a ConfigMap that an admin edits; what was accepted last is kept in a ConfigMap of the
//! broker's own, so that a broken edit changes nothing, not even across a restart.

mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use k8s_openapi::api::core::v1::ConfigMap;
use namesake_api::names;
use namesake_core::{Rules, RulesErrors};
use namesake_service::{parse_rules, rules_files};
use tokio::sync::watch as channel;

pub use watch::{Watch, watch};

/// The rules in force; readers take no lock.
pub struct CurrentRules {
    current: ArcSwapOption<Rules>,
    changed: channel::Sender<()>,
}

impl Default for CurrentRules {
    fn default() -> Self {
        Self {
            current: ArcSwapOption::empty(),
            changed: channel::Sender::new(()),
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

    /// Wakes whoever waits when the rules change.
    #[must_use]
    pub fn changes(&self) -> channel::Receiver<()> {
        self.changed.subscribe()
    }
}

/// Parses the rules in a ConfigMap.
///
/// # Errors
/// All problems, each with its file, line and column.
pub fn parse(map: &ConfigMap) -> Result<Rules, RulesErrors> {
    parse_rules(&rules_files(map.data.as_ref()))
}

/// The accepted rules as the broker keeps them: the same files, and their revision.
#[must_use]
pub fn accepted(map: &ConfigMap, namespace: &str, revision: &str) -> ConfigMap {
    let mut kept = ConfigMap::default();
    kept.metadata.name = Some(names::ACCEPTED_RULES_CONFIG_MAP.to_owned());
    kept.metadata.namespace = Some(namespace.to_owned());
    kept.metadata.labels = Some(BTreeMap::from([(
        names::MANAGED_BY.to_owned(),
        names::MANAGED_BY_VALUE.to_owned(),
    )]));
    let revision = (
        names::RULES_REVISION_ANNOTATION.to_owned(),
        revision.to_owned(),
    );
    kept.metadata.annotations = Some(BTreeMap::from([revision]));
    kept.data = Some(rules_files(map.data.as_ref()));
    kept
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
    fn only_yaml_keys_are_rules_and_all_of_them_are_kept() {
        let map = map(&[("rules.yaml", "a"), ("pins.yaml", "b"), ("README", "c")]);
        let kept = accepted(&map, "namesake-system", "0123456789ab");
        let kept_files: Vec<_> = kept.data.iter().flatten().map(|(key, _)| key).collect();
        assert_eq!(kept_files, ["pins.yaml", "rules.yaml"]);
        let annotations = kept.metadata.annotations.unwrap_or_default();
        assert_eq!(
            annotations[names::RULES_REVISION_ANNOTATION],
            "0123456789ab"
        );
    }

    #[test]
    fn what_is_wrong_is_named_by_file_line_and_column() {
        let error =
            parse(&map(&[("rules.yaml", "kind: MappingRules\nnonsense: 1\n")])).unwrap_err();
        assert!(error.to_string().contains("rules.yaml:2:"), "{error}");
    }

    #[test]
    fn rules_wake_whoever_waits_for_them() {
        let current = CurrentRules::default();
        let changes = current.changes();
        assert!(current.current().is_none());
        current.set(parse(&map(&[("rules.yaml", crate::fixtures::RULES)])).unwrap());
        assert!(changes.has_changed().unwrap());
        assert_eq!(current.current().unwrap().stack(), "prod");
    }
}
