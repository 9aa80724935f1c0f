//! Replaces names of people, groups, accounts and projects, the same name always by the same number. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::names::{Names, is_inner};

/// The prefix of generated names, which contain a part of the user's name.
const MANAGED: &str = "mf-";
/// Length of the hash at the end of a generated name.
const HASH: usize = 14;

/// What each name was replaced by.
#[derive(Debug, Default)]
pub(super) struct Redaction {
    numbers: BTreeMap<String, usize>,
    /// Names without `@`, by their first word, the longest first.
    known: BTreeMap<String, Vec<(String, &'static str)>>,
}

impl Redaction {
    /// One that also replaces these names.
    pub(super) fn of(names: Names) -> Self {
        let mut known: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for (name, kind) in names {
            let first: String = name.chars().take_while(|c| is_inner(*c)).collect();
            known.entry(first).or_default().push((name, kind));
        }
        for all in known.values_mut() {
            all.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        }
        Self {
            known,
            ..Self::default()
        }
    }

    /// The document without names in any text or key.
    pub(super) fn apply(&mut self, value: Value) -> Value {
        match value {
            Value::String(text) => self.text(&text).into(),
            Value::Array(all) => all.into_iter().map(|one| self.apply(one)).collect(),
            Value::Object(map) => {
                let each = map.into_iter();
                let each = each.map(|(key, one)| (self.text(&key), self.apply(one)));
                Value::Object(each.collect())
            }
            other => other,
        }
    }

    /// The text without names: e-mail addresses, generated names, and those that are known.
    fn text(&mut self, text: &str) -> String {
        let mut result = String::with_capacity(text.len());
        let mut before = '\0';
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let word = match is_part(before) {
                false => leading(rest, is_part),
                true => "",
            };
            let inner = match is_inner(before) {
                false => leading(rest, is_inner),
                true => "",
            };
            let (length, redacted) = if let Some(redacted) = self.word(word) {
                (word.len(), redacted)
            } else if let Some((name, kind)) = self.known_at(inner, rest) {
                (name.len(), self.number(kind, &name))
            } else {
                let length = inner.len().max(first.len_utf8());
                (length, rest[..length].to_owned())
            };
            result += &redacted;
            before = rest[..length].chars().next_back().unwrap_or_default();
            rest = &rest[length..];
        }
        result
    }

    /// The known name with which a text begins, and what it is the name of. `inner` is the text's first word.
    fn known_at(&self, inner: &str, text: &str) -> Option<(String, &'static str)> {
        let is_whole = |name: &str| {
            let after = text.strip_prefix(name)?.chars().next();
            (!after.is_some_and(is_inner)).then_some(())
        };
        let mut candidates = self.known.get(inner)?.iter();
        let found = candidates.find(|(name, _)| is_whole(name).is_some());
        found.cloned()
    }

    /// What stands for an address or a generated name.
    fn word(&mut self, word: &str) -> Option<String> {
        match word.split_once('@') {
            Some((name, domain)) if !name.is_empty() && !domain.is_empty() => {
                let kind = if domain.ends_with(".gserviceaccount.com") {
                    "account"
                } else {
                    "person"
                };
                Some(format!("{}@redacted", self.number(kind, word)))
            }
            _ => generated(word).map(|(prefix, hash)| format!("{prefix}redacted-{hash}")),
        }
    }

    fn number(&mut self, kind: &str, name: &str) -> String {
        let next = self.numbers.len() + 1;
        let number = self.numbers.entry(name.to_owned()).or_insert(next);
        format!("{kind}-{number}")
    }
}

/// The characters of this kind with which a text begins.
fn leading(text: &str, is: impl Fn(char) -> bool) -> &str {
    let end = text.find(|c| !is(c)).unwrap_or(text.len());
    &text[..end]
}

/// Prefix and hash of a generated name, which has a part of the user's name between them.
fn generated(word: &str) -> Option<(&str, &str)> {
    let (slug, hash) = word.rsplit_once('-')?;
    let is_hash =
        hash.len() == HASH && hash.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'));
    let prefix = if slug.starts_with(MANAGED) {
        MANAGED
    } else {
        ""
    };
    is_hash.then_some((prefix, hash))
}

/// Characters of addresses and names.
fn is_part(c: char) -> bool {
    c.is_alphanumeric() || "@._-+*".contains(c)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::names::names;
    use super::*;

    fn redacted(bundle: &Value) -> Value {
        Redaction::of(names(bundle)).apply(bundle.clone())
    }

    #[test]
    fn no_person_account_or_project_is_left_and_equal_names_stay_equal() {
        let text = "alice@acme.com ran as mf-alice-4k72lwgc2tsmxd (mf-alice-4k72lwgc2tsmxd@acme-identities.iam.gserviceaccount.com) \
                    in \"projects/acme-identities\"; alice@acme.com, müller@acme.com, *@acme.com, users/alice-4k72lwgc2tsmxd";
        assert_eq!(
            redacted(&json!(text)),
            "person-1@redacted ran as mf-redacted-4k72lwgc2tsmxd (account-2@redacted) in \"projects/project-3\"; person-1@redacted, \
             person-4@redacted, person-5@redacted, users/redacted-4k72lwgc2tsmxd"
        );
    }

    #[test]
    fn names_without_an_at_sign_are_known_from_identities_rules_and_log() {
        let rules = "kind: MappingRules\ncluster: projects/acme/locations/x/clusters/ml\n\
            users:\n- {requester: \"oidc:*\", user: \"{1}\"}\n- {requester: erin}\n\
            identities:\n- {name: a, for: {users: [\"team-*\"], groups: [ml team]}, project: acme-identities}\n\
            pins:\n  frank: x@acme.iam.gserviceaccount.com\noffboarded: [grace]\n";
        let log = json!({"message": "decision", "requester": "mallory", "refusal": "mallory may not", "project": "acme-logs"});
        let bundle = json!({
            "doctor": {"checks": [{"detail": "User \"carol\" cannot get resource \"configmaps\""}]},
            "rules": {"data": {"rules.yaml": rules, "pins.yaml": "heidi: y@acme.iam.gserviceaccount.com\n"}},
            "quota": {"data": {"google_service_accounts.acme-identities": "8 of 10", "policy_principals.projects_acme-identities": "1"}},
            "identities": [{"spec": {"user": "oidc:dora", "project": "acme-identities", "values": {"user": "oidc:dora"}}}],
            "logs": {"namesake-webhook-1": [log.to_string(), "INFO decision requester=\"ivan x\" of oidc:dora, not oidc:doraly"]},
        });
        let redacted = redacted(&bundle).to_string();
        for name in [
            "carol",
            "erin",
            "team-",
            "ml team",
            "acme",
            "frank",
            "grace",
            "mallory",
            "heidi",
            "ivan",
            "oidc:dora,",
        ] {
            assert!(!redacted.contains(name), "{name}: {redacted}");
        }
        for kept in [
            "oidc:doraly",
            "8 of 10",
            "\"requester\"",
            "namesake-webhook-1",
            "locations/x",
        ] {
            assert!(bundle.to_string().contains(kept.trim_matches('"')));
            assert!(
                redacted.replace('\\', "").contains(kept),
                "{kept}: {redacted}"
            );
        }
    }

    #[test]
    fn a_name_is_replaced_in_keys_and_in_texts_with_several_lines() {
        let value = json!({"bob@acme.com": ["users:\nbob@acme.com\n", 1, null]});
        let expected = json!({"person-1@redacted": ["users:\nperson-1@redacted\n", 1, null]});
        assert_eq!(redacted(&value), expected);
    }

    #[test]
    fn what_names_nobody_stays_as_it_is() {
        for text in [
            "namesake-system/namesake-broker: 0.1.0 {\"a\": [1.5, \"mf-x\"]}\n@ a@ @b ü",
            "users: [\"*\"], groups: [system:masters]\nuser: a",
            "",
        ] {
            assert_eq!(redacted(&json!(text)), text);
        }
    }
}
