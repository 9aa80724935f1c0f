//! setIamPolicy: checks a new policy and stores it.

mod audit;
mod bindings;

use jiff::Timestamp;
use serde_json::Value;

use crate::api::errors::{ApiError, ErrorFormat};
use crate::policy::refusals;
use crate::world::World;
use crate::world::policies::Binding;
use crate::world::resource::Resource;

/// Replaces the policy of `resource` by `wanted` (JSON) if its etag, version, roles, members and conditions are valid, and
/// returns the stored policy.
///
/// # Errors
/// 400 for a policy that breaks a rule, 409 (in storage 412) for a stale etag; the error of an organization policy.
pub(crate) fn set(
    world: &mut World,
    resource: &Resource,
    wanted: &Value,
) -> Result<Value, ApiError> {
    refusals::check_policy(world, resource, wanted)?;
    let now = world.clock.now();
    set_since(world, resource, wanted, now)
}

/// As [`set`], with effect from `since`, and without organization policies.
///
/// # Errors
/// As [`set`].
pub(crate) fn set_since(
    world: &mut World,
    resource: &Resource,
    wanted: &Value,
    since: Timestamp,
) -> Result<Value, ApiError> {
    let format = if resource.in_storage() {
        ErrorFormat::Storage
    } else {
        ErrorFormat::Rpc
    };
    check_and_set(world, resource, wanted, since).map_err(|error| error.in_format(format))
}

fn check_and_set(
    world: &mut World,
    resource: &Resource,
    wanted: &Value,
    since: Timestamp,
) -> Result<Value, ApiError> {
    let version = version(wanted)?;
    let bindings = bindings::bindings(world, resource, wanted)?;
    let audit_configs = audit::audit_configs(world, resource, wanted)?;
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
            return Err(stale_etag(resource, etag, &now));
        }
        if current.is_conditional() && version != 3 {
            return Err(ApiError::invalid(
                "The policy in force has conditions: to change it, read and write it with version 3.",
            ));
        }
    }
    check_size(world, &bindings, wanted)?;
    let now = world.clock.now();
    let content = (bindings, audit_configs);
    world.policies.set(resource, content, since, now);
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

fn stale_etag(resource: &Resource, sent: &str, now: &str) -> ApiError {
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

fn check_size(world: &World, bindings: &[Binding], wanted: &Value) -> Result<(), ApiError> {
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
