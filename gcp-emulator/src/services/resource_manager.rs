//! Resource Manager v1 and v3: projects and their policies.

use serde_json::{Value, json};

use crate::api::call::Call;
use crate::api::errors::ApiError;
use crate::policy::methods;
use crate::policy::modified_grants::modified_roles;
use crate::policy::target::Target;
use crate::world::World;
use crate::world::controls::quotas::Quota;
use crate::world::resource::Resource;

const SCOPES: &[&str] = &["cloudplatformprojects", "cloudplatformprojects.readonly"];

/// Serves `/{version}/projects/{project}` and its policy verbs.
///
/// # Errors
/// 403 for a project that does not exist or is not allowed; those of [`methods`].
pub(crate) fn project(
    world: &mut World,
    call: &Call,
    version: &str,
    project: &str,
) -> Result<Value, ApiError> {
    let verb = call.verb.as_deref();
    let permission = match verb {
        None => "resourcemanager.projects.get",
        Some("getIamPolicy") => "resourcemanager.projects.getIamPolicy",
        Some("setIamPolicy") => "resourcemanager.projects.setIamPolicy",
        Some("testIamPermissions") => "",
        Some(other) => return Err(ApiError::not_found(format!("Method {other} not found."))),
    };
    let Some(found) = world.project(project).cloned() else {
        return Err(ApiError::denied(
            permission,
            Some(&format!("projects/{project}")),
        ));
    };
    let resource = Resource::Project(found.id.clone());
    if !permission.is_empty() {
        let target = Target {
            modified_roles: modified_roles(world, call, &resource),
            ..Target::of(&resource, world).shown_as(&format!("projects/{project}"))
        };
        world.require(&call.caller, SCOPES, permission, &target)?;
    }
    let quota = match (verb, version) {
        (Some("setIamPolicy"), _) => Quota::Write,
        (_, "v1") => Quota::ProjectRead,
        _ => Quota::Read,
    };
    world.take_quota(quota, &found.id)?;
    match (verb, version) {
        (Some(verb), _) => methods::serve(world, call, &resource, verb),
        (None, "v1") => Ok(json!({
            "projectId": found.id,
            "projectNumber": found.number.to_string(),
            "lifecycleState": "ACTIVE",
            "name": found.id,
        })),
        (None, _) => Ok(json!({
            "name": format!("projects/{}", found.number),
            "projectId": found.id,
            "displayName": found.id,
            "state": "ACTIVE",
        })),
    }
}
