//! getIamPolicy, setIamPolicy and testIamPermissions for the resources of google.rpc APIs.

use serde_json::{Value, json};

use crate::api::call::{Call, field};

use crate::api::caller::Caller;
use crate::api::errors::ApiError;
use crate::policy::modified_grants::writes;
use crate::policy::target::Target;
use crate::policy::write;
use crate::world::World;
use crate::world::resource::Resource;

/// Serves a policy method on `resource`. The caller's permission has been checked.
///
/// # Errors
/// 400, 409; 404 for any other verb.
pub(crate) fn serve(
    world: &mut World,
    call: &Call,
    resource: &Resource,
    verb: &str,
) -> Result<Value, ApiError> {
    match verb {
        "getIamPolicy" => get(world, call, resource),
        "setIamPolicy" => set(world, call, resource),
        "testIamPermissions" => test(world, call, resource),
        _ => Err(ApiError::not_found(format!("Method {verb} not found."))),
    }
}

fn get(world: &mut World, call: &Call, resource: &Resource) -> Result<Value, ApiError> {
    call.check_known(
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
    get_version(world, resource, version)
}

/// The policy, as far as propagated, for a reader who requested this version.
///
/// # Errors
/// 400 for an invalid version.
pub(crate) fn get_version(
    world: &mut World,
    resource: &Resource,
    version: i64,
) -> Result<Value, ApiError> {
    if !matches!(version, 0 | 1 | 3) {
        return Err(ApiError::invalid(
            "Invalid policy version. Valid versions are 0, 1, and 3.",
        ));
    }
    let horizon = world.horizon(world.settings.delays.policy_read);
    let policy = world.policies.at(resource, horizon);
    Ok(policy.render(resource, version, world))
}

fn set(world: &mut World, call: &Call, resource: &Resource) -> Result<Value, ApiError> {
    call.check_known(&[], &["policy", "updateMask", "resource"])?;
    let empty = json!({});
    let mut policy = call.field("policy").unwrap_or(&empty).clone();
    check_fields(&policy)?;
    keep_unwritten(world, call, resource, &mut policy);
    write::set(world, resource, &policy)
}

/// Replaces what the update mask leaves out by what the policy in force has.
fn keep_unwritten(world: &World, call: &Call, resource: &Resource, policy: &mut Value) {
    let current = world.policies.current(resource).render(resource, 3, world);
    let Some(policy) = policy.as_object_mut() else {
        return;
    };
    let kept = |name: &str| current.get(name).cloned().unwrap_or(json!([]));
    if !writes(call, "bindings") {
        policy.insert("version".to_owned(), json!(3));
        policy.insert("bindings".to_owned(), kept("bindings"));
    }
    if !writes(call, "auditConfigs") {
        policy.remove("audit_configs");
        policy.insert("auditConfigs".to_owned(), kept("auditConfigs"));
    }
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
    call.check_known(&[], &["permissions", "resource"])?;
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
    let granted = granted_permissions(world, &call.caller, resource, &wanted)?;
    match granted.is_empty() {
        true => Ok(json!({})),
        false => Ok(json!({ "permissions": granted })),
    }
}

/// The permissions of `wanted` that the caller has on `resource`.
///
/// # Errors
/// 401 without a valid token.
pub(crate) fn granted_permissions(
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
            Caller::Known(grant) => world.would_allow(&grant.principal, permission, &target),
        };
        if allowed {
            granted.push((*permission).to_owned());
        }
    }
    Ok(granted)
}
