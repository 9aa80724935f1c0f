//! JSON as a tree. Its strings borrow from the text from which it was read.

mod from_text;
mod into_type;
mod log;
mod text;

use serde_json::Number;

pub use log::read_log;
pub use text::Text;

/// A JSON value.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Json<'a> {
    /// `null`, or absent.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(Text<'a>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object: its members sorted by name, each name once.
    Object(Vec<(Text<'a>, Json<'a>)>),
}

impl From<String> for Json<'_> {
    fn from(text: String) -> Self {
        Json::String(Text::from(text))
    }
}

static NULL: Json<'static> = Json::Null;

impl<'a> Json<'a> {
    /// A member of an object; [`Json::Null`] if it does not exist.
    #[must_use]
    pub fn get(&self, name: &str) -> &Json<'a> {
        let members = self.members();
        let found = members.binary_search_by(|(n, _)| n.as_str().cmp(name));
        let found = found.ok().and_then(|at| members.get(at));
        found.map_or(&NULL, |(_, node)| node)
    }

    /// The value at a path of members; [`Json::Null`] if it does not exist.
    #[must_use]
    pub fn at<'n>(&'n self, path: &[&str]) -> &'n Json<'a> {
        path.iter().fold(self, |here, name| here.get(name))
    }

    /// The value at a JSON pointer, to change it.
    pub fn pointer_mut(&mut self, pointer: &str) -> Option<&mut Json<'a>> {
        let mut here = self;
        for step in pointer.split('/').skip(1) {
            let name = step.replace("~1", "/").replace("~0", "~");
            here = match here {
                Json::Array(items) => items.get_mut(name.parse::<usize>().ok()?)?,
                Json::Object(members) => {
                    let at = members.binary_search_by(|(n, _)| n.as_str().cmp(&name));
                    &mut members.get_mut(at.ok()?)?.1
                }
                _ => return None,
            };
        }
        Some(here)
    }

    /// The members of an object; empty for other values.
    #[must_use]
    pub fn members(&self) -> &[(Text<'a>, Json<'a>)] {
        match self {
            Json::Object(members) => members,
            _ => &[],
        }
    }

    /// The items of an array; empty for other values.
    #[must_use]
    pub fn items(&self) -> &[Json<'a>] {
        match self {
            Json::Array(items) => items,
            _ => &[],
        }
    }

    /// The string, if it is one and not empty.
    #[must_use]
    pub fn non_empty_str(&self) -> Option<&str> {
        match self {
            Json::String(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// The number, if it is an integer.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Json::Number(number) => number.as_i64(),
            _ => None,
        }
    }

    /// Whether it is absent, null, an empty string or array, or an object whose members all are.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Json::Null => true,
            Json::Bool(_) | Json::Number(_) => false,
            Json::String(text) => text.is_empty(),
            Json::Array(items) => items.is_empty(),
            Json::Object(members) => members.iter().all(|(_, node)| node.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Json<'_> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn members_are_found_in_any_order_and_the_last_of_a_name_counts() {
        let node = read(r#"{"b":1,"a":"x","b":[2,null],"a b":{"c":true}}"#);
        assert_eq!(node.get("a").non_empty_str(), Some("x"));
        assert_eq!(
            node.get("b").items().first().and_then(Json::as_i64),
            Some(2)
        );
        assert_eq!(node.get("a b").get("c"), &Json::Bool(true));
        assert_eq!(node.get("a").get("c"), &Json::Null);
        assert_eq!(node.at(&["a b", "c"]), &Json::Bool(true));
        assert_eq!(node.at(&["a b", "x", "y"]), &Json::Null);
        assert_eq!(node.members().len(), 3);
    }

    #[test]
    fn the_value_at_a_pointer_can_be_changed() {
        let mut node = read(r#"{"a/b":[{"c":"x"},1]}"#);
        *node.pointer_mut("/a~1b/0/c").unwrap() = "y".to_owned().into();
        assert_eq!(node, read(r#"{"a/b":[{"c":"y"},1]}"#));
        assert_eq!(
            node.pointer_mut(""),
            Some(&mut read(r#"{"a/b":[{"c":"y"},1]}"#))
        );
        for nowhere in ["/a", "/a~1b/2", "/a~1b/x", "/a~1b/0/c/d"] {
            assert_eq!(node.pointer_mut(nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn null_and_values_that_contain_nothing_are_empty() {
        for text in ["null", "{}", "[]", r#""""#, r#"{"a":{"b":[]},"c":""}"#] {
            assert!(read(text).is_empty(), "{text}");
        }
        for text in ["false", "0", "[null]", r#"{"a":{"b":"x"}}"#] {
            assert!(!read(text).is_empty(), "{text}");
        }
    }
}
