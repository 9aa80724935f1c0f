//! Creating, changing, deleting and undeleting custom roles.

use serde_json::{Value, json};

use super::{existing, not_found};
use crate::api::call::{Call, field, snake};
use crate::api::errors::ApiError;
use crate::services::iam::text_field;
use crate::world::World;
use crate::world::roles::{CustomRole, Existence};

const MAX_TITLE: usize = 100;
const MAX_DESCRIPTION: usize = 256;
const MAX_PERMISSIONS: usize = 3_000;
const STAGES: [&str; 6] = ["ALPHA", "BETA", "GA", "DEPRECATED", "DISABLED", "EAP"];

/// `POST /v1/projects/{project}/roles`
pub(super) fn create(world: &mut World, call: &Call, project: &str) -> Result<Value, ApiError> {
    call.check_known(&[], &["roleId", "role", "parent"])?;
    let id = call.text("roleId");
    check_id(&id)?;
    let name = format!("projects/{project}/roles/{id}");
    match world.roles.existence(&name, world.clock.now()) {
        Existence::Live => {
            return Err(ApiError::already_exists(format!(
                "A role named {id} in projects/{project} already exists."
            )));
        }
        Existence::Deleted | Existence::Purged => {
            return Err(ApiError::failed_precondition(format!(
                "You can't create a role with role_id ({id}) where there is an existing role with that role_id in a \
                 deleted state."
            )));
        }
        Existence::Never => {}
    }
    let mut role = CustomRole {
        name: name.clone(),
        ..CustomRole::default()
    };
    let wanted = call.field("role").cloned().unwrap_or(json!({}));
    copy_fields(
        &mut role,
        &wanted,
        &["title", "description", "stage", "includedPermissions"],
    )?;
    world.roles.put(role);
    world.roles.render(&name).ok_or_else(|| not_found(&name))
}

pub(super) fn patch(world: &mut World, call: &Call, name: &str) -> Result<Value, ApiError> {
    call.check_known(
        &["updateMask"],
        &[
            "name",
            "title",
            "description",
            "stage",
            "includedPermissions",
            "etag",
            "deleted",
        ],
    )?;
    let now = world.clock.now();
    let found = world.roles.custom.get(name).cloned();
    let Some(mut role) = found.filter(|_| world.roles.existence(name, now) == Existence::Live)
    else {
        return Err(not_found(name));
    };
    check_etag(world, name, &call.text("etag"))?;
    let mask = call.parameter("updateMask").unwrap_or_default();
    let all = ["title", "description", "stage", "includedPermissions"];
    let asked: Vec<&str> = mask.split(',').map(str::trim).collect();
    let paths: Vec<&str> = all
        .into_iter()
        .filter(|path| match mask {
            "" => call.field(path).is_some(),
            _ => asked.contains(path) || asked.contains(&snake(path).as_str()),
        })
        .collect();
    copy_fields(&mut role, &call.body, &paths)?;
    world.roles.put(role);
    existing(world, name)
}

pub(super) fn delete(world: &mut World, call: &Call, name: &str) -> Result<Value, ApiError> {
    call.check_known(&["etag"], &[])?;
    let now = world.clock.now();
    if world.roles.existence(name, now) != Existence::Live {
        return Err(not_found(name));
    }
    check_etag(world, name, call.parameter("etag").unwrap_or_default())?;
    world.roles.set_deleted(name, Some(now));
    existing(world, name)
}

pub(super) fn undelete(world: &mut World, call: &Call, name: &str) -> Result<Value, ApiError> {
    call.check_known(&[], &["name", "etag"])?;
    match world.roles.existence(name, world.clock.now()) {
        Existence::Never | Existence::Purged => return Err(not_found(name)),
        Existence::Live => {
            return Err(ApiError::failed_precondition(format!(
                "The role named {name} is not deleted."
            )));
        }
        Existence::Deleted => {}
    }
    check_etag(world, name, &call.text("etag"))?;
    world.roles.set_deleted(name, None);
    existing(world, name)
}

/// Checks that a change is based on the newest version of the role.
fn check_etag(world: &World, name: &str, sent: &str) -> Result<(), ApiError> {
    let role = world.roles.render(name).unwrap_or_default();
    let now = field(&role, "etag")
        .and_then(Value::as_str)
        .unwrap_or_default();
    match sent.is_empty() || sent == now {
        true => Ok(()),
        false => Err(ApiError::aborted(
            "There were concurrent role changes. Please retry the whole read-modify-write with exponential backoff.",
        )),
    }
}

/// Checks a role id: 3 to 64 letters, digits, `_` and `.`.
fn check_id(id: &str) -> Result<(), ApiError> {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    match (3..=64).contains(&id.len()) && id.bytes().all(inside) {
        true => Ok(()),
        false => Err(ApiError::invalid(format!(
            "The role_id ({id}) must be 3 to 64 characters of [a-zA-Z0-9_.]."
        ))),
    }
}

/// Copies the fields `paths` of the Role `wanted`.
fn copy_fields(role: &mut CustomRole, wanted: &Value, paths: &[&str]) -> Result<(), ApiError> {
    for path in paths {
        match *path {
            "title" => role.title = text_field(wanted, "title", MAX_TITLE)?,
            "description" => {
                role.description = text_field(wanted, "description", MAX_DESCRIPTION)?;
            }
            "stage" => {
                let stage = text_field(wanted, "stage", MAX_TITLE)?;
                if !stage.is_empty() && !STAGES.contains(&stage.as_str()) {
                    return Err(ApiError::invalid(format!(
                        "Invalid value at 'role.stage' (TYPE_ENUM), \"{stage}\""
                    )));
                }
                role.stage = stage;
            }
            _ => role.included_permissions = permissions(wanted)?,
        }
    }
    Ok(())
}

/// The permissions of a role, which must have the form `SERVICE.RESOURCE.VERB`. They need not exist, because only a part of
/// Google's permissions is known here.
fn permissions(role: &Value) -> Result<Vec<String>, ApiError> {
    let list = field(role, "includedPermissions")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    if list.len() > MAX_PERMISSIONS {
        return Err(ApiError::invalid(format!(
            "A role can have at most {MAX_PERMISSIONS} permissions, not {}.",
            list.len()
        )));
    }
    list.iter()
        .map(|each| {
            let text = each.as_str().unwrap_or_default();
            let parts =
                text.split('.').count() >= 3 && text.split('.').all(|part| !part.is_empty());
            match parts && !text.contains('*') {
                true => Ok(text.to_owned()),
                false => Err(ApiError::invalid(format!(
                    "Permission {text} is not valid."
                ))),
            }
        })
        .collect()
}
