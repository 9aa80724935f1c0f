//! The files of rules in a ConfigMap.

use std::collections::BTreeMap;

use namesake_api::names::{RULES_KEY, RULES_KEY_SUFFIX};
use namesake_core::{Rules, RulesErrors, Source};

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
}
