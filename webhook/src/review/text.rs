//! Deserialization of a review: maps of strings that borrow from the request, and structs that accept JSON objects only.

use std::fmt;

use namesake_core::Text;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// A JSON object of strings (labels, annotations), in the order in which it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs<'a>(Vec<(Text<'a>, Text<'a>)>);

impl Pairs<'_> {
    /// Value of a key; the last one if the key is written twice, as in a decoder that fills a map.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(k, _)| k.as_str() == key);
        found.map(|(_, v)| v.as_str())
    }

    /// All keys, as often as they are written.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(k, _)| k.as_str())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Maps;
        impl<'de> Visitor<'de> for Maps {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object whose values are strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(8));
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Maps)
    }
}

/// Lets structs be read from JSON objects only. By itself serde reads a struct from a list too, member by member: no API server
/// sends one, and a reader that expects an object would see other values. The structs have `#[serde(remote = "Self")]`,
/// so that this is the only way to read them; with the bound `'de: 'a` all of their fields borrow from the request.
macro_rules! objects_only {
    ($($name:ident $(<$part:ident>)?),+ $(,)?) => {$(
        impl<'de: 'a, 'a $(, $part: serde::Deserialize<'de>)?> serde::Deserialize<'de> for $name<'a $(, $part)?> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Members<T>(std::marker::PhantomData<T>);
                impl<'de: 'a, 'a $(, $part: serde::Deserialize<'de>)?> serde::de::Visitor<'de>
                    for Members<$name<'a $(, $part)?>>
                {
                    type Value = $name<'a $(, $part)?>;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                        // The one that serde derives.
                        $name::deserialize(serde::de::value::MapAccessDeserializer::new(map))
                    }
                }
                deserializer.deserialize_map(Members::<Self>(std::marker::PhantomData))
            }
        }
    )+};
}
pub(crate) use objects_only;

/// Reads null as the default.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(remote = "Self")]
    struct WithName<'a> {
        #[serde(borrow, default)]
        name: Option<Text<'a>>,
    }
    objects_only!(WithName);

    #[test]
    fn a_list_is_not_read_as_an_object() {
        let name = serde_json::from_str(r#""a""#).unwrap();
        let read = serde_json::from_str::<WithName<'_>>;
        assert_eq!(read(r#"{"name":"a","x":1}"#).unwrap(), WithName { name });
        for other in [r#"["a"]"#, "[]", "1", r#""a""#, "true", "null"] {
            let error = read(other).unwrap_err().to_string();
            assert!(error.contains("expected an object"), "{other}: {error}");
        }
        let all = serde_json::from_str::<Vec<Option<WithName<'_>>>>;
        assert_eq!(all("[{},null]").unwrap(), [Some(WithName::default()), None]);
        assert!(all(r#"[["a"]]"#).is_err());
        let or_default =
            |json| or_default::<_, WithName<'_>>(&mut serde_json::Deserializer::from_str(json));
        assert_eq!(or_default("null").unwrap(), WithName::default());
        assert!(or_default("[]").is_err());
    }

    #[test]
    fn the_last_value_of_a_key_that_is_written_twice_counts() {
        let pairs: Pairs<'_> = serde_json::from_str(r#"{"a":"1","b":"2","a":"3"}"#).unwrap();
        assert_eq!(pairs.get("a"), Some("3"));
        assert_eq!(pairs.get("c"), None);
    }

    #[test]
    fn a_value_that_is_not_a_string_is_an_error() {
        assert!(serde_json::from_str::<Pairs<'_>>(r#"{"a":1}"#).is_err());
        assert!(serde_json::from_str::<Pairs<'_>>(r#"["a"]"#).is_err());
    }
}
