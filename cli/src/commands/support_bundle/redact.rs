//! Replaces names of people, groups, accounts and projects, the same name always by the same number. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

/// The prefix of generated names, which contain a part of the user's name.
const MANAGED: &str = "mf-";
/// Length of the hash at the end of a generated name.
const HASH: usize = 14;

/// What each name was replaced by.
#[derive(Debug, Default)]
pub(super) struct Redaction {
    names: BTreeMap<String, usize>,
}

impl Redaction {
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

    /// The text without names: e-mail addresses, generated names, and projects of resource names.
    fn text(&mut self, text: &str) -> String {
        let mut result = String::with_capacity(text.len());
        let mut word = String::new();
        let mut after_projects = false;
        // The character after the end ends the last word.
        for c in text.chars().chain(['\0']) {
            if is_part(c) {
                word.push(c);
                continue;
            }
            let redacted = match after_projects && !word.is_empty() {
                true => self.number("project", &word),
                false => self.word(&word),
            };
            after_projects = c == '/' && word == "projects";
            result += &redacted;
            word.clear();
            result.push(c);
        }
        result.pop();
        result
    }

    fn word(&mut self, word: &str) -> String {
        match word.split_once('@') {
            Some((name, domain)) if !name.is_empty() && !domain.is_empty() => {
                let kind = if domain.ends_with(".gserviceaccount.com") {
                    "account"
                } else {
                    "person"
                };
                format!("{}@redacted", self.number(kind, word))
            }
            _ => match generated(word) {
                Some((prefix, hash)) => format!("{prefix}redacted-{hash}"),
                None => word.to_owned(),
            },
        }
    }

    fn number(&mut self, kind: &str, name: &str) -> String {
        let next = self.names.len() + 1;
        let number = self.names.entry(name.to_owned()).or_insert(next);
        format!("{kind}-{number}")
    }
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

    use super::*;

    #[test]
    fn no_person_account_or_project_is_left_and_equal_names_stay_equal() {
        let text = "alice@acme.com ran as mf-alice-4k72lwgc2tsmxd (mf-alice-4k72lwgc2tsmxd@acme-identities.iam.gserviceaccount.com) \
                    in \"projects/acme-identities\"; alice@acme.com, müller@acme.com, *@acme.com, users/alice-4k72lwgc2tsmxd";
        assert_eq!(
            Redaction::default().text(text),
            "person-1@redacted ran as mf-redacted-4k72lwgc2tsmxd (account-2@redacted) in \"projects/project-3\"; person-1@redacted, \
             person-4@redacted, person-5@redacted, users/redacted-4k72lwgc2tsmxd"
        );
    }

    #[test]
    fn a_name_is_replaced_in_keys_and_in_texts_with_several_lines() {
        let value = json!({"bob@acme.com": ["users:\nbob@acme.com\n", 1, null]});
        let redacted = json!({"person-1@redacted": ["users:\nperson-1@redacted\n", 1, null]});
        assert_eq!(Redaction::default().apply(value), redacted);
    }

    #[test]
    fn what_names_nobody_stays_as_it_is() {
        let text = "namesake-system/namesake-broker: 0.1.0 {\"a\": [1.5, \"mf-x\"]}\n@ a@ @b ü";
        assert_eq!(Redaction::default().text(text), text);
        assert_eq!(Redaction::default().text(""), "");
    }
}
