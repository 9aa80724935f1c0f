//! Predefined and custom roles.

mod edit;

use serde_json::{Map, Value, json};

use super::require_in_project;
use crate::api::call::Call;
use crate::api::errors::ApiError;
use crate::api::paging::page_size;
use crate::api::query::is_true;
use crate::world::World;
use crate::world::controls::quotas::Quota;
use crate::world::roles::Existence;

const DEFAULT_PAGE: usize = 300;
const MAX_PAGE: usize = 1_000;

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
/// 400 for an invalid page token.
pub(crate) fn list_predefined(world: &World, call: &Call) -> Result<Value, ApiError> {
    call.check_known(
        &["pageSize", "pageToken", "view", "showDeleted", "parent"],
        &[],
    )?;
    page(world, call, world.roles.predefined())
}

/// Serves `/v1/projects/{project}/roles` and the paths below it.
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
    let project = require_in_project(world, call, project, permission)?;
    let quota = match method {
        "GET" => Quota::Read,
        _ => Quota::Write,
    };
    world.take_quota(quota, &project)?;
    let name = |role: &str| format!("projects/{project}/roles/{role}");
    match (method, role) {
        ("GET", None) => list(world, call, &project),
        ("GET", Some(role)) => existing(world, &name(role)),
        (_, None) => edit::create(world, call, &project),
        ("PATCH", Some(role)) => edit::patch(world, call, &name(role)),
        ("DELETE", Some(role)) => edit::delete(world, call, &name(role)),
        (_, Some(role)) => edit::undelete(world, call, &name(role)),
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
    call.check_known(&["pageSize", "pageToken", "view", "showDeleted"], &[])?;
    let (now, all) = (world.clock.now(), is_true(&call.query, "showDeleted"));
    let names = world.roles.of_project(project).filter(|name| {
        let existence = world.roles.existence(name, now);
        existence == Existence::Live || (all && existence == Existence::Deleted)
    });
    page(world, call, names)
}

/// One page of roles, with their permissions if `view=FULL`. The page token is the name of the next role.
fn page<'n>(
    world: &World,
    call: &Call,
    names: impl Iterator<Item = &'n str>,
) -> Result<Value, ApiError> {
    let names: Vec<&str> = names.collect();
    let size = page_size(call.parameter("pageSize"), DEFAULT_PAGE, MAX_PAGE)?;
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
