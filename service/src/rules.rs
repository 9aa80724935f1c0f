//! The files of rules in a ConfigMap.

use std::collections::BTreeMap;

use namesake_api::names::{RULES_KEY, RULES_KEY_SUFFIX};
use namesake_core::{Problem, Rules, RulesErrors, Source};

/// Files of rules: key of the ConfigMap to text.
pub type RulesFiles = BTreeMap<String, String>;

/// The keys of a ConfigMap's `data` that are files of rules.
#[must_use]
pub fn rules_files(data: Option<&BTreeMap<String, String>>) -> RulesFiles {
    let files = data.into_iter().flatten();
    let files = files.filter(|(key, _)| key.ends_with(RULES_KEY_SUFFIX));
    files
        .map(|(key, text)| (key.clone(), text.clone()))
        .collect()
}

/// Parses files of rules. Problems are listed in the order of the files, those of `rules.yaml` first.
///
/// # Errors
/// All problems, each with its file, line and column.
pub fn parse_rules(files: &RulesFiles) -> Result<Rules, RulesErrors> {
    let mut sources: Vec<_> = files
        .iter()
        .map(|(file, text)| Source { file, text })
        .collect();
    sources.sort_by_key(|source| source.file != RULES_KEY);
    Rules::parse(&sources)
}

/// Why an edit of the rules is rejected.
#[derive(Debug, thiserror::Error)]
pub enum RulesRejection {
    /// They are not valid.
    #[error("{0}")]
    Invalid(RulesErrors),
    /// They are valid, and fail tests that they have about themselves.
    #[error("these rules fail {} of their own {tests} tests:\n{failed}", .failed.problems.len())]
    FailedTests {
        /// What each of these tests found.
        failed: RulesErrors,
        /// How many tests there are.
        tests: usize,
    },
}

impl RulesRejection {
    /// The problems, at least one.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid(errors) | Self::FailedTests { failed: errors, .. } => &errors.problems,
        }
    }
}

/// Parses files of rules, and runs the tests that they have about themselves. Every program that puts an edit in force checks it with
/// this; rules that were accepted before are only parsed.
///
/// # Errors
/// All problems, or all tests that fail.
pub fn parse_and_test_rules(files: &RulesFiles) -> Result<Rules, RulesRejection> {
    let rules = parse_rules(files).map_err(RulesRejection::Invalid)?;
    let problems = rules.failed_tests();
    if problems.is_empty() {
        return Ok(rules);
    }
    Err(RulesRejection::FailedTests {
        failed: RulesErrors { problems },
        tests: rules.count_tests(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_of_the_main_file_come_first() {
        let data = [
            ("README", "text"),
            ("pins.yaml", "a: 1\n"),
            ("rules.yaml", "nonsense: 1\n"),
        ];
        let data = data.map(|(key, text)| (key.to_owned(), text.to_owned()));
        let files = rules_files(Some(&BTreeMap::from(data)));
        assert_eq!(files.len(), 2, "only files that end in .yaml");
        let errors = parse_rules(&files).unwrap_err().to_string();
        let place = |file: &str| errors.find(&format!("{file}:")).unwrap();
        assert!(place("rules.yaml") < place("pins.yaml"), "{errors}");
    }

    #[test]
    fn rules_that_fail_their_own_tests_are_rejected_with_the_place_of_each() {
        let files = |expect: &str| {
            let text = format!(
                "apiVersion: namesake.dev/v1alpha1\nkind: MappingRules\nstack: prod\n\
                 cluster: projects/acme/locations/us-central1/clusters/ml\nnoMatch: deny\n\
                 tests:\n- {{as: alice@acme.com, in: research, expect: {expect}}}\n"
            );
            RulesFiles::from([(RULES_KEY.to_owned(), text)])
        };
        let rejection = parse_and_test_rules(&files("keep")).unwrap_err();
        let text = rejection.to_string();
        assert!(
            text.starts_with("these rules fail 1 of their own 1 tests:\nrules.yaml:7:"),
            "{text}"
        );
        assert_eq!(rejection.problems().len(), 1);
        parse_and_test_rules(&files("{refused: UnknownRequester}")).unwrap();
        let invalid = parse_and_test_rules(&files("[")).unwrap_err();
        assert!(matches!(invalid, RulesRejection::Invalid(_)), "{invalid}");
    }
}
