//! Refuses an invalid edit of the rules when it is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use namesake_api::names::RULES_CONFIG_MAP;
use namesake_core::{Reason, Rules};
use namesake_service::{RulesRejection, parse_and_test_rules, rules_files};
use serde::Deserialize;

use crate::decide::validate::edit::EditCounts;
use crate::review::Request;
use crate::review::outcome::Outcome;
use crate::review::refused::Refused;
use crate::review::verdict::{Facts, Verdict};

/// Longest list of namespaces in a warning, in bytes.
const MAX_NAMES_BYTES: usize = 60;
/// Failed tests that a refusal lists.
const MAX_FAILED_TESTS: usize = 20;

/// The part of a ConfigMap that is read.
#[derive(Debug, Default, Deserialize)]
pub struct ConfigMap {
    metadata: ConfigMapMetadata,
    #[serde(default)]
    data: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
struct ConfigMapMetadata {
    #[serde(default)]
    name: Option<String>,
}

/// Checks a ConfigMap as it would be stored, and runs the tests that the rules have about themselves. Warns about what changes every
/// name, compared with the rules `in_force`; about opted-in namespaces in which no rule could match any more, which `opted_in` lists
/// for a stack; and about identities and parents that lose or change their account, which `count` counts.
#[must_use]
pub fn check(
    request: &Request<'_, ConfigMap>,
    in_force: Option<&Arc<Rules>>,
    opted_in: impl FnOnce(&str) -> Vec<String>,
    count: impl FnOnce(&Arc<Rules>, &Rules) -> EditCounts,
) -> Verdict {
    let facts = Facts::of_requester(&request.user_info.username, Outcome::RulesChecked);
    let map = request.object.as_ref();
    let Some(map) = map.filter(|map| map.metadata.name.as_deref() == Some(RULES_CONFIG_MAP)) else {
        return Verdict::pass(facts);
    };
    match parse_and_test_rules(&rules_files(map.data.as_ref())) {
        Ok(rules) => {
            let mut warnings = in_force.map_or_else(Vec::new, |old| renaming(old, &rules));
            warnings.extend(without_rule(&rules, opted_in(rules.stack())));
            let counts = in_force.map(|old| count(old, &rules)).unwrap_or_default();
            warnings.extend(counts.warnings());
            Verdict {
                warnings,
                ..Verdict::pass(facts)
            }
        }
        Err(rejection) => Verdict::refuse(refusal(&rejection), facts),
    }
}

fn refusal(rejection: &RulesRejection) -> Refused {
    const TO_DO: &str =
        "and the previous rules stay in force; fix each of these and write them again";
    match rejection {
        RulesRejection::Invalid(errors) => {
            let message = format!("these rules are not valid, {TO_DO}:\n{errors}");
            Refused::new(Reason::InvalidRules, message)
        }
        RulesRejection::FailedTests { failed, tests } => {
            let failed = &failed.problems;
            let listed = failed.iter().take(MAX_FAILED_TESTS);
            let listed: Vec<_> = listed.map(ToString::to_string).collect();
            let message = format!(
                "these rules fail {} of their own {tests} tests, {TO_DO}:\n{}",
                failed.len(),
                listed.join("\n")
            );
            Refused::new(Reason::FailedRulesTests, message)
        }
    }
}

fn renaming(old: &Rules, new: &Rules) -> Vec<String> {
    let mut warnings = Vec::new();
    if old.stack() != new.stack() {
        warnings.push("namesake: another stack: opted-in namespaces, identities and stamps of the old one are no longer valid".to_owned());
    }
    if old.cluster() != new.cluster() {
        warnings.push("namesake: another cluster: every user gets another identity".to_owned());
    }
    warnings
}

fn without_rule(rules: &Rules, opted_in: Vec<String>) -> Option<String> {
    let mut without = opted_in
        .into_iter()
        .filter(|namespace| !rules.can_match_in(namespace));
    let mut names = without.next()?;
    let mut more = 0;
    for name in without {
        if more == 0 && names.len() + name.len() <= MAX_NAMES_BYTES {
            names += &format!(", {name}");
        } else {
            more += 1;
        }
    }
    if more > 0 {
        names += &format!(" and {more} more");
    }
    Some(format!("namesake: no rule can match in opted-in {names}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::review;

    const VALID: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/rules.yaml"));

    fn verdict(name: &str, text: &str) -> Verdict {
        let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u", "userInfo": {"username": "root@acme.com"},
            "object": {"metadata": {"name": name}, "data": {"rules.yaml": text, "README": "not: [rules"}}}});
        let body = body.to_string();
        let in_force = Rules::parse(&[namesake_core::Source {
            file: "rules.yaml",
            text: VALID,
        }])
        .unwrap();
        let opted_in = |stack: &str| {
            assert_eq!(stack, "prod");
            ["research", "try"].map(str::to_owned).to_vec()
        };
        let in_force = Arc::new(in_force);
        let request = review::parse(body.as_bytes()).unwrap();
        check(&request, Some(&in_force), opted_in, |_, _| {
            EditCounts::default()
        })
    }

    #[test]
    fn an_edit_that_fails_its_own_tests_is_refused_with_each_of_them_and_its_place() {
        let tests = |expect: &str| {
            format!(
                "{VALID}tests:\n- {{as: alice@acme.com, in: research, object: {{labels: {{app.kubernetes.io/part-of: metaflow}}}}, expect: {expect}}}\n"
            )
        };
        let verdict = |text: &str| verdict(RULES_CONFIG_MAP, text);
        let refused = verdict(&tests("{refused: Offboarded}")).result.unwrap_err();
        assert_eq!(refused.reason, Reason::FailedRulesTests);
        assert!(
            refused.message.contains("fail 1 of their own 1 tests"),
            "{}",
            refused.message
        );
        assert!(
            refused.message.contains("\nrules.yaml:"),
            "{}",
            refused.message
        );
        assert!(verdict(&tests("{identity: research}")).result.is_ok());
    }

    #[test]
    fn an_edit_that_leaves_opted_in_namespaces_without_a_rule_gives_a_warning() {
        let only_research =
            VALID.replace("{group: billing", "{namespace: research, group: billing");
        let warned = verdict(RULES_CONFIG_MAP, &only_research).warnings;
        assert_eq!(warned, ["namesake: no rule can match in opted-in try"]);
        let rules = Rules::parse(&[namesake_core::Source {
            file: "rules.yaml",
            text: &only_research,
        }]);
        let many = (0..1000).map(|n| format!("team-{n}-of-acme")).collect();
        let one = without_rule(&rules.unwrap(), many).unwrap();
        assert!(one.len() <= 120 && one.ends_with(" and 996 more"), "{one}");
    }

    #[test]
    fn an_invalid_edit_is_refused_with_every_problem_and_its_place() {
        let invalid = VALID
            .replace("noMatch: deny", "noMatch: perhaps")
            .replace("per: [user]", "per: [shoe]");
        let refused = verdict(RULES_CONFIG_MAP, &invalid).result.unwrap_err();
        let places: Vec<_> = refused
            .message
            .lines()
            .filter(|l| l.starts_with("rules.yaml:"))
            .collect();
        assert!(places.len() >= 2, "{}", refused.message);
        assert!(refused.message.contains("root@acme.com"));
    }

    #[test]
    fn valid_rules_and_other_config_maps_pass() {
        assert_eq!(
            verdict(RULES_CONFIG_MAP, VALID).result.unwrap(),
            crate::review::patch::Patch::default()
        );
        verdict("something-else", "nonsense: [").result.unwrap();
    }

    #[test]
    fn another_cluster_gives_a_warning() {
        let changed = VALID.replace("clusters/ml", "clusters/other");
        let warnings = verdict(RULES_CONFIG_MAP, &changed).warnings;
        assert!(
            warnings.len() == 1 && warnings[0].len() <= 120,
            "{warnings:?}"
        );
    }
}
