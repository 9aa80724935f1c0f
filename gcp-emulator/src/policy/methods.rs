//! getIamPolicy, setIamPolicy and testIamPermissions, the same for every google.rpc resource.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::api::call::{Call, field};
use crate::api::caller::Caller;
use crate::api::errors::ApiError;
use crate::policy::authorize::Target;
use crate::policy::write;
use crate::world::World;
use crate::world::resource::Resource;

/// Serves the policy method `verb` on `resource`, which the caller may use already.
///
/// # Errors
/// 400, 409; 404 for another verb.
pub(crate) fn serve(
    world: &mut World,
    call: &Call,
    resource: &Resource,
    verb: &str,
) -> Result<Value, ApiError> {
    match verb {
        "getIamPolicy" => read(world, call, resource),
        "setIamPolicy" => write(world, call, resource),
        "testIamPermissions" => test(world, call, resource),
        _ => Err(ApiError::not_found(format!("Method {verb} not found."))),
    }
}

fn read(world: &mut World, call: &Call, resource: &Resource) -> Result<Value, ApiError> {
    call.only(
        &[
            "options.requestedPolicyVersion",
            "options.requested_policy_version",
        ],
        &["options", "resource"],
    )?;
    let asked = call
        .parameter("options.requestedPolicyVersion")
        .or_else(|| call.parameter("options.requested_policy_version"))
        .map(str::to_owned);
    let in_body = call
        .field("options")
        .and_then(|options| field(options, "requestedPolicyVersion"))
        .and_then(Value::as_i64);
    let version = match asked {
        Some(text) => text.parse().unwrap_or(-1),
        None => in_body.unwrap_or(0),
    };
    requested(world, resource, version)
}

/// The policy as a reader sees it now who asked for `version`.
///
/// # Errors
/// 400 for a version that there is not.
pub(crate) fn requested(
    world: &mut World,
    resource: &Resource,
    version: i64,
) -> Result<Value, ApiError> {
    if !matches!(version, 0 | 1 | 3) {
        return Err(ApiError::invalid(
            "Invalid policy version. Valid versions are 0, 1, and 3.",
        ));
    }
    let horizon = world.seen(world.settings.delays.policy_read);
    let policy = world.policies.at(resource, horizon);
    Ok(policy.render(resource, version, world))
}

fn write(world: &mut World, call: &Call, resource: &Resource) -> Result<Value, ApiError> {
    call.only(&[], &["policy", "updateMask", "resource"])?;
    let empty = json!({});
    let mut policy = call.field("policy").unwrap_or(&empty).clone();
    check_fields(&policy)?;
    if !writes_bindings(call) {
        let current = world.policies.current(resource).render(resource, 3, world);
        if let Some(policy) = policy.as_object_mut() {
            policy.insert("version".to_owned(), json!(3));
            policy.insert(
                "bindings".to_owned(),
                current.get("bindings").cloned().unwrap_or(json!([])),
            );
        }
    }
    write::set(world, resource, &policy)
}

/// The roles whose bindings a setIamPolicy call changes (`iam.googleapis.com/modifiedGrantsByRole`); `None` for
/// another call. Whether the policy is valid is asked later.
pub(crate) fn modified_roles(
    world: &World,
    call: &Call,
    resource: &Resource,
) -> Option<Vec<String>> {
    if call.verb.as_deref() != Some("setIamPolicy") {
        return None;
    }
    if !writes_bindings(call) {
        return Some(Vec::new());
    }
    let current = world.policies.current(resource).render(resource, 3, world);
    let wanted = call.field("policy").cloned().unwrap_or_default();
    Some(modified_grants(&current, &wanted))
}

/// Whether the update mask includes the bindings, as it does by default.
fn writes_bindings(call: &Call) -> bool {
    let mask = call.text("updateMask");
    mask.is_empty() || mask.split(',').any(|path| path.trim() == "bindings")
}

/// The roles whose members, under one condition or another, differ between two policies.
fn modified_grants(before: &Value, after: &Value) -> Vec<String> {
    let (before, after) = (grants(before), grants(after));
    let changed: BTreeSet<&String> = before
        .symmetric_difference(&after)
        .map(|(role, ..)| role)
        .collect();
    changed.into_iter().cloned().collect()
}

/// Role, member and condition of each grant. E-mail addresses are compared without regard to case.
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

fn check_fields(policy: &Value) -> Result<(), ApiError> {
    let known = [
        "version",
        "bindings",
        "etag",
        "auditConfigs",
        "audit_configs",
        "rules",
    ];
    let fields = policy
        .as_object()
        .ok_or_else(|| ApiError::invalid("Invalid value at 'policy': not an object."))?;
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(ApiError::unknown_field(
            name,
            "Cannot find field at 'policy'.",
        )),
        None => Ok(()),
    }
}

fn test(world: &mut World, call: &Call, resource: &Resource) -> Result<Value, ApiError> {
    call.only(&[], &["permissions", "resource"])?;
    let wanted = call
        .field("permissions")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let wanted: Vec<&str> = wanted.iter().filter_map(Value::as_str).collect();
    if let Some(wild) = wanted.iter().find(|permission| permission.contains('*')) {
        return Err(ApiError::invalid(format!(
            "Permission {wild} is not valid: wildcards are not allowed."
        )));
    }
    let granted = permissions(world, &call.caller, resource, &wanted)?;
    match granted.is_empty() {
        true => Ok(json!({})),
        false => Ok(json!({ "permissions": granted })),
    }
}

/// Those of `wanted` that the caller has on `resource`.
///
/// # Errors
/// 401 without a valid token.
pub(crate) fn permissions(
    world: &mut World,
    caller: &Caller,
    resource: &Resource,
    wanted: &[&str],
) -> Result<Vec<String>, ApiError> {
    let target = Target::of(resource, world);
    let mut granted = Vec::new();
    for permission in wanted {
        let allowed = match caller {
            Caller::Anonymous if world.settings.anonymous_admin => true,
            Caller::Anonymous => return Err(ApiError::credentials_missing()),
            Caller::Invalid => return Err(ApiError::credentials_invalid("ACCESS_TOKEN_EXPIRED")),
            Caller::Known(grant) => world.allows(&grant.principal, permission, &target),
        };
        if allowed {
            granted.push((*permission).to_owned());
        }
    }
    Ok(granted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_counts_as_modified_when_its_members_or_their_condition_change() {
        let condition = json!({"title": "t", "expression": "true"});
        let before = json!({"bindings": [
            {"role": "roles/a", "members": ["user:x@acme.com", "user:y@acme.com"]},
            {"role": "roles/b", "members": ["user:x@acme.com"]},
            {"role": "roles/c", "members": ["user:x@acme.com"], "condition": condition},
        ]});
        assert_eq!(modified_grants(&before, &before), Vec::<String>::new());
        let reordered = json!({"bindings": [
            {"role": "roles/c", "members": ["user:x@acme.com"], "condition": condition},
            {"role": "roles/b", "members": ["user:X@acme.com"], "condition": null},
            {"role": "roles/a", "members": ["user:y@acme.com"]},
            {"role": "roles/a", "members": ["user:x@acme.com"]},
        ]});
        assert_eq!(modified_grants(&before, &reordered), Vec::<String>::new());
        let changed = json!({"bindings": [
            {"role": "roles/a", "members": ["user:x@acme.com"]},
            {"role": "roles/b", "members": ["user:x@acme.com"]},
            {"role": "roles/c", "members": ["user:x@acme.com"]},
            {"role": "roles/d", "members": ["user:x@acme.com"]},
        ]});
        assert_eq!(
            modified_grants(&before, &changed),
            ["roles/a", "roles/c", "roles/d"]
        );
        assert_eq!(
            modified_grants(&before, &Value::Null),
            ["roles/a", "roles/b", "roles/c"]
        );
    }
}
