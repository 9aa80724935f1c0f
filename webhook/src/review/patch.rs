//! A JSON patch of exactly what changes.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::review::Metadata;
use crate::review::text::Pairs;

/// One operation, as RFC 6902 writes it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Operation {
    /// Sets a member, or inserts into an array.
    Add {
        /// JSON pointer.
        path: String,
        /// The new value.
        value: Value,
    },
    /// Removes a member.
    Remove {
        /// JSON pointer.
        path: String,
    },
}

/// A JSON patch; empty when nothing changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Patch(Vec<Operation>);

impl Patch {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets a member, whether it exists or not (RFC 6902: `add` replaces an existing one).
    pub fn set(&mut self, path: impl Into<String>, value: impl Into<Value>) {
        self.0.push(Operation::Add {
            path: path.into(),
            value: value.into(),
        });
    }

    /// Removes an existing member.
    pub fn remove(&mut self, path: impl Into<String>) {
        self.0.push(Operation::Remove { path: path.into() });
    }

    /// Adds the operations of another patch after those of this one.
    pub fn append(&mut self, other: Patch) {
        self.0.extend(other.0);
    }

    /// Sets annotations of an object, and removes those with `None`.
    pub fn set_annotations(&mut self, metadata: &Metadata<'_>, want: &[(&str, Option<&str>)]) {
        let now = metadata.annotations.as_ref();
        self.set_keys("/metadata/annotations", now, want);
    }

    /// Sets keys of a map of strings at `path` (`None` removes a key), and creates the map if it is missing. `now` is the map as it
    /// is.
    pub fn set_keys(&mut self, path: &str, now: Option<&Pairs<'_>>, want: &[(&str, Option<&str>)]) {
        let Some(now) = now else {
            let all = want.iter().filter_map(|(k, v)| Some((*k, (*v)?)));
            let all: BTreeMap<_, _> = all.collect();
            if !all.is_empty() {
                let all = all.into_iter().map(|(k, v)| (k.to_owned(), v.into()));
                self.set(path, Value::Object(all.collect()));
            }
            return;
        };
        for (key, value) in want {
            match (now.get(key), value) {
                (Some(old), Some(new)) if old == *new => {}
                (_, Some(new)) => self.set(member(path, key), *new),
                (Some(_), None) => self.remove(member(path, key)),
                (None, None) => {}
            }
        }
    }
}

/// JSON pointer of a member of the object at `path`.
#[must_use]
pub fn member(path: &str, key: &str) -> String {
    // Two bytes more: a key has one slash at most, and labels and annotations have no tilde.
    let mut pointer = String::with_capacity(path.len() + key.len() + 2);
    pointer.push_str(path);
    pointer.push('/');
    for character in key.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(map: Option<&str>, want: &[(&str, Option<&str>)]) -> String {
        let map: Option<Pairs<'_>> = map.map(|m| serde_json::from_str(m).unwrap());
        let mut patch = Patch::default();
        patch.set_keys("/metadata/labels", map.as_ref(), want);
        serde_json::to_string(&patch).unwrap()
    }

    #[test]
    fn only_what_differs_is_patched() {
        let want = [
            ("a/b", Some("1")),
            ("c", Some("2")),
            ("d", None),
            ("e", None),
        ];
        assert_eq!(
            keys(Some(r#"{"c":"2","d":"x"}"#), &want),
            r#"[{"op":"add","path":"/metadata/labels/a~1b","value":"1"},{"op":"remove","path":"/metadata/labels/d"}]"#
        );
    }

    #[test]
    fn a_missing_map_is_created_unless_it_would_be_empty() {
        assert_eq!(
            keys(None, &[("a", Some("1")), ("b", None)]),
            r#"[{"op":"add","path":"/metadata/labels","value":{"a":"1"}}]"#
        );
        assert_eq!(keys(None, &[("b", None)]), "[]");
    }

    #[test]
    fn pointers_are_escaped() {
        assert_eq!(member("/m", "a~b/c"), "/m/a~0b~1c");
    }
}
