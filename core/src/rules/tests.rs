use fixtures::{EVERYTHING, EXAMPLE};

use super::*;
use crate::user::User;

mod files;
pub(crate) mod fixtures;
mod problems;
mod properties;

fn parse(text: &str) -> Result<Rules, RulesErrors> {
    Rules::parse(&[Source {
        file: "rules.yaml",
        text,
    }])
}

#[test]
fn the_example_is_legal() {
    let rules = parse(EXAMPLE).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(rules.stack(), "prod");
    assert_eq!(
        rules.cluster(),
        "projects/acme/locations/us-central1/clusters/ml"
    );
    assert_eq!(rules.pool(), "acme.svc.id.goog");
    assert_eq!(rules.no_match(), NoMatch::Deny);
    assert!(rules.is_offboarded(&User::exact("mallory@acme.com").unwrap()));
    assert!(!rules.is_offboarded(&User::exact("alice@acme.com").unwrap()));
}

#[test]
fn printed_rules_parse_to_the_same_rules() {
    for text in [EXAMPLE, EVERYTHING] {
        let rules = parse(text).unwrap_or_else(|e| panic!("{e}"));
        let again = parse(rules.to_yaml()).unwrap_or_else(|e| panic!("{e}\n{}", rules.to_yaml()));
        assert_eq!(rules, again);
        assert_eq!(
            (rules.to_yaml(), rules.revision()),
            (again.to_yaml(), again.revision())
        );
        assert_eq!(rules.revision().len(), 12);
    }
}

#[test]
fn the_revision_changes_only_with_the_meaning() {
    let rules = parse(EXAMPLE).unwrap();
    assert_eq!(
        parse(&format!("# more words\n{EXAMPLE}"))
            .unwrap()
            .revision(),
        rules.revision()
    );
    assert_ne!(
        parse(&EXAMPLE.replace("noMatch: deny", "noMatch: keep"))
            .unwrap()
            .revision(),
        rules.revision()
    );
}
