//! Where the keys of a YAML file are, for messages about values that serde accepts.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::Spanned;

/// The places of a file.
#[derive(Debug, Default)]
pub(super) struct Places(Option<Spanned<Tree>>);

#[derive(Debug, Default)]
enum Tree {
    Map(Vec<(String, Spanned<Tree>)>),
    List(Vec<Spanned<Tree>>),
    #[default]
    Value,
}

impl Places {
    /// The places of a file that was read before.
    pub(super) fn of(text: &str) -> Self {
        Self(serde_saphyr::from_str(text).ok())
    }

    /// Line and column, from 1, of a key such as `hosts[1].name`; of the map that misses it, if it is missing.
    pub(super) fn find(&self, key: &str) -> (u64, u64) {
        let Some(mut at) = self.0.as_ref() else {
            return (1, 1);
        };
        for step in key.split(['.', '[']).filter(|step| !step.is_empty()) {
            let next = match &at.value {
                Tree::Map(entries) => entries
                    .iter()
                    .find(|(name, _)| name == step)
                    .map(|(_, tree)| tree),
                Tree::List(items) => {
                    let index = step.trim_end_matches(']').parse::<usize>();
                    index.ok().and_then(|index| items.get(index))
                }
                Tree::Value => None,
            };
            let Some(next) = next else { break };
            at = next;
        }
        (at.referenced.line(), at.referenced.column())
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::Value)
    }

    fn visit_none<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::Value)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Tree, E> {
        Ok(Tree::Value)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Tree, E> {
        Ok(Tree::Value)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Tree, E> {
        Ok(Tree::Value)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Tree, E> {
        Ok(Tree::Value)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Tree, E> {
        Ok(Tree::Value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            entries.push((key, map.next_value()?));
        }
        Ok(Tree::Map(entries))
    }
}
