//! Reading text as a tree. Members and items are collected on one stack and taken off it when their number is known: growing
//! thousands of lists one by one would be a sixth of the cost of a large object.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::{Json, Text};

/// What has been read of the arrays and objects that have not ended yet.
#[derive(Default)]
struct Unfinished<'a> {
    items: Vec<Json<'a>>,
    members: Vec<(Text<'a>, Json<'a>)>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(&mut Unfinished::default())
    }
}

impl<'de> DeserializeSeed<'de> for &mut Unfinished<'de> {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Unfinished<'de> {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Json::String(Text::from(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Json::String(Text::from(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let begin = self.items.len();
        while let Some(item) = items.next_element_seed(&mut *self)? {
            self.items.push(item);
        }
        Ok(Json::Array(self.items.split_off(begin)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let begin = self.members.len();
        while let Some(name) = members.next_key()? {
            let node = members.next_value_seed(&mut *self)?;
            self.members.push((name, node));
        }
        Ok(object(self.members.split_off(begin)))
    }
}

/// An object from members in any order. The last of several members with the same name counts, as when decoding into a map.
fn object<'a>(mut members: Vec<(Text<'a>, Json<'a>)>) -> Json<'a> {
    let ordered = members.windows(2).all(|pair| match pair {
        [(one, _), (other, _)] => one < other,
        _ => true,
    });
    if !ordered {
        members.reverse();
        members.sort_by(|(one, _), (other, _)| one.cmp(other));
        members.dedup_by(|(later, _), (first, _)| later == first);
    }
    Json::Object(members)
}
