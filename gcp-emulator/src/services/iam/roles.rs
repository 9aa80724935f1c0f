//! Roles: Google's and the projects' own, which can be made, changed and deleted.

use serde_json::{Map, Value, json};

use super::on_project;
use crate::api::call::{Call, field, is_true};
use crate::api::errors::ApiError;
use crate::world::World;
use crate::world::controls::quotas::Quota;
use crate::world::roles::{CustomRole, Existence};

const DEFAULT_PAGE: usize = 300;
const MAX_PAGE: usize = 1_000;
const MAX_TITLE: usize = 100;
const MAX_DESCRIPTION: usize = 256;
const MAX_PERMISSIONS: usize = 3_000;
const STAGES: [&str; 6] = ["ALPHA", "BETA", "GA", "DEPRECATED", "DISABLED", "EAP"];

/// `GET /v1/roles/{role}`
///
/// # Errors
/// 404.
pub(crate) fn predefined(world: &World, role: &str) -> Result<Value, ApiError> {
    let name = format!("roles/{role}");
    world.roles.render(&name).ok_or_else(|| not_found(&name))
}

/// `GET /v1/roles`
///
/// # Errors
/// 400 for a page token that is not ours.
pub(crate) fn list_predefined(world: &World, call: &Call) -> Result<Value, ApiError> {
    call.only(
        &["pageSize", "pageToken", "view", "showDeleted", "parent"],
        &[],
    )?;
    page(world, call, world.roles.predefined())
}

/// Serves `/v1/projects/{project}/roles` and what is below it.
///
/// # Errors
/// 400, 403, 404, 409, 429.
pub(crate) fn of_project(
    world: &mut World,
    call: &Call,
    project: &str,
    role: Option<&str>,
) -> Result<Value, ApiError> {
    let (method, verb) = (call.method.as_str(), call.verb.as_deref());
    let permission = match (method, role, verb) {
        ("GET", None, None) => "iam.roles.list",
        ("GET", Some(_), None) => "iam.roles.get",
        ("POST", None, None) => "iam.roles.create",
        ("PATCH", Some(_), None) => "iam.roles.update",
        ("DELETE", Some(_), None) => "iam.roles.delete",
        ("POST", Some(_), Some("undelete")) => "iam.roles.undelete",
        _ => return Err(call.not_served()),
    };
    let project = on_project(world, call, project, permission)?;
    let quota = match method {
        "GET" => Quota::Read,
        _ => Quota::Write,
    };
    let (now, limits, number) = (
        world.clock.now(),
        world.settings.limits.clone(),
        world.number(&project),
    );
    world.quotas.take(quota, number, &limits, now)?;
    let name = |role: &str| format!("projects/{project}/roles/{role}");
    match (method, role) {
        ("GET", None) => list(world, call, &project),
        ("GET", Some(role)) => existing(world, &name(role)),
        (_, None) => create(world, call, &project),
        ("PATCH", Some(role)) => patch(world, call, &name(role)),
        ("DELETE", Some(role)) => delete(world, call, &name(role)),
        (_, Some(role)) => undelete(world, call, &name(role)),
    }
}

fn not_found(name: &str) -> ApiError {
    ApiError::not_found(format!("The role named {name} was not found."))
}

fn existing(world: &World, name: &str) -> Result<Value, ApiError> {
    match world.roles.existence(name, world.clock.now()) {
        Existence::Never | Existence::Purged => Err(not_found(name)),
        Existence::Live | Existence::Deleted => {
            world.roles.render(name).ok_or_else(|| not_found(name))
        }
    }
}

fn list(world: &World, call: &Call, project: &str) -> Result<Value, ApiError> {
    call.only(&["pageSize", "pageToken", "view", "showDeleted"], &[])?;
    let (now, all) = (world.clock.now(), is_true(&call.query, "showDeleted"));
    let names = world.roles.of_project(project).filter(|name| {
        let existence = world.roles.existence(name, now);
        existence == Existence::Live || (all && existence == Existence::Deleted)
    });
    page(world, call, names)
}

/// One page of roles; what they permit is in it with `view=FULL` only. The page token is the name that comes next.
fn page<'n>(
    world: &World,
    call: &Call,
    names: impl Iterator<Item = &'n str>,
) -> Result<Value, ApiError> {
    let names: Vec<&str> = names.collect();
    let size = match call.parameter("pageSize").map(str::parse::<usize>) {
        None | Some(Ok(0)) => DEFAULT_PAGE,
        Some(Ok(size)) => size.min(MAX_PAGE),
        Some(Err(_)) => {
            return Err(ApiError::invalid(
                "Invalid value at 'page_size' (TYPE_INT32).",
            ));
        }
    };
    let from = match call
        .parameter("pageToken")
        .filter(|token| !token.is_empty())
    {
        None => 0,
        Some(token) => names
            .iter()
            .position(|&name| name == token)
            .ok_or_else(|| ApiError::invalid("Invalid page token."))?,
    };
    let full = call.parameter("view") == Some("FULL");
    let mut roles = Vec::new();
    for name in names.iter().skip(from).take(size) {
        let mut role = world.roles.render(name).unwrap_or_default();
        if let (Some(role), false) = (role.as_object_mut(), full) {
            role.remove("includedPermissions");
        }
        roles.push(role);
    }
    let mut answer = Map::new();
    if !roles.is_empty() {
        answer.insert("roles".to_owned(), json!(roles));
    }
    if let Some(next) = names.get(from.saturating_add(size)) {
        answer.insert("nextPageToken".to_owned(), json!(next));
    }
    Ok(Value::Object(answer))
}

fn create(world: &mut World, call: &Call, project: &str) -> Result<Value, ApiError> {
    call.only(&[], &["roleId", "role", "parent"])?;
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
            return Err(ApiError::precondition(format!(
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
    change(
        &mut role,
        &wanted,
        &["title", "description", "stage", "includedPermissions"],
    )?;
    world.roles.put(role);
    world.roles.render(&name).ok_or_else(|| not_found(&name))
}

fn patch(world: &mut World, call: &Call, name: &str) -> Result<Value, ApiError> {
    call.only(
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
            _ => asked.contains(path) || asked.contains(&crate::api::call::snake(path).as_str()),
        })
        .collect();
    change(&mut role, &call.body, &paths)?;
    world.roles.put(role);
    existing(world, name)
}

fn delete(world: &mut World, call: &Call, name: &str) -> Result<Value, ApiError> {
    call.only(&["etag"], &[])?;
    let now = world.clock.now();
    if world.roles.existence(name, now) != Existence::Live {
        return Err(not_found(name));
    }
    check_etag(world, name, call.parameter("etag").unwrap_or_default())?;
    world.roles.set_deleted(name, Some(now));
    existing(world, name)
}

fn undelete(world: &mut World, call: &Call, name: &str) -> Result<Value, ApiError> {
    call.only(&[], &["name", "etag"])?;
    match world.roles.existence(name, world.clock.now()) {
        Existence::Never | Existence::Purged => return Err(not_found(name)),
        Existence::Live => {
            return Err(ApiError::precondition(format!(
                "The role named {name} is not deleted."
            )));
        }
        Existence::Deleted => {}
    }
    check_etag(world, name, &call.text("etag"))?;
    world.roles.set_deleted(name, None);
    existing(world, name)
}

/// Refuses a change of another version of the role than the newest.
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

/// 3 to 64 letters, digits, `_` and `.`.
fn check_id(id: &str) -> Result<(), ApiError> {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    match (3..=64).contains(&id.len()) && id.bytes().all(inside) {
        true => Ok(()),
        false => Err(ApiError::invalid(format!(
            "The role_id ({id}) must be 3 to 64 characters of [a-zA-Z0-9_.]."
        ))),
    }
}

/// Takes the fields `paths` from the Role `wanted`.
fn change(role: &mut CustomRole, wanted: &Value, paths: &[&str]) -> Result<(), ApiError> {
    for path in paths {
        match *path {
            "title" => role.title = super::text(wanted, "title", MAX_TITLE)?,
            "description" => {
                role.description = super::text(wanted, "description", MAX_DESCRIPTION)?;
            }
            "stage" => {
                let stage = super::text(wanted, "stage", MAX_TITLE)?;
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

/// Permissions have the form `SERVICE.RESOURCE.VERB`. Whether there is such a permission is not asked: only a part of
/// Google's list is known here.
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
