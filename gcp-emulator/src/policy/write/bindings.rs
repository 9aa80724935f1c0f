//! The rules that the bindings of a new policy must follow.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::api::errors::ApiError;
use crate::policy::{conditions, members};
use crate::world::World;
use crate::world::members::Member;
use crate::world::policies::{Binding, Condition};
use crate::world::resource::Resource;
use crate::world::roles;

const MAX_CONDITIONS_PER_GRANT: usize = 20;
/// Maximum length of a condition's title and description, in bytes.
const MAX_TITLE: usize = 100;
const MAX_DESCRIPTION: usize = 256;

/// Parses, checks and merges bindings; those without members are dropped.
///
/// # Errors
/// 400 for a binding that breaks a rule.
pub(super) fn bindings(
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
    let mut positions: HashMap<(String, String), usize> = HashMap::new();
    for (index, each) in list.iter().enumerate() {
        let binding = binding(world, resource, index, each)?;
        if binding.members.is_empty() {
            continue;
        }
        let condition = binding
            .condition
            .as_ref()
            .map(|condition| condition.json.to_string());
        let key = (binding.role.clone(), condition.unwrap_or_default());
        match positions.get(&key).and_then(|at| merged.get_mut(*at)) {
            Some(same) => add_members(&mut same.members, binding.members),
            None => {
                positions.insert(key, merged.len());
                merged.push(binding);
            }
        }
    }
    check_conditions_per_grant(&merged)?;
    Ok(merged)
}

fn binding(
    world: &mut World,
    resource: &Resource,
    index: usize,
    each: &Value,
) -> Result<Binding, ApiError> {
    let Some(fields) = each.as_object() else {
        return Err(ApiError::invalid(format!(
            "Invalid value at 'policy.bindings[{index}]': not an object."
        )));
    };
    if let Some(unknown) = fields
        .keys()
        .find(|key| !matches!(key.as_str(), "role" | "members" | "condition" | "bindingId"))
    {
        let field = format!("Cannot find field at 'policy.bindings[{index}]'.");
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
                "Invalid value at 'policy.bindings[{index}].members'."
            ))
        })?;
        check_public_member(resource, text)?;
        add_members(&mut members, vec![members::parse(text, world)?]);
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

fn add_members(members: &mut Vec<Member>, more: Vec<Member>) {
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

/// Only resources of storage can be public.
fn check_public_member(resource: &Resource, member: &str) -> Result<(), ApiError> {
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

/// Checks the fields of a condition. The title is required; title and description have a maximum length.
fn check_condition_fields(condition: &Value) -> Result<(), ApiError> {
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
    if roles::is_basic(role) {
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
    check_condition_fields(condition)?;
    let expression = text(condition, "expression");
    let program = conditions::compile(expression).map_err(|error| {
        ApiError::invalid(format!("Condition expression compilation failed: {error}."))
    })?;
    Ok(Condition {
        program,
        json: condition.clone(),
    })
}

/// At most 20 bindings of the same role and member with different conditions.
fn check_conditions_per_grant(bindings: &[Binding]) -> Result<(), ApiError> {
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
