//! Finds the names of people, groups and projects in a bundle that do not look like names: those without `@`. Pure.

use std::collections::BTreeMap;

use namesake_api::names::RULES_KEY_SUFFIX;
use serde_json::Value;

/// Names, each with what it is the name of.
pub(super) type Names = BTreeMap<String, &'static str>;

const PERSON: &str = "person";
const GROUP: &str = "group";
const PROJECT: &str = "project";

/// Keys of the rules, of Identities and of lines of the log under which names are.
const KEYS: [(&str, &str); 13] = [
    ("user", PERSON),
    ("users", PERSON),
    ("requester", PERSON),
    ("username", PERSON),
    ("mayClaim", PERSON),
    ("offboarded", PERSON),
    ("returned", PERSON),
    ("updaters", PERSON),
    ("as", PERSON),
    ("group", GROUP),
    ("groups", GROUP),
    ("project", PROJECT),
    ("projects", PROJECT),
];
/// The key of the rules whose keys are users.
const PINS: &str = "pins";
/// What is around names in texts: the text before, the text after if there has to be one, and what is named.
const AROUND: [(&str, &str, &str); 5] = [
    ("projects/", "", PROJECT),
    ("User \"", "\" cannot", PERSON),
    ("requester=\"", "\"", PERSON),
    ("user=\"", "\"", PERSON),
    ("project=\"", "\"", PROJECT),
];
/// What follows a project in the name of a pool or an account.
const AFTER_PROJECT: [&str; 2] = [".svc.id.goog", ".iam.gserviceaccount.com"];
/// Beginning of the names that Kubernetes gives to its own users, groups and service accounts.
const BUILT_IN: &str = "system:";
/// Shorter ones are left as they are: they would be replaced in the middle of everything.
const MIN_BYTES: usize = 2;

/// All names in a bundle.
pub(super) fn names(bundle: &Value) -> Names {
    let mut names = Names::new();
    collect(bundle, &mut names);
    names
}

/// Whether a character can be within a name that is one word.
pub(super) fn is_inner(c: char) -> bool {
    c.is_alphanumeric() || c == '-'
}

fn collect(value: &Value, names: &mut Names) {
    match value {
        Value::Object(map) => {
            for (key, inside) in map {
                if let Some((_, kind)) = KEYS.iter().find(|(name, _)| name == key) {
                    add_all(inside, kind, names);
                }
                if key == PINS {
                    add_keys(inside, names);
                }
                if key.ends_with(RULES_KEY_SUFFIX) {
                    collect_in_rules(inside, names);
                }
                collect_in_text(key, names);
                collect(inside, names);
            }
        }
        Value::Array(all) => all.iter().for_each(|inside| collect(inside, names)),
        Value::String(text) => {
            collect_in_text(text, names);
            // A line of a log.
            if text.starts_with('{')
                && let Ok(line) = serde_json::from_str(text)
            {
                collect(&line, names);
            }
        }
        _ => {}
    }
}

/// The names in a file of rules, or of pins only.
fn collect_in_rules(file: &Value, names: &mut Names) {
    let text = file.as_str().unwrap_or_default();
    let Ok(document) = serde_saphyr::from_str::<Value>(text) else {
        return;
    };
    collect(&document, names);
    if document.get("kind").is_none() {
        add_keys(&document, names);
    }
}

fn add_all(value: &Value, kind: &'static str, names: &mut Names) {
    match value {
        Value::String(name) => add(name, kind, names),
        Value::Array(all) => {
            let texts = all.iter().filter_map(Value::as_str);
            texts.for_each(|name| add(name, kind, names));
        }
        _ => {}
    }
}

fn add_keys(value: &Value, names: &mut Names) {
    let keys = value.as_object().into_iter().flat_map(|map| map.keys());
    keys.for_each(|name| add(name, PERSON, names));
}

fn add(name: &str, kind: &'static str, names: &mut Names) {
    let is_address = name
        .split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    let name = name.trim_start_matches(|c| !is_inner(c)).trim_end();
    let is_name = name.len() >= MIN_BYTES && !name.starts_with(BUILT_IN) && !name.contains('{');
    if is_name && !is_address {
        names.entry(name.to_owned()).or_insert(kind);
    }
}

fn collect_in_text(text: &str, names: &mut Names) {
    for (before, after, kind) in AROUND {
        for (at, _) in text.match_indices(before) {
            let rest = &text[at + before.len()..];
            let name = match after {
                "" => rest.split(|c| !is_inner(c)).next(),
                after => rest.split_once(after).map(|(name, _)| name),
            };
            if let Some(name) = name.filter(|name| !name.contains(['"', '\n'])) {
                add(name, kind, names);
            }
        }
    }
    for after in AFTER_PROJECT {
        for (at, _) in text.match_indices(after) {
            let name = text[..at].rsplit(|c| !is_inner(c)).next();
            add(name.unwrap_or_default(), PROJECT, names);
        }
    }
}
