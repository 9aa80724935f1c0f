//! An allow policy, as JSON: what is not ours stays as it is, known to us or not. Pure.

pub(crate) mod edit;
pub(crate) mod modify;
pub(crate) mod resource;

use serde_json::{Map, Value, json};

/// When a binding applies.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Condition {
    /// For people; Google wants one.
    pub title: String,
    /// In CEL.
    pub expression: String,
}

/// Who has which role on one resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    bindings: Vec<Value>,
    rest: Map<String, Value>,
}

const MEMBERS: &str = "members";

impl Policy {
    /// Takes what Google answered; nothing when that is no JSON object, or its bindings are no list.
    pub(crate) fn parse(json: Value) -> Option<Self> {
        let Value::Object(mut rest) = json else {
            return None;
        };
        let well_formed =
            |b: &Value| b["role"].is_string() && (b[MEMBERS].is_array() || b[MEMBERS].is_null());
        let bindings = match rest.remove("bindings") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(all)) if all.iter().all(well_formed) => all,
            Some(_) => return None,
        };
        Some(Self { bindings, rest })
    }

    /// What to write: version 3, so that conditions survive.
    pub(crate) fn to_json(&self) -> Value {
        let mut map = self.rest.clone();
        map.insert("version".to_owned(), json!(3));
        map.insert("bindings".to_owned(), json!(self.bindings));
        Value::Object(map)
    }

    /// The version of the policy that this was read from.
    #[must_use]
    pub fn etag(&self) -> Option<&str> {
        self.rest.get("etag")?.as_str()
    }

    /// Whether `member` has `role` under exactly this condition (or under none).
    #[must_use]
    pub fn has(&self, role: &str, member: &str, condition: Option<&Condition>) -> bool {
        self.of(role, condition)
            .flat_map(members)
            .any(|present| present == member)
    }

    /// Every member of `role`, whatever the condition.
    pub fn members<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'a str> {
        self.bindings
            .iter()
            .filter(move |b| b["role"] == role)
            .flat_map(members)
    }

    /// Every member of every role, as often as it is there.
    pub fn everyone(&self) -> impl Iterator<Item = &str> {
        self.bindings.iter().flat_map(members)
    }

    /// Every role that `member` has, with whether a condition limits it.
    pub fn roles_of<'a>(&'a self, member: &'a str) -> impl Iterator<Item = (&'a str, bool)> {
        self.bindings
            .iter()
            .filter(move |b| members(b).any(|present| present == member))
            .filter_map(|b| Some((b["role"].as_str()?, condition_of(b).is_some())))
    }

    /// Gives `member` `role`, and drops what is left of deleted accounts of the same e-mail.
    pub fn add(&mut self, role: &str, member: &str, condition: Option<&Condition>) {
        self.put(role, member, condition);
    }

    /// As [`Policy::add`]; whether it changed anything.
    pub(crate) fn put(&mut self, role: &str, member: &str, condition: Option<&Condition>) -> bool {
        let dropped = self.drop_deleted(member);
        if self.has(role, member, condition) {
            return dropped;
        }
        if let Some(binding) = self.bindings.iter_mut().find(|b| is(b, role, condition))
            && let Some(Value::Array(present)) = binding.get_mut(MEMBERS)
        {
            present.push(json!(member));
            return true;
        }
        let mut fresh = json!({"role": role, "members": [member]});
        if let Some(Condition { title, expression }) = condition {
            fresh["condition"] = json!({"title": title, "expression": expression});
        }
        self.bindings.push(fresh);
        true
    }

    /// Takes `role` from `member` under exactly this condition, and drops what is left of deleted accounts of the
    /// same e-mail.
    pub fn remove(&mut self, role: &str, member: &str, condition: Option<&Condition>) {
        self.take(role, member, condition);
    }

    /// As [`Policy::remove`]; whether it changed anything.
    pub(crate) fn take(&mut self, role: &str, member: &str, condition: Option<&Condition>) -> bool {
        let dropped = self.drop_deleted(member);
        let removed = self.retain_members(|binding, present| {
            !(present == member && is(binding, role, condition))
        });
        dropped || removed
    }

    /// Takes every role from `member`, and drops what is left of deleted accounts of the same e-mail.
    pub fn remove_member(&mut self, member: &str) {
        self.take_all(member);
    }

    /// As [`Policy::remove_member`]; whether it changed anything.
    pub(crate) fn take_all(&mut self, member: &str) -> bool {
        let dropped = self.drop_deleted(member);
        self.retain_members(|_, present| present != member) || dropped
    }

    /// Members, counted at each occurrence, as Google counts them (at most 1,500).
    #[must_use]
    pub fn principals(&self) -> usize {
        self.bindings.iter().flat_map(members).count()
    }

    /// Size in bytes, as JSON. Google allows a few tens of KB.
    #[must_use]
    pub fn bytes(&self) -> usize {
        serde_json::to_string(&self.to_json()).map_or(0, |text| text.len())
    }

    // `serviceAccount:E` deleted leaves `deleted:serviceAccount:E?uid=N`, which a new account of that e-mail is not.
    fn drop_deleted(&mut self, member: &str) -> bool {
        let stale = format!("deleted:{member}?uid=");
        self.retain_members(|_, present| !present.starts_with(&stale))
    }

    /// Whether any member went.
    fn retain_members(&mut self, keep: impl Fn(&Value, &str) -> bool) -> bool {
        let dropped = |b: &Value| members(b).any(|present| !keep(b, present));
        if !self.bindings.iter().any(dropped) {
            return false;
        }
        self.bindings.retain_mut(|binding| {
            let kept: Vec<_> = members(binding)
                .filter(|present| keep(binding, present))
                .map(|m| json!(m))
                .collect();
            if kept.len() == members(binding).count() {
                return true;
            }
            let some = !kept.is_empty();
            binding[MEMBERS] = Value::Array(kept);
            some
        });
        true
    }

    fn of(&self, role: &str, condition: Option<&Condition>) -> impl Iterator<Item = &Value> {
        self.bindings.iter().filter(move |b| is(b, role, condition))
    }
}

fn members(binding: &Value) -> impl Iterator<Item = &str> {
    let all = binding[MEMBERS].as_array();
    all.into_iter().flatten().filter_map(Value::as_str)
}

fn condition_of(binding: &Value) -> Option<&Value> {
    binding.get("condition").filter(|c| !c.is_null())
}

fn is(binding: &Value, role: &str, condition: Option<&Condition>) -> bool {
    let same = match (condition_of(binding), condition) {
        (None, None) => true,
        (Some(found), Some(wanted)) => {
            found["title"] == *wanted.title && found["expression"] == *wanted.expression
        }
        _ => false,
    };
    same && binding["role"] == *role
}

#[cfg(test)]
mod tests;
