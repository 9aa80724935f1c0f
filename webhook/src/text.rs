//! Maps of strings that borrow from the request: the pod path copies nothing that it only reads.

use std::fmt;
use std::marker::PhantomData;

use namesake_core::Text;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// A JSON object of strings (labels, annotations), in the order in which it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs<'a>(Vec<(Text<'a>, Text<'a>)>);

impl Pairs<'_> {
    /// Value of a key; the last one if the key is written twice, as a decoder into a map would have it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(k, _)| k.as_str() == key);
        found.map(|(_, v)| v.as_str())
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

/// Reads a JSON object or null. By itself serde takes a list for a struct too, member by member.
pub(crate) fn members<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Objects<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Objects<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
    }
    deserializer.deserialize_any(Objects(PhantomData))
}

/// As [`members`]; null is an object without members.
pub(crate) fn members_or_none<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    members(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_no_object() {
        #[derive(Debug, Default, PartialEq, serde::Deserialize)]
        struct Named {
            #[serde(default)]
            name: Option<String>,
        }
        let read = |json: &str| members::<_, Named>(&mut serde_json::Deserializer::from_str(json));
        let name = Some("a".to_owned());
        assert_eq!(read(r#"{"name":"a","x":1}"#).unwrap(), Some(Named { name }));
        assert_eq!(read("null").unwrap(), None);
        for other in [r#"["a"]"#, "[]", "1", r#""a""#, "true"] {
            assert!(
                read(other).unwrap_err().to_string().contains("an object"),
                "{other}"
            );
        }
    }

    #[test]
    fn of_a_key_written_twice_the_last_counts() {
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
