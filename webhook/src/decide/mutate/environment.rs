//! What the environment of a parent's pods says about who they are for, and the tokens that it carries. Pure.
//!
//! Every list `env` anywhere in the spec is looked at: in containers, init containers and sidecars, and in each template of
//! Argo's objects. Warnings name variables and headers, never a header's value.

use namesake_core::{Hygiene, Json, User};
use serde_json::{Map, Value};

use crate::review::patch::{Patch, member};

/// Longest warning, in bytes: the API server cuts longer ones.
const MAX_WARNING_BYTES: usize = 120;
/// Who Metaflow says runs a task.
const USER: &str = "METAFLOW_USER";
/// Who Metaflow says deployed a flow to Argo.
const OWNER: &str = "METAFLOW_OWNER";
/// Headers for the metadata service, as a JSON object.
const HEADERS: &str = "METAFLOW_SERVICE_HEADERS";
/// What Metaflow writes as [`USER`] of every flow on Argo: nobody's name.
const ARGO_USER: &str = "argo-workflows";
/// Headers that carry somebody's credentials, in lower case.
const CREDENTIALS: [&str; 4] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-goog-iap-jwt-assertion",
];

/// What is put right, and what the person is told.
#[derive(Debug, Default, PartialEq)]
pub struct Tidied {
    /// The new values, by the JSON pointers of the old ones.
    pub values: Vec<(String, String)>,
    /// Shown to the person.
    pub warnings: Vec<String>,
}

impl Tidied {
    /// The new values as a patch.
    #[must_use]
    pub fn patch(&self) -> Patch {
        let mut patch = Patch::default();
        for (path, value) in &self.values {
            patch.set(path.clone(), value.as_str());
        }
        patch
    }

    fn warn(&mut self, text: &str) {
        let mut end = text.len().min(MAX_WARNING_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = text.get(..end).unwrap_or_default().to_owned();
        if !self.warnings.contains(&text) {
            self.warnings.push(text);
        }
    }
}

/// Looks at the spec of a new or changed parent of `user`. What was there before the change stays as it is: most of it
/// cannot be changed any more.
#[must_use]
pub fn tidy(hygiene: Hygiene, user: &User, old: &Json<'_>, new: &Json<'_>) -> Tidied {
    let mut tidied = Tidied::default();
    variables(new, None, &mut |way, variable| {
        if matters(way.seen_from(old)) == Some(variable) {
            return;
        }
        let (name, value) = variable;
        let path = || format!("{}/value", way.pointer());
        match name {
            HEADERS => headers(hygiene, &path, value, &mut tidied),
            _ => named(hygiene, user, (&path, name, value), &mut tidied),
        }
    });
    tidied
}

/// The way to a value; only what is found needs it written out.
struct Way<'w> {
    before: Option<&'w Way<'w>>,
    step: Step<'w>,
}

#[derive(Clone, Copy)]
enum Step<'w> {
    Member(&'w str),
    Item(usize),
}

impl Way<'_> {
    fn pointer(&self) -> String {
        let before = self.before.map_or("/spec".to_owned(), Way::pointer);
        match self.step {
            Step::Member(name) => member(&before, name),
            Step::Item(at) => format!("{before}/{at}"),
        }
    }

    // What stands at its end in another spec.
    fn seen_from<'n, 'a>(&self, spec: &'n Json<'a>) -> &'n Json<'a> {
        let before = self.before.map_or(spec, |before| before.seen_from(spec));
        match self.step {
            Step::Member(name) => before.get(name),
            Step::Item(at) => before.items().get(at).unwrap_or(&Json::Null),
        }
    }
}

// Name and value of a variable that matters.
fn matters<'v>(item: &'v Json<'_>) -> Option<(&'v str, &'v str)> {
    let name = item.get("name").non_empty_str()?;
    match item.get("value") {
        Json::String(value) if matches!(name, USER | OWNER | HEADERS) => Some((name, value)),
        _ => None,
    }
}

// Hands over every variable that matters.
fn variables<'v>(
    value: &'v Json<'_>,
    before: Option<&Way<'_>>,
    found: &mut impl FnMut(&Way<'_>, (&'v str, &'v str)),
) {
    let is_list = matches!(
        before,
        Some(Way {
            step: Step::Member("env"),
            ..
        })
    );
    for (at, item) in value.items().iter().enumerate() {
        let way = Way {
            before,
            step: Step::Item(at),
        };
        if is_list && let Some(variable) = matters(item) {
            found(&way, variable);
        }
        variables(item, Some(&way), found);
    }
    for (name, inside) in value.members() {
        let way = Way {
            before,
            step: Step::Member(name),
        };
        variables(inside, Some(&way), found);
    }
}

fn named(
    hygiene: Hygiene,
    user: &User,
    (path, name, value): (&dyn Fn() -> String, &str, &str),
    tidied: &mut Tidied,
) {
    if value == user.as_str() || (name == USER && value == ARGO_USER) {
        return;
    }
    // Metaflow takes the name from the laptop: alice, for alice@acme.com.
    let local = user.as_str().split('@').next().unwrap_or_default();
    let told = value.eq_ignore_ascii_case(local) || value.eq_ignore_ascii_case(user.as_str());
    let shown: String = value.chars().filter(|c| !c.is_control()).take(40).collect();
    match (hygiene.set_user, told) {
        (true, false) => tidied.warn(&format!(
            "namesake: {name} said {shown}, and is set to {user}"
        )),
        (false, false) => tidied.warn(&format!("namesake: {name} says {shown}, you are {user}")),
        (_, true) => {}
    }
    if hygiene.set_user {
        tidied.values.push((path(), user.to_string()));
    }
}

fn headers(hygiene: Hygiene, path: &dyn Fn() -> String, value: &str, tidied: &mut Tidied) {
    let Ok(mut all) = serde_json::from_str::<Map<String, Value>>(value) else {
        tidied.warn(&format!(
            "namesake: {HEADERS} is no JSON object: nobody looks for tokens in it"
        ));
        return;
    };
    let carries = |name: &str, value: &Value| {
        let scheme = value
            .as_str()
            .and_then(|text| text.trim_start().split(' ').next());
        CREDENTIALS.contains(&name.to_ascii_lowercase().as_str())
            || scheme.is_some_and(|s| {
                s.eq_ignore_ascii_case("bearer") || s.eq_ignore_ascii_case("basic")
            })
    };
    let before = all.len();
    all.retain(|name, value| !carries(name, value));
    if all.len() == before {
        return;
    }
    if hygiene.strip_tokens {
        tidied.warn(&format!(
            "namesake: a credential was taken out of {HEADERS}: tasks do not have it"
        ));
        tidied.values.push((path(), Value::Object(all).to_string()));
    } else {
        tidied.warn(&format!(
            "namesake: {HEADERS} carries a credential, which whoever may read pods can read"
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

    fn look(hygiene: Hygiene, user: &User, old: &Value, new: &Value) -> Tidied {
        let node = |value| Json::deserialize(value).unwrap();
        tidy(hygiene, user, &node(old), &node(new))
    }

    fn bob() -> User {
        User::canonical("bob@acme.com").unwrap()
    }

    fn looked(env: &Value) -> Value {
        let container = json!({"name": "c", "env": env});
        json!({"template": {"spec": {"containers": [container], "initContainers": [container]}},
            "templates": [{"script": container}, {"containerSet": {"containers": [container]}}]})
    }

    fn variable(name: &str, value: &str) -> Value {
        json!([{"name": "A", "value": "b"}, {"name": name, "value": value}])
    }

    #[test]
    fn the_user_is_set_wherever_containers_are_and_a_second_look_finds_nothing() {
        for name in [USER, OWNER] {
            let mut spec = looked(&variable(name, "mallory"));
            let tidied = look(ON, &bob(), &Value::Null, &spec);
            let paths: Vec<_> = tidied
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
                tidied.warnings,
                [format!(
                    "namesake: {name} said mallory, and is set to bob@acme.com"
                )]
            );
            for (path, value) in tidied.values {
                let path = path.strip_prefix("/spec").unwrap();
                *spec.pointer_mut(path).unwrap() = json!(value);
            }
            assert_eq!(look(ON, &bob(), &Value::Null, &spec), Tidied::default());
        }
    }

    #[test]
    fn a_name_that_is_somebody_elses_is_told_and_left_while_hygiene_is_off() {
        let tidied = look(
            OFF,
            &bob(),
            &Value::Null,
            &looked(&variable(USER, "mallory")),
        );
        assert_eq!(
            tidied.warnings,
            ["namesake: METAFLOW_USER says mallory, you are bob@acme.com"]
        );
        assert!(tidied.values.is_empty());
        for fine in ["bob", "Bob", "bob@acme.com", ARGO_USER] {
            let tidied = look(OFF, &bob(), &Value::Null, &looked(&variable(USER, fine)));
            assert_eq!(tidied, Tidied::default(), "{fine}");
        }
    }

    #[test]
    fn credentials_leave_the_headers_and_nothing_else_does_and_no_warning_shows_one() {
        let value =
            r#"{"Authorization":"Bearer s3cret","x-api-key":"k","X-Own":"bearer s3cret","a":"b"}"#;
        let tidied = look(ON, &bob(), &Value::Null, &looked(&variable(HEADERS, value)));
        assert_eq!(tidied.values.len(), 4);
        assert!(
            tidied
                .values
                .iter()
                .all(|(_, v)| v == r#"{"a":"b","x-api-key":"k"}"#)
        );
        let off = look(
            OFF,
            &bob(),
            &Value::Null,
            &looked(&variable(HEADERS, value)),
        );
        assert!(off.values.is_empty() && off.warnings.len() == 1);
        for warning in tidied.warnings.iter().chain(&off.warnings) {
            assert!(
                !warning.contains("s3cret") && warning.len() <= 120,
                "{warning}"
            );
        }
        assert_eq!(
            look(ON, &bob(), &Value::Null, &looked(&variable(HEADERS, "{}"))),
            Tidied::default()
        );
        let odd = look(
            ON,
            &bob(),
            &Value::Null,
            &looked(&variable(HEADERS, "Bearer s3cret")),
        );
        assert!(odd.values.is_empty() && !format!("{odd:?}").contains("s3cret"));
    }

    #[test]
    fn what_was_there_before_a_change_stays() {
        let old = looked(&variable(USER, "mallory"));
        assert_eq!(look(ON, &bob(), &old, &old), Tidied::default());
        for new in [variable(USER, "eve"), variable(OWNER, "mallory")] {
            assert_eq!(look(ON, &bob(), &old, &looked(&new)).values.len(), 4);
        }
    }

    #[test]
    fn specs_of_any_shape_are_looked_at_without_a_panic() {
        for spec in [
            json!(null),
            json!([1, {"env": 3}]),
            json!({"env": [{"name": USER}, {"name": 3, "value": {}}, null]}),
        ] {
            assert_eq!(look(ON, &bob(), &Value::Null, &spec), Tidied::default());
        }
    }
}
