//! Deserializing a tree into another type.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Error;

use super::{Json, Text};

impl<'de, 'a: 'de> IntoDeserializer<'de, Error> for &'de Json<'a> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de, 'a: 'de> Deserializer<'de> for &'de Json<'a> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Json::Null => visitor.visit_unit(),
            Json::Bool(value) => visitor.visit_bool(*value),
            Json::Number(value) => value.deserialize_any(visitor),
            Json::String(value) => visitor.visit_borrowed_str(value),
            Json::Array(items) => {
                let mut all = SeqDeserializer::new(items.iter());
                let read = visitor.visit_seq(&mut all)?;
                all.end().map(|()| read)
            }
            Json::Object(members) => {
                let named = |(name, node): &'de (Text<'a>, Json<'a>)| (name.as_str(), node);
                let mut all = MapDeserializer::new(members.iter().map(named));
                let read = visitor.visit_map(&mut all)?;
                all.end().map(|()| read)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Json::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Wanted<'a> {
        #[serde(borrow)]
        name: &'a str,
        #[serde(default)]
        on: Option<bool>,
        counts: Vec<i64>,
    }

    #[test]
    fn a_tree_is_deserialized_like_the_text_from_which_it_was_read() {
        let node: Json<'_> = serde_json::from_str(
            r#"{"name":"a","on":null,"counts":[1,-2],"other":{"x":[true,"s"]}}"#,
        )
        .unwrap();
        let wanted = Wanted {
            name: "a",
            on: None,
            counts: vec![1, -2],
        };
        assert_eq!(Wanted::deserialize(&node).unwrap(), wanted);
        let odd: Json<'_> = serde_json::from_str(r#"{"name":[],"counts":[]}"#).unwrap();
        let error = Wanted::deserialize(&odd).unwrap_err().to_string();
        assert!(error.contains("expected a borrowed string"), "{error}");
    }
}
