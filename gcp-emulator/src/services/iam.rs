//! IAM's own API: service accounts and roles. This module has what their methods share.

use serde_json::Value;

use crate::api::call::{Call, field};
use crate::api::errors::ApiError;
use crate::policy::modified_grants::modified_roles;
use crate::policy::target::Target;
use crate::world::World;
use crate::world::controls::quotas::Quota;
use crate::world::resource::Resource;

pub(crate) mod accounts;
pub(crate) mod lifecycle;
pub(crate) mod list;
pub(crate) mod permissions;
pub(crate) mod roles;

/// Scopes of IAM besides cloud-platform.
const SCOPES: &[&str] = &["iam"];

/// The unique id of the account in a path, if the caller has `permission` on it. An empty permission is not checked, as for
/// testIamPermissions.
///
/// # Errors
/// 401, 403, 404, 429.
fn find_account(
    world: &mut World,
    call: &Call,
    project: &str,
    name: &str,
    permission: &str,
    quota: Quota,
) -> Result<String, ApiError> {
    let created = world.horizon(world.settings.delays.service_account_get);
    let changed = world.horizon(world.settings.delays.service_account_update);
    let found = world
        .accounts
        .visible(name, created, changed)
        .map(|(account, _)| (account.uid.clone(), account.project.clone()))
        .filter(|(_, home)| {
            project == "-"
                || world
                    .project(project)
                    .is_some_and(|project| project.id == *home)
        });
    let shown = format!("projects/{project}/serviceAccounts/{name}");
    let Some((uid, home)) = found else {
        return Err(missing_account(world, call, project, &shown, permission));
    };
    if !permission.is_empty() {
        let resource = Resource::ServiceAccount {
            uid: uid.clone(),
            project: home.clone(),
        };
        let target = Target {
            modified_roles: modified_roles(world, call, &resource),
            ..Target::of(&resource, world).shown_as(&shown)
        };
        world.require(&call.caller, SCOPES, permission, &target)?;
    }
    world.take_quota(quota, &home)?;
    Ok(uid)
}

/// The error for an account that does not exist: 404 for callers with the permission in the project, 403 for others and for
/// `projects/-/`.
fn missing_account(
    world: &mut World,
    call: &Call,
    project: &str,
    shown: &str,
    permission: &str,
) -> ApiError {
    let is_unchecked = permission.is_empty();
    let permission = if is_unchecked {
        "iam.serviceAccounts.get"
    } else {
        permission
    };
    let Some(home) = world.project(project).map(|project| project.id.clone()) else {
        return ApiError::denied(permission, Some(shown));
    };
    let target = Target::of(&Resource::Project(home), world).shown_as(shown);
    match world.require(&call.caller, SCOPES, permission, &target) {
        Err(error) if !is_unchecked => error,
        _ => unknown_account(),
    }
}

/// The id of the project in a path, if the caller has `permission` in it.
///
/// # Errors
/// 401, 403.
fn require_in_project(
    world: &mut World,
    call: &Call,
    project: &str,
    permission: &str,
) -> Result<String, ApiError> {
    let shown = format!("projects/{project}");
    require_shown_as(world, call, project, permission, &shown)
}

/// As [`require_in_project`]; an error names the resource `shown`.
fn require_shown_as(
    world: &mut World,
    call: &Call,
    project: &str,
    permission: &str,
    shown: &str,
) -> Result<String, ApiError> {
    let Some(id) = world.project(project).map(|project| project.id.clone()) else {
        return Err(ApiError::denied(permission, Some(shown)));
    };
    let target = Target::of(&Resource::Project(id.clone()), world).shown_as(shown);
    world.require(&call.caller, SCOPES, permission, &target)?;
    Ok(id)
}

fn unknown_account() -> ApiError {
    ApiError::not_found("Unknown service account")
}

/// A text field with a maximum length in bytes; empty if it is absent.
fn text_field(fields: &Value, name: &str, max: usize) -> Result<String, ApiError> {
    let text = match field(fields, name) {
        None => "",
        Some(value) => value.as_str().ok_or_else(|| {
            ApiError::invalid(format!(
                "Invalid value at 'service_account.{name}' (TYPE_STRING)"
            ))
        })?,
    };
    match text.len() <= max {
        true => Ok(text.to_owned()),
        false => Err(ApiError::invalid(format!(
            "The {name} is {} bytes long: at most {max} bytes are allowed.",
            text.len()
        ))),
    }
}
