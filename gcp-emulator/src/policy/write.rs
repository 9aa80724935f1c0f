//! setIamPolicy: every rule a new policy must pass.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::api::errors::{ApiError, Shape};
use crate::policy::{conditions, members, refusals};
use crate::world::members::Member;
use crate::world::policies::{Binding, Condition};
use crate::world::resource::Resource;
use crate::world::{World, roles};

const MAX_CONDITIONS_PER_GRANT: usize = 20;
/// Bytes of a condition's title and description.
const MAX_TITLE: usize = 100;
const MAX_DESCRIPTION: usize = 256;

/// Replaces the policy of `resource` by `wanted` (the Policy JSON) if its etag, version, roles, members and
/// conditions pass; answers the policy as stored.
///
/// # Errors
/// 400 for a policy that breaks a rule, 409 (storage: 412) for a stale etag; what an organization policy refuses.
pub(crate) fn set(
    world: &mut World,
    resource: &Resource,
    wanted: &Value,
) -> Result<Value, ApiError> {
    refusals::of_policy(world, resource, wanted)?;
    let now = world.clock.now();
    set_since(world, resource, wanted, now)
}

/// The same, in force for every reader since `since`.
///
/// # Errors
/// As [`set`].
pub(crate) fn set_since(
    world: &mut World,
    resource: &Resource,
    wanted: &Value,
    since: Timestamp,
) -> Result<Value, ApiError> {
    let shape = if resource.in_storage() {
        Shape::Storage
    } else {
        Shape::Rpc
    };
    checked(world, resource, wanted, since).map_err(|error| error.shaped(shape))
}

fn checked(
    world: &mut World,
    resource: &Resource,
    wanted: &Value,
    since: Timestamp,
) -> Result<Value, ApiError> {
    let version = version(wanted)?;
    let bindings = bindings(world, resource, wanted)?;
    let conditional = bindings.iter().any(|binding| binding.condition.is_some());
    if conditional && version != 3 {
        return Err(ApiError::invalid(
            "Specified policy version is not supported: a policy with conditions needs version 3.",
        ));
    }
    let current = world.policies.current(resource);
    let etag = wanted
        .get("etag")
        .and_then(Value::as_str)
        .filter(|etag| !etag.is_empty());
    if let Some(etag) = etag {
        let now = current.etag(resource);
        if etag != now {
            return Err(stale(resource, etag, &now));
        }
        if current.conditional() && version != 3 {
            return Err(ApiError::invalid(
                "The policy in force has conditions: to change it, read and write it with version 3.",
            ));
        }
    }
    size(world, &bindings, wanted)?;
    let now = world.clock.now();
    world.policies.set(resource, bindings, since, now);
    Ok(world.policies.current(resource).render(resource, 3, world))
}

fn version(wanted: &Value) -> Result<i64, ApiError> {
    let version = match wanted.get("version") {
        None | Some(Value::Null) => 0,
        Some(version) => version.as_i64().unwrap_or(-1),
    };
    match version {
        0 | 1 | 3 => Ok(version),
        _ => Err(ApiError::invalid(
            "Invalid policy version. Valid versions are 0, 1, and 3.",
        )),
    }
}

fn stale(resource: &Resource, sent: &str, now: &str) -> ApiError {
    if resource.in_storage() {
        return ApiError::storage(
            412,
            "conditionNotMet",
            "At least one of the pre-conditions you specified did not hold.",
        );
    }
    ApiError::aborted(format!(
        "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff. The \
         request's ETag '{sent}' did not match the current policy's ETag '{now}'."
    ))
}

/// Reads, checks and merges bindings; those without members are dropped.
fn bindings(
    world: &mut World,
    resource: &Resource,
    wanted: &Value,
) -> Result<Vec<Binding>, ApiError> {
    let list = match wanted.get("bindings") {
        None | Some(Value::Null) => &[],
        Some(Value::Array(list)) => list.as_slice(),
        Some(_) => {
            return Err(ApiError::invalid(
                "Invalid value at 'policy.bindings': not a list.",
            ));
        }
    };
    let mut merged: Vec<Binding> = Vec::new();
    let mut index: HashMap<(String, String), usize> = HashMap::new();
    for (place, each) in list.iter().enumerate() {
        let binding = binding(world, resource, place, each)?;
        if binding.members.is_empty() {
            continue;
        }
        let shown = binding
            .condition
            .as_ref()
            .map(|condition| condition.shown.to_string());
        let key = (binding.role.clone(), shown.unwrap_or_default());
        match index.get(&key).and_then(|at| merged.get_mut(*at)) {
            Some(same) => extend(&mut same.members, binding.members),
            None => {
                index.insert(key, merged.len());
                merged.push(binding);
            }
        }
    }
    conditions_per_grant(&merged)?;
    Ok(merged)
}

fn binding(
    world: &mut World,
    resource: &Resource,
    place: usize,
    each: &Value,
) -> Result<Binding, ApiError> {
    let Some(fields) = each.as_object() else {
        return Err(ApiError::invalid(format!(
            "Invalid value at 'policy.bindings[{place}]': not an object."
        )));
    };
    if let Some(unknown) = fields
        .keys()
        .find(|key| !matches!(key.as_str(), "role" | "members" | "condition" | "bindingId"))
    {
        let field = format!("Cannot find field at 'policy.bindings[{place}]'.");
        return Err(ApiError::unknown_field(unknown, &field));
    }
    let role = each
        .get("role")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    check_role(world, resource, &role)?;
    let mut members = Vec::new();
    for text in each
        .get("members")
        .and_then(Value::as_array)
        .unwrap_or(&Vec::new())
    {
        let text = text.as_str().ok_or_else(|| {
            ApiError::invalid(format!(
                "Invalid value at 'policy.bindings[{place}].members'."
            ))
        })?;
        check_public(resource, text)?;
        extend(&mut members, vec![members::parse(text, world)?]);
    }
    let condition = match each.get("condition") {
        None | Some(Value::Null) => None,
        Some(condition) => Some(Arc::new(check_condition(
            world, resource, &role, condition,
        )?)),
    };
    Ok(Binding {
        role,
        members,
        condition,
    })
}

fn extend(members: &mut Vec<Member>, more: Vec<Member>) {
    for member in more {
        if !members.contains(&member) {
            members.push(member);
        }
    }
}

fn check_role(world: &World, resource: &Resource, role: &str) -> Result<(), ApiError> {
    if !role.contains("roles/") {
        return Err(ApiError::invalid(format!("Invalid role name {role}.")));
    }
    if !world.roles.exists(role) {
        return Err(match role.starts_with("roles/") {
            true => ApiError::invalid(format!("Role {role} is not supported for this resource.")),
            false => ApiError::invalid(format!(
                "Role ({role}) does not exist in the resource's hierarchy."
            )),
        });
    }
    match world.roles.supported(role, resource) {
        true => Ok(()),
        false => Err(ApiError::invalid(format!(
            "Role {role} is not supported for this resource."
        ))),
    }
}

/// Everybody may be a member of what is in storage only.
fn check_public(resource: &Resource, member: &str) -> Result<(), ApiError> {
    match matches!(member, "allUsers" | "allAuthenticatedUsers") && !resource.in_storage() {
        true => Err(ApiError::invalid(format!(
            "Member {member} is invalid due to membership type restrictions on the resource."
        ))),
        false => Ok(()),
    }
}

fn text<'a>(condition: &'a Value, name: &str) -> &'a str {
    let text = condition.get(name).and_then(Value::as_str);
    text.unwrap_or_default()
}

/// A condition has a title; it and the description are short.
fn check_texts(condition: &Value) -> Result<(), ApiError> {
    let known = ["expression", "title", "description", "location"];
    let fields = condition.as_object().ok_or_else(|| {
        ApiError::invalid("Invalid value at 'policy.bindings.condition': not an object.")
    })?;
    if let Some(unknown) = fields.keys().find(|key| !known.contains(&key.as_str())) {
        let place = "Cannot find field at 'policy.bindings.condition'.";
        return Err(ApiError::unknown_field(unknown, place));
    }
    if text(condition, "title").trim().is_empty() {
        return Err(ApiError::invalid(
            "The condition's title must not be empty.",
        ));
    }
    for (name, most) in [("title", MAX_TITLE), ("description", MAX_DESCRIPTION)] {
        if text(condition, name).len() > most {
            return Err(ApiError::invalid(format!(
                "The condition's {name} is longer than {most} bytes."
            )));
        }
    }
    Ok(())
}

fn check_condition(
    world: &World,
    resource: &Resource,
    role: &str,
    condition: &Value,
) -> Result<Condition, ApiError> {
    if roles::basic(role) {
        return Err(ApiError::invalid(
            "Conditions can't be set on primitive roles.",
        ));
    }
    if let Resource::Bucket(bucket) = resource
        && world
            .buckets
            .get(bucket)
            .is_some_and(|bucket| !bucket.uniform)
    {
        return Err(ApiError::invalid(
            "Conditional role bindings can only be added to buckets that have uniform bucket-level access enabled.",
        ));
    }
    check_texts(condition)?;
    let expression = text(condition, "expression");
    let program = conditions::compile(expression).map_err(|error| {
        ApiError::invalid(format!("Condition expression compilation failed: {error}."))
    })?;
    Ok(Condition {
        program,
        shown: condition.clone(),
    })
}

/// At most 20 bindings of the same role and member with different conditions.
fn conditions_per_grant(bindings: &[Binding]) -> Result<(), ApiError> {
    let mut seen: HashMap<&str, Vec<&Binding>> = HashMap::new();
    for binding in bindings
        .iter()
        .filter(|binding| binding.condition.is_some())
    {
        let same_role = seen.entry(&binding.role).or_default();
        for member in &binding.members {
            let others = same_role
                .iter()
                .filter(|other| other.members.contains(member))
                .count();
            if others >= MAX_CONDITIONS_PER_GRANT {
                return Err(ApiError::invalid(format!(
                    "Too many conditional bindings for role {} and the same member: at most {MAX_CONDITIONS_PER_GRANT}.",
                    binding.role
                )));
            }
        }
        same_role.push(binding);
    }
    Ok(())
}

fn size(world: &World, bindings: &[Binding], wanted: &Value) -> Result<(), ApiError> {
    let limits = &world.settings.limits;
    let members: usize = bindings.iter().map(|binding| binding.members.len()).sum();
    if members > limits.policy_members {
        return Err(ApiError::invalid(format!(
            "The number of members in the policy ({members}) is larger than the maximum allowed size {}.",
            limits.policy_members
        )));
    }
    let bytes = wanted.to_string().len();
    if bytes > limits.policy_bytes {
        return Err(ApiError::invalid(format!(
            "The size of the policy ({bytes} bytes) is larger than the maximum allowed size {} bytes.",
            limits.policy_bytes
        )));
    }
    Ok(())
}
