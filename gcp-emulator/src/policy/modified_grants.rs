//! Which roles a setIamPolicy call grants or revokes.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::api::call::{Call, snake};
use crate::world::World;
use crate::world::resource::Resource;

/// The roles whose bindings a setIamPolicy call changes (`iam.googleapis.com/modifiedGrantsByRole`); `None` for any other
/// call. The policy need not be valid.
pub(crate) fn modified_roles(
    world: &World,
    call: &Call,
    resource: &Resource,
) -> Option<Vec<String>> {
    if call.verb.as_deref() != Some("setIamPolicy") {
        return None;
    }
    if !writes(call, "bindings") {
        return Some(Vec::new());
    }
    let current = world.policies.current(resource).render(resource, 3, world);
    let wanted = call.field("policy").cloned().unwrap_or_default();
    Some(changed_roles(&current, &wanted))
}

/// Whether the update mask includes a field of the policy. By default it includes bindings and etag.
pub(super) fn writes(call: &Call, name: &str) -> bool {
    let mask = call.text("updateMask");
    match mask.is_empty() {
        true => matches!(name, "bindings" | "etag"),
        false => mask
            .split(',')
            .any(|path| path.trim() == name || path.trim() == snake(name)),
    }
}

/// The roles that two policies grant to different members or under different conditions.
fn changed_roles(before: &Value, after: &Value) -> Vec<String> {
    let (before, after) = (grants(before), grants(after));
    let changed: BTreeSet<&String> = before
        .symmetric_difference(&after)
        .map(|(role, ..)| role)
        .collect();
    changed.into_iter().cloned().collect()
}

/// Role, member and condition of each grant, with e-mail addresses in lower case.
fn grants(policy: &Value) -> BTreeSet<(String, String, String)> {
    let list = |value: &Value, name: &str| {
        let list = value.get(name).and_then(Value::as_array);
        list.cloned().unwrap_or_default()
    };
    let mut grants = BTreeSet::new();
    for binding in list(policy, "bindings") {
        let role = binding.get("role").and_then(Value::as_str);
        let condition = binding.get("condition").filter(|it| !it.is_null());
        let condition = condition.map(Value::to_string).unwrap_or_default();
        for member in list(&binding, "members") {
            let member = member.as_str().unwrap_or_default();
            let member = match member.split_once(':') {
                Some(("user" | "group", _)) => member.to_ascii_lowercase(),
                _ => member.to_owned(),
            };
            grants.insert((
                role.unwrap_or_default().to_owned(),
                member,
                condition.clone(),
            ));
        }
    }
    grants
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_role_is_modified_if_its_members_or_their_conditions_change() {
        let condition = json!({"title": "t", "expression": "true"});
        let before = json!({"bindings": [
            {"role": "roles/a", "members": ["user:x@acme.com", "user:y@acme.com"]},
            {"role": "roles/b", "members": ["user:x@acme.com"]},
            {"role": "roles/c", "members": ["user:x@acme.com"], "condition": condition},
        ]});
        assert_eq!(changed_roles(&before, &before), Vec::<String>::new());
        let reordered = json!({"bindings": [
            {"role": "roles/c", "members": ["user:x@acme.com"], "condition": condition},
            {"role": "roles/b", "members": ["user:X@acme.com"], "condition": null},
            {"role": "roles/a", "members": ["user:y@acme.com"]},
            {"role": "roles/a", "members": ["user:x@acme.com"]},
        ]});
        assert_eq!(changed_roles(&before, &reordered), Vec::<String>::new());
        let changed = json!({"bindings": [
            {"role": "roles/a", "members": ["user:x@acme.com"]},
            {"role": "roles/b", "members": ["user:x@acme.com"]},
            {"role": "roles/c", "members": ["user:x@acme.com"]},
            {"role": "roles/d", "members": ["user:x@acme.com"]},
        ]});
        assert_eq!(
            changed_roles(&before, &changed),
            ["roles/a", "roles/c", "roles/d"]
        );
        assert_eq!(
            changed_roles(&before, &Value::Null),
            ["roles/a", "roles/b", "roles/c"]
        );
    }
}
