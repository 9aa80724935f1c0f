//! Reading a tree of YAML: every wrong, missing, doubled or unknown key is reported, and reading goes on.

use crate::names::quoted;

use super::{
    node::{Node, Value},
    problem::{At, Log, Wrong, wrong},
};

/// One value at its path.
#[derive(Clone, Debug)]
pub(crate) struct Item<'n> {
    pub(crate) node: &'n Node,
    pub(crate) path: String,
    log: &'n Log<'n>,
}

impl<'n> Item<'n> {
    pub(crate) fn new(node: &'n Node, path: impl Into<String>, log: &'n Log<'n>) -> Item<'n> {
        Item {
            node,
            path: path.into(),
            log,
        }
    }

    /// Reports a problem at this value.
    pub(crate) fn report(&self, wrong: Wrong) {
        self.log.add(self.node.at, &self.path, wrong);
    }

    /// How many problems the file has so far.
    pub(crate) fn problems(&self) -> usize {
        self.log.count()
    }

    /// The value as text.
    pub(crate) fn text(&self) -> Option<&'n str> {
        match &self.node.value {
            Value::Text(text) => Some(text),
            Value::Number | Value::Flag(_) => self.unexpected("text", "put it in quotes"),
            _ => self.unexpected("text", "write one value"),
        }
    }

    /// The value as `true` or `false`.
    pub(crate) fn flag(&self) -> Option<bool> {
        match self.node.value {
            Value::Flag(flag) => Some(flag),
            _ => self.unexpected("true or false", "write one of them, without quotes"),
        }
    }

    /// The text, read by a function that says what is wrong with it.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&str) -> Result<T, Wrong>) -> Option<T> {
        read(self.text()?).map_err(|wrong| self.report(wrong)).ok()
    }

    /// The values of a list; none if it is no list.
    pub(crate) fn list(&self) -> Vec<Item<'n>> {
        let Value::List(nodes) = &self.node.value else {
            return self
                .unexpected(
                    "a list",
                    "write [a, b], or one value a line with a hyphen before it",
                )
                .unwrap_or_default();
        };
        let item = |(i, node)| Item::new(node, format!("{}[{i}]", self.path), self.log);
        nodes.iter().enumerate().map(item).collect()
    }

    /// The texts of a list, each read by a function that says what is wrong with it.
    pub(crate) fn read_list<T>(&self, read: impl Fn(&str) -> Result<T, Wrong>) -> Vec<T> {
        self.list()
            .iter()
            .filter_map(|item| item.read(&read))
            .collect()
    }

    /// As [`Item::read_list`], for a list that would mean nothing if it were empty.
    pub(crate) fn read_some<T>(
        &self,
        read: impl Fn(&str) -> Result<T, Wrong>,
        empty: &str,
        remedy: &str,
    ) -> Option<Vec<T>> {
        let before = self.problems();
        let values = self.read_list(read);
        if values.is_empty() && self.problems() == before {
            self.report(wrong(empty, remedy));
        }
        (!values.is_empty()).then_some(values)
    }

    /// The entries of a map, without those whose key is no text or was there before.
    pub(crate) fn fields(&self) -> Option<Fields<'n>> {
        let Value::Map(nodes) = &self.node.value else {
            return self.unexpected("a map", "write keys with values");
        };
        let mut fields = Fields {
            item: self.clone(),
            entries: Vec::with_capacity(nodes.len()),
            asked: Vec::new(),
        };
        let mut keys = std::collections::HashSet::with_capacity(nodes.len());
        for (key, node) in nodes {
            let Value::Text(name) = &key.value else {
                let what = format!("a key is {}, not text", key.kind());
                self.log.add(
                    key.at,
                    &self.path,
                    wrong(what, "put it in quotes, or remove it"),
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
                    wrong("this key is given twice", "remove one of the two"),
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

    fn unexpected<T>(&self, expected: &str, remedy: &str) -> Option<T> {
        self.report(wrong(
            format!("{expected} is expected, and this is {}", self.node.kind()),
            remedy,
        ));
        None
    }
}

/// The entries of a map, asked for one by one.
#[derive(Debug)]
pub(crate) struct Fields<'n> {
    /// The map itself.
    pub(crate) item: Item<'n>,
    entries: Vec<(&'n str, At, Item<'n>)>,
    asked: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The value of a key, if it is there.
    pub(crate) fn get(&mut self, key: &'static str) -> Option<Item<'n>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.entries
            .iter()
            .find(|(name, ..)| *name == key)
            .map(|(.., item)| item.clone())
    }

    /// The value of a key that must be there.
    pub(crate) fn need(&mut self, key: &'static str, remedy: &str) -> Option<Item<'n>> {
        let item = self.get(key);
        if item.is_none() {
            self.item
                .report(wrong(format!("the key {key} is missing"), remedy));
        }
        item
    }

    /// Every entry, for a map whose keys are free.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'n str, At, &Item<'n>)> {
        self.entries
            .iter()
            .map(|(name, at, item)| (*name, *at, item))
    }

    /// Reports a problem at a key of a map whose keys are free.
    pub(crate) fn report_key(&self, at: At, key: &str, wrong: Wrong) {
        self.item.log.add(at, &self.item.join(key), wrong);
    }

    /// Reports every key that nobody asked for.
    pub(crate) fn close(self) {
        for (name, at, item) in &self.entries {
            if !self.asked.contains(name) {
                let remedy = format!("remove it, or write one of: {}", self.asked.join(", "));
                self.item
                    .log
                    .add(*at, &item.path, wrong("this key is unknown", remedy));
            }
        }
    }
}
