//! Reading a tree of YAML. Every invalid, missing, duplicate or unknown key is reported, and reading goes on.

use crate::names::quoted;

use super::{
    node::{Node, Value},
    problem::{InvalidValue, Position, ProblemLog, invalid},
    values::word,
};

/// A value and its path.
#[derive(Clone, Debug)]
pub(crate) struct Item<'n> {
    pub(crate) node: &'n Node,
    pub(crate) path: String,
    log: &'n ProblemLog<'n>,
}

impl<'n> Item<'n> {
    pub(crate) fn new(
        node: &'n Node,
        path: impl Into<String>,
        log: &'n ProblemLog<'n>,
    ) -> Item<'n> {
        Item {
            node,
            path: path.into(),
            log,
        }
    }

    /// Reports a problem at this value.
    pub(crate) fn report(&self, invalid: InvalidValue) {
        self.log.add(self.node.at, &self.path, invalid);
    }

    /// How many problems the file has so far.
    pub(crate) fn count_problems(&self) -> usize {
        self.log.count()
    }

    /// The value as text.
    pub(crate) fn text(&self) -> Option<&'n str> {
        match &self.node.value {
            Value::Text(text) => Some(text),
            Value::Number | Value::Flag(_) => self.report_unexpected("text", "put it in quotes"),
            _ => self.report_unexpected("text", "write one value"),
        }
    }

    /// The value as `true` or `false`.
    pub(crate) fn flag(&self) -> Option<bool> {
        match self.node.value {
            Value::Flag(flag) => Some(flag),
            _ => self.report_unexpected("true or false", "write one of them, without quotes"),
        }
    }

    /// The text, read by a function that says what is wrong with it.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&str) -> Result<T, InvalidValue>) -> Option<T> {
        read(self.text()?)
            .map_err(|invalid| self.report(invalid))
            .ok()
    }

    /// The values of a list; none if it is not a list.
    pub(crate) fn list(&self) -> Vec<Item<'n>> {
        let Value::List(nodes) = &self.node.value else {
            return self
                .report_unexpected(
                    "a list",
                    "write [a, b], or each value on its own line after a hyphen",
                )
                .unwrap_or_default();
        };
        let item = |(i, node)| Item::new(node, format!("{}[{i}]", self.path), self.log);
        nodes.iter().enumerate().map(item).collect()
    }

    /// The texts of a list, each read by a function that says what is wrong with it.
    pub(crate) fn read_list<T>(&self, read: impl Fn(&str) -> Result<T, InvalidValue>) -> Vec<T> {
        self.list()
            .iter()
            .filter_map(|item| item.read(&read))
            .collect()
    }

    /// As [`Item::read_list`]; an empty list is a problem.
    pub(crate) fn read_non_empty_list<T>(
        &self,
        read: impl Fn(&str) -> Result<T, InvalidValue>,
        empty: &str,
        remedy: &str,
    ) -> Option<Vec<T>> {
        let before = self.count_problems();
        let values = self.read_list(read);
        if values.is_empty() && self.count_problems() == before {
            self.report(invalid(empty, remedy));
        }
        (!values.is_empty()).then_some(values)
    }

    /// The entries of a map, except those whose key is not text or is a duplicate.
    pub(crate) fn fields(&self) -> Option<Fields<'n>> {
        let Value::Map(nodes) = &self.node.value else {
            return self.report_unexpected("a map", "write keys with values");
        };
        let mut fields = Fields {
            item: self.clone(),
            entries: Vec::with_capacity(nodes.len()),
            known: Vec::new(),
        };
        let mut keys = std::collections::HashSet::with_capacity(nodes.len());
        for (key, node) in nodes {
            let Value::Text(name) = &key.value else {
                let what = format!("a key is {}, not text", key.kind());
                self.log.add(
                    key.at,
                    &self.path,
                    invalid(what, "put it in quotes, or remove it"),
                );
                continue;
            };
            if keys.insert(name.as_str()) {
                fields
                    .entries
                    .push((name, key.at, Item::new(node, self.join(name), self.log)));
            } else {
                self.log.add(
                    key.at,
                    &self.join(name),
                    invalid("this key is given twice", "remove one of the two"),
                );
            }
        }
        Some(fields)
    }

    fn join(&self, key: &str) -> String {
        let key = if key.chars().all(|c| c.is_ascii_graphic()) && key.len() <= 100 {
            key.to_owned()
        } else {
            quoted(key)
        };
        if self.path.is_empty() {
            key
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn report_unexpected<T>(&self, expected: &str, remedy: &str) -> Option<T> {
        self.report(invalid(
            format!("{expected} is expected, and this is {}", self.node.kind()),
            remedy,
        ));
        None
    }
}

/// The entries of a map. A key is known once it was read with [`Fields::get`].
#[derive(Debug)]
pub(crate) struct Fields<'n> {
    /// The map itself.
    pub(crate) item: Item<'n>,
    entries: Vec<(&'n str, Position, Item<'n>)>,
    known: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The value of an optional key.
    pub(crate) fn get(&mut self, key: &'static str) -> Option<Item<'n>> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.entries
            .iter()
            .find(|(name, ..)| *name == key)
            .map(|(.., item)| item.clone())
    }

    /// The value of a required key.
    pub(crate) fn require(&mut self, key: &'static str, remedy: &str) -> Option<Item<'n>> {
        let item = self.get(key);
        if item.is_none() {
            self.item
                .report(invalid(format!("the key {key} is missing"), remedy));
        }
        item
    }

    /// The text of an optional key, read by a function that says what is wrong with it.
    pub(crate) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, InvalidValue>,
    ) -> Option<T> {
        self.get(key)?.read(read)
    }

    /// The text of a required key, read by a function that says what is wrong with it.
    pub(crate) fn required<T>(
        &mut self,
        key: &'static str,
        remedy: &str,
        read: impl FnOnce(&str) -> Result<T, InvalidValue>,
    ) -> Option<T> {
        self.require(key, remedy)?.read(read)
    }

    /// One of a few words. The first is the default; `None` if the value is none of them.
    pub(crate) fn word<T: Copy, const N: usize>(
        &mut self,
        key: &'static str,
        words: [(&str, T); N],
    ) -> Option<T> {
        match self.get(key) {
            Some(item) => item.read(|text| word(text, &words)),
            None => words.first().map(|(_, default)| *default),
        }
    }

    /// The value of an optional key that is `true` or `false`; `false` without it.
    pub(crate) fn flag(&mut self, key: &'static str) -> bool {
        let item = self.get(key);
        item.and_then(|item| item.flag()).unwrap_or_default()
    }

    /// The texts of an optional list, each read by a function that says what is wrong with it.
    pub(crate) fn texts<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&str) -> Result<T, InvalidValue>,
    ) -> Vec<T> {
        let item = self.get(key);
        item.map(|item| item.read_list(read)).unwrap_or_default()
    }

    /// The values of an optional list, each read by a function.
    pub(crate) fn list<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&Item<'_>) -> Option<T>,
    ) -> Vec<T> {
        let items = self.get(key).map(|item| item.list()).unwrap_or_default();
        items.iter().filter_map(read).collect()
    }

    /// All entries of a map that may have any keys.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'n str, Position, &Item<'n>)> {
        self.entries
            .iter()
            .map(|(name, at, item)| (*name, *at, item))
    }

    /// Reports a problem at a key of a map that may have any keys.
    pub(crate) fn report_key(&self, at: Position, key: &str, invalid: InvalidValue) {
        self.item.log.add(at, &self.item.join(key), invalid);
    }

    /// Reports all unknown keys.
    pub(crate) fn report_unknown_keys(self) {
        for (name, at, item) in &self.entries {
            if !self.known.contains(name) {
                let remedy = format!("remove it, or write one of: {}", self.known.join(", "));
                self.item
                    .log
                    .add(*at, &item.path, invalid("this key is unknown", remedy));
            }
        }
    }
}
