//! Cleans the environment of a parent's pods: the variables that name a user, and credentials. Pure.
//!
//! Every list `env` anywhere in the spec is read: in containers, init containers and sidecars, and in each template of Argo's
//! objects. Warnings name variables and headers, never a header's value.

use namesake_core::{Hygiene, Json, User};
use serde_json::{Map, Value};

use crate::review::patch::{Patch, member};
use crate::review::verdict::Verdict;

/// Longest warning, in bytes: the API server truncates longer ones.
const MAX_WARNING_BYTES: usize = 120;
/// The variable in which Metaflow names the user of a task.
pub(super) const USER: &str = "METAFLOW_USER";
/// The variable in which Metaflow names the deployer of a flow on Argo.
const OWNER: &str = "METAFLOW_OWNER";
/// Headers for the metadata service, as a JSON object.
const HEADERS: &str = "METAFLOW_SERVICE_HEADERS";
/// The value of [`USER`] in every flow on Argo: not the name of a person.
const ARGO_USER: &str = "argo-workflows";
/// Headers that contain credentials, in lower case.
const CREDENTIALS: [&str; 4] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-goog-iap-jwt-assertion",
];

/// The replaced parts of the environment, and the warnings for the person.
#[derive(Debug, Default, PartialEq)]
pub struct Cleaned {
    /// The new values, by the JSON pointers of the old ones.
    pub values: Vec<(String, String)>,
    /// Shown to the person.
    pub warnings: Vec<String>,
}

impl Cleaned {
    /// The verdict about the cleaned object, as one about the object as it came: the new values are part of the patch. A refused
    /// object stays as it came.
    #[must_use]
    pub fn add_to(self, mut verdict: Verdict) -> Verdict {
        if let Ok(patch) = &mut verdict.result {
            let mut all = Patch::default();
            for (path, value) in self.values {
                all.set(path, value);
            }
            all.append(std::mem::take(patch));
            *patch = all;
            verdict.warnings.extend(self.warnings);
        }
        verdict
    }

    fn warn(&mut self, mut text: String) {
        text.truncate(text.floor_char_boundary(MAX_WARNING_BYTES));
        if !self.warnings.contains(&text) {
            self.warnings.push(text);
        }
    }
}

/// Cleans the spec of a new or changed parent of `user`. What was there before the change stays as it is: most of it cannot be
/// changed any more.
#[must_use]
pub fn clean(hygiene: Hygiene, user: &User, old: &Json<'_>, new: &mut Json<'_>) -> Cleaned {
    let mut cleaned = Cleaned::default();
    for_each_variable(new, None, &mut |path, variable| {
        if relevant(path.find_in(old)) == Some(variable) {
            return;
        }
        let (name, value) = variable;
        let pointer = || format!("{}/value", path.pointer());
        match name {
            HEADERS => clean_headers(hygiene, &pointer, value, &mut cleaned),
            _ => clean_user(hygiene, user, (&pointer, name, value), &mut cleaned),
        }
    });
    for (pointer, value) in &cleaned.values {
        let pointer = pointer.strip_prefix("/spec").unwrap_or(pointer);
        if let Some(node) = new.pointer_mut(pointer) {
            *node = value.clone().into();
        }
    }
    cleaned
}

/// The path to a value; it is only written out for what is found.
struct Path<'w> {
    parent: Option<&'w Path<'w>>,
    step: Step<'w>,
}

#[derive(Clone, Copy)]
enum Step<'w> {
    Member(&'w str),
    Item(usize),
}

impl Path<'_> {
    fn pointer(&self) -> String {
        let parent = self.parent.map_or("/spec".to_owned(), Path::pointer);
        match self.step {
            Step::Member(name) => member(&parent, name),
            Step::Item(at) => format!("{parent}/{at}"),
        }
    }

    // The value at this path in another spec.
    fn find_in<'n, 'a>(&self, spec: &'n Json<'a>) -> &'n Json<'a> {
        let parent = self.parent.map_or(spec, |parent| parent.find_in(spec));
        match self.step {
            Step::Member(name) => parent.get(name),
            Step::Item(at) => parent.items().get(at).unwrap_or(&Json::Null),
        }
    }
}

// Name and value of a variable that may have to be replaced.
fn relevant<'v>(item: &'v Json<'_>) -> Option<(&'v str, &'v str)> {
    let name = item.get("name").non_empty_str()?;
    match item.get("value") {
        Json::String(value) if matches!(name, USER | OWNER | HEADERS) => Some((name, value)),
        _ => None,
    }
}

fn for_each_variable<'v>(
    value: &'v Json<'_>,
    parent: Option<&Path<'_>>,
    found: &mut impl FnMut(&Path<'_>, (&'v str, &'v str)),
) {
    let is_env = matches!(
        parent,
        Some(Path {
            step: Step::Member("env"),
            ..
        })
    );
    for (at, item) in value.items().iter().enumerate() {
        let step = Step::Item(at);
        let path = Path { parent, step };
        if is_env && let Some(variable) = relevant(item) {
            found(&path, variable);
        }
        for_each_variable(item, Some(&path), found);
    }
    for (name, member) in value.members() {
        let step = Step::Member(name);
        for_each_variable(member, Some(&Path { parent, step }), found);
    }
}

fn clean_user(
    hygiene: Hygiene,
    user: &User,
    (pointer, name, value): (&dyn Fn() -> String, &str, &str),
    cleaned: &mut Cleaned,
) {
    if value == user.as_str() || (name == USER && value == ARGO_USER) {
        return;
    }
    // Metaflow uses the name of the account on the person's machine: alice, for alice@acme.com.
    let local = user.as_str().split('@').next().unwrap_or_default();
    let is_same = value.eq_ignore_ascii_case(local) || value.eq_ignore_ascii_case(user.as_str());
    let shown: String = value.chars().filter(|c| !c.is_control()).take(40).collect();
    match (hygiene.set_user, is_same) {
        (true, false) => cleaned.warn(format!(
            "namesake: {name} said {shown}, and is set to {user}"
        )),
        (false, false) => cleaned.warn(format!("namesake: {name} says {shown}, you are {user}")),
        (_, true) => {}
    }
    if hygiene.set_user {
        cleaned.values.push((pointer(), user.to_string()));
    }
}

fn clean_headers(
    hygiene: Hygiene,
    pointer: &dyn Fn() -> String,
    value: &str,
    cleaned: &mut Cleaned,
) {
    let Ok(mut headers) = serde_json::from_str::<Map<String, Value>>(value) else {
        cleaned.warn(format!(
            "namesake: {HEADERS} is not a JSON object, so it is not searched for credentials"
        ));
        return;
    };
    let is_credential = |name: &str, value: &Value| {
        let scheme = value
            .as_str()
            .and_then(|text| text.trim_start().split(' ').next());
        CREDENTIALS.contains(&name.to_ascii_lowercase().as_str())
            || scheme.is_some_and(|s| {
                s.eq_ignore_ascii_case("bearer") || s.eq_ignore_ascii_case("basic")
            })
    };
    let before = headers.len();
    headers.retain(|name, value| !is_credential(name, value));
    if headers.len() == before {
        return;
    }
    if hygiene.strip_tokens {
        cleaned.warn(format!(
            "namesake: a credential was removed from {HEADERS}: tasks do not get it"
        ));
        let value = Value::Object(headers).to_string();
        cleaned.values.push((pointer(), value));
    } else {
        cleaned.warn(format!(
            "namesake: {HEADERS} has a credential, which everybody who can read pods can read"
        ));
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    const ON: Hygiene = Hygiene {
        set_user: true,
        strip_tokens: true,
    };
    const OFF: Hygiene = Hygiene {
        set_user: false,
        strip_tokens: false,
    };

    fn clean_spec(hygiene: Hygiene, user: &User, old: &Value, new: &Value) -> Cleaned {
        let mut new = Json::deserialize(new).unwrap();
        clean(hygiene, user, &Json::deserialize(old).unwrap(), &mut new)
    }

    fn bob() -> User {
        User::canonical("bob@acme.com").unwrap()
    }

    fn spec_with(env: &Value) -> Value {
        let container = json!({"name": "c", "env": env});
        json!({"template": {"spec": {"containers": [container], "initContainers": [container]}},
            "templates": [{"script": container}, {"containerSet": {"containers": [container]}}]})
    }

    fn variable(name: &str, value: &str) -> Value {
        json!([{"name": "A", "value": "b"}, {"name": name, "value": value}])
    }

    #[test]
    fn the_user_is_set_in_every_container_and_a_second_pass_changes_nothing() {
        for name in [USER, OWNER] {
            let mut spec = spec_with(&variable(name, "mallory"));
            let cleaned = clean_spec(ON, &bob(), &Value::Null, &spec);
            let paths: Vec<_> = cleaned
                .values
                .iter()
                .map(|(path, _)| path.as_str())
                .collect();
            let wanted = [
                "/spec/template/spec/containers/0/env/1/value",
                "/spec/template/spec/initContainers/0/env/1/value",
                "/spec/templates/0/script/env/1/value",
                "/spec/templates/1/containerSet/containers/0/env/1/value",
            ];
            assert_eq!(paths, wanted);
            assert_eq!(
                cleaned.warnings,
                [format!(
                    "namesake: {name} said mallory, and is set to bob@acme.com"
                )]
            );
            for (path, value) in cleaned.values {
                let path = path.strip_prefix("/spec").unwrap();
                *spec.pointer_mut(path).unwrap() = json!(value);
            }
            assert_eq!(
                clean_spec(ON, &bob(), &Value::Null, &spec),
                Cleaned::default()
            );
        }
    }

    #[test]
    fn the_name_of_another_user_causes_a_warning_while_hygiene_is_off() {
        let cleaned = clean_spec(
            OFF,
            &bob(),
            &Value::Null,
            &spec_with(&variable(USER, "mallory")),
        );
        assert_eq!(
            cleaned.warnings,
            ["namesake: METAFLOW_USER says mallory, you are bob@acme.com"]
        );
        assert!(cleaned.values.is_empty());
        for allowed in ["bob", "Bob", "bob@acme.com", ARGO_USER] {
            let cleaned = clean_spec(
                OFF,
                &bob(),
                &Value::Null,
                &spec_with(&variable(USER, allowed)),
            );
            assert_eq!(cleaned, Cleaned::default(), "{allowed}");
        }
    }

    #[test]
    fn credentials_and_nothing_else_are_removed_from_the_headers_and_no_warning_shows_one() {
        let value =
            r#"{"Authorization":"Bearer s3cret","x-api-key":"k","X-Own":"bearer s3cret","a":"b"}"#;
        let cleaned = clean_spec(
            ON,
            &bob(),
            &Value::Null,
            &spec_with(&variable(HEADERS, value)),
        );
        assert_eq!(cleaned.values.len(), 4);
        assert!(
            cleaned
                .values
                .iter()
                .all(|(_, v)| v == r#"{"a":"b","x-api-key":"k"}"#)
        );
        let off = clean_spec(
            OFF,
            &bob(),
            &Value::Null,
            &spec_with(&variable(HEADERS, value)),
        );
        assert!(off.values.is_empty() && off.warnings.len() == 1);
        for warning in cleaned.warnings.iter().chain(&off.warnings) {
            assert!(
                !warning.contains("s3cret") && warning.len() <= 120,
                "{warning}"
            );
        }
        assert_eq!(
            clean_spec(
                ON,
                &bob(),
                &Value::Null,
                &spec_with(&variable(HEADERS, "{}"))
            ),
            Cleaned::default()
        );
        let odd = clean_spec(
            ON,
            &bob(),
            &Value::Null,
            &spec_with(&variable(HEADERS, "Bearer s3cret")),
        );
        assert!(odd.values.is_empty() && !format!("{odd:?}").contains("s3cret"));
    }

    #[test]
    fn earlier_values_are_kept() {
        let old = spec_with(&variable(USER, "mallory"));
        assert_eq!(clean_spec(ON, &bob(), &old, &old), Cleaned::default());
        for new in [variable(USER, "eve"), variable(OWNER, "mallory")] {
            assert_eq!(
                clean_spec(ON, &bob(), &old, &spec_with(&new)).values.len(),
                4
            );
        }
    }

    #[test]
    fn a_spec_of_any_shape_is_read_without_a_panic() {
        for spec in [
            json!(null),
            json!([1, {"env": 3}]),
            json!({"env": [{"name": USER}, {"name": 3, "value": {}}, null]}),
        ] {
            assert_eq!(
                clean_spec(ON, &bob(), &Value::Null, &spec),
                Cleaned::default()
            );
        }
    }
}
