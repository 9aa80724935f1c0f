//! Creating, changing and deleting projects (Resource Manager v1).

use serde_json::{Map, Value, json};

use crate::api::call::Call;
use crate::api::errors::ApiError;
use crate::api::principal::Principal;
use crate::policy::write;
use crate::world::World;
use crate::world::projects::Project;
use crate::world::resource::Resource;

const FIELDS: &[&str] = &[
    "projectId",
    "projectNumber",
    "lifecycleState",
    "name",
    "createTime",
    "labels",
    "parent",
    "tags",
    "etag",
];

/// `POST /v1/projects`: any person may create a project, under any parent. They become its owner.
///
/// # Errors
/// 400 for an id or a name that breaks a rule, 401, 403 for a caller who is not a person, 409 for a taken id.
pub(crate) fn create(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    call.check_known(&[], FIELDS)?;
    let owner = match world.authenticated(&call.caller)? {
        None => None,
        Some(Principal::User { email }) => Some(email.clone()),
        Some(_) => {
            let permission = "resourcemanager.projects.create";
            return Err(ApiError::denied(permission, None));
        }
    };
    let id = call.text("projectId");
    check_id(&id)?;
    if world.projects.contains_key(&id) {
        return Err(ApiError::already_exists("Requested entity already exists"));
    }
    let (number, now) = (free_number(world), world.clock.now());
    let mut project = Project::new(&id, number, now);
    apply(&mut project, call)?;
    let mut response = project.render();
    response["@type"] = json!("type.googleapis.com/google.cloudresourcemanager.v1.Project");
    world.projects.insert(id.clone(), project);
    if let Some(email) = owner {
        let owners = json!({"role": "roles/owner", "members": [format!("user:{email}")]});
        let policy = json!({"version": 1, "bindings": [owners]});
        write::set_since(world, &Resource::Project(id), &policy, now)?;
    }
    Ok(world.start_operation("cp", &response))
}

/// `PUT /v1/projects/{project}`: name, labels and parent. The caller's permission has been checked.
///
/// # Errors
/// 400 for a name that breaks a rule.
pub(super) fn update(world: &mut World, call: &Call, id: &str) -> Result<Value, ApiError> {
    call.check_known(&[], FIELDS)?;
    let project = world.projects.get_mut(id);
    let project = project.ok_or_else(|| ApiError::not_found("Requested entity was not found."))?;
    apply(project, call)?;
    Ok(project.render())
}

/// `DELETE /v1/projects/{project}`: requests the deletion. The caller's permission has been checked.
pub(super) fn delete(world: &mut World, id: &str) -> Value {
    if let Some(project) = world.projects.get_mut(id) {
        project.deleted = true;
    }
    json!({})
}

fn apply(project: &mut Project, call: &Call) -> Result<(), ApiError> {
    let name = call.text("name");
    if !name.is_empty() {
        check_display_name(&name)?;
        project.name = name;
    }
    let labels = call.field("labels").and_then(Value::as_object);
    project.labels = labels.cloned().unwrap_or_else(Map::new);
    if let Some(parent) = call.field("parent") {
        project.parent = parent.clone();
    }
    Ok(())
}

/// Checks a project id: 6 to 30 lower-case letters, digits and hyphens; a letter at the start, no hyphen at the end.
fn check_id(id: &str) -> Result<(), ApiError> {
    let inside = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    let bytes = id.as_bytes();
    let is_valid = (6..=30).contains(&bytes.len())
        && bytes.first().is_some_and(u8::is_ascii_lowercase)
        && bytes.last().is_some_and(|last| *last != b'-')
        && bytes.iter().all(inside);
    match is_valid {
        true => Ok(()),
        false => Err(ApiError::invalid(format!(
            "field [project_id] has issue [project_id \"{id}\" contains invalid characters, or has an invalid length]"
        ))),
    }
}

/// Checks a display name: 4 to 30 letters, digits, spaces and `-'"!`.
fn check_display_name(name: &str) -> Result<(), ApiError> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-'\"! ".contains(letter);
    match (4..=30).contains(&name.len()) && name.chars().all(allowed) {
        true => Ok(()),
        false => Err(ApiError::invalid(format!(
            "field [display_name] has issue [project display name \"{name}\" contains invalid characters, or has an \
             invalid length]"
        ))),
    }
}

/// A project number of 12 digits that no project has.
fn free_number(world: &mut World) -> u64 {
    const FIRST: u64 = 100_000_000_000;
    loop {
        let number = FIRST + world.random.below(9 * FIRST);
        if world.any_project(&number.to_string()).is_none() {
            return number;
        }
    }
}
