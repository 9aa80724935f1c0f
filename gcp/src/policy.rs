//! An allow policy, as JSON: everything that is not ours stays as it is, whether we know it or not. Pure.

pub(crate) mod edit;
pub(crate) mod modify;
mod permissions;
mod request;
pub(crate) mod resource;

use serde_json::{Map, Value, json};

/// When a binding applies.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Condition {
    /// For people; Google requires one.
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
    /// Reads what Google answered; `None` if it is not a JSON object, or its bindings are not a list of bindings.
    pub(crate) fn parse(json: Value) -> Option<Self> {
        let Value::Object(mut rest) = json else {
            return None;
        };
        let is_binding =
            |b: &Value| b["role"].is_string() && (b[MEMBERS].is_array() || b[MEMBERS].is_null());
        let bindings = match rest.remove("bindings") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(all)) if all.iter().all(is_binding) => all,
            Some(_) => return None,
        };
        Some(Self { bindings, rest })
    }

    /// The JSON to write: version 3, so that conditions are kept.
    pub(crate) fn to_json(&self) -> Value {
        let mut map = self.rest.clone();
        map.insert("version".to_owned(), json!(3));
        map.insert("bindings".to_owned(), json!(self.bindings));
        Value::Object(map)
    }

    /// The version of the policy as it was read.
    #[must_use]
    pub fn etag(&self) -> Option<&str> {
        self.rest.get("etag")?.as_str()
    }

    /// Whether `member` has `role` under exactly this condition, or under none.
    #[must_use]
    pub fn has(&self, role: &str, member: &str, condition: Option<&Condition>) -> bool {
        self.bindings
            .iter()
            .filter(|b| matches(b, role, condition))
            .flat_map(members)
            .any(|present| present == member)
    }

    /// The members of `role` under any condition.
    pub fn members<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'a str> {
        self.bindings
            .iter()
            .filter(move |b| b["role"] == role)
            .flat_map(members)
    }

    /// The members of all bindings; one in several bindings is repeated.
    pub fn all_members(&self) -> impl Iterator<Item = &str> {
        self.bindings.iter().flat_map(members)
    }

    /// Grants `role` to `member`, and removes what is left of deleted accounts with the same e-mail. Returns whether it
    /// changed anything.
    pub fn add(&mut self, role: &str, member: &str, condition: Option<&Condition>) -> bool {
        let dropped = self.remove_deleted(member);
        if self.has(role, member, condition) {
            return dropped;
        }
        let binding = self
            .bindings
            .iter_mut()
            .find(|b| matches(b, role, condition));
        if let Some(binding) = binding
            && let Some(Value::Array(present)) = binding.get_mut(MEMBERS)
        {
            present.push(json!(member));
            return true;
        }
        let mut binding = json!({"role": role, "members": [member]});
        if let Some(Condition { title, expression }) = condition {
            binding["condition"] = json!({"title": title, "expression": expression});
        }
        self.bindings.push(binding);
        true
    }

    /// Revokes `role` from `member` under exactly this condition, and removes what is left of deleted accounts with the
    /// same e-mail. Returns whether it changed anything.
    pub fn remove(&mut self, role: &str, member: &str, condition: Option<&Condition>) -> bool {
        let dropped = self.remove_deleted(member);
        let removed = self.retain_members(|binding, present| {
            !(present == member && matches(binding, role, condition))
        });
        dropped || removed
    }

    /// Revokes every role from `member`, and removes what is left of deleted accounts with the same e-mail. Returns whether
    /// it changed anything.
    pub fn remove_member(&mut self, member: &str) -> bool {
        let dropped = self.remove_deleted(member);
        self.retain_members(|_, present| present != member) || dropped
    }

    /// Number of members as Google counts them: each occurrence counts, 1,500 at most.
    #[must_use]
    pub fn member_count(&self) -> usize {
        self.all_members().count()
    }

    /// Size as JSON, in bytes. Google allows a few tens of KB.
    #[must_use]
    pub fn bytes(&self) -> usize {
        serde_json::to_string(&self.to_json()).map_or(0, |text| text.len())
    }

    // Deleting `serviceAccount:E` leaves `deleted:serviceAccount:E?uid=N`, which a new account with that e-mail is not.
    fn remove_deleted(&mut self, member: &str) -> bool {
        let deleted = format!("deleted:{member}?uid=");
        self.retain_members(|_, present| !present.starts_with(&deleted))
    }

    /// Removes members that `keep` rejects, and bindings that have no other. Returns whether it removed any.
    fn retain_members(&mut self, keep: impl Fn(&Value, &str) -> bool) -> bool {
        let mut removed = false;
        self.bindings.retain_mut(|binding| {
            let kept: Vec<_> = members(binding)
                .filter(|present| keep(binding, present))
                .map(|m| json!(m))
                .collect();
            if kept.len() == members(binding).count() {
                return true;
            }
            removed = true;
            let is_empty = kept.is_empty();
            binding[MEMBERS] = Value::Array(kept);
            !is_empty
        });
        removed
    }
}

fn members(binding: &Value) -> impl Iterator<Item = &str> {
    let all = binding[MEMBERS].as_array();
    all.into_iter().flatten().filter_map(Value::as_str)
}

fn condition_of(binding: &Value) -> Option<&Value> {
    binding.get("condition").filter(|c| !c.is_null())
}

/// Whether this is the binding of `role` under exactly this condition.
fn matches(binding: &Value, role: &str, condition: Option<&Condition>) -> bool {
    let same_condition = match (condition_of(binding), condition) {
        (None, None) => true,
        (Some(found), Some(wanted)) => {
            found["title"] == *wanted.title && found["expression"] == *wanted.expression
        }
        _ => false,
    };
    same_condition && binding["role"] == *role
}

#[cfg(test)]
mod tests;
