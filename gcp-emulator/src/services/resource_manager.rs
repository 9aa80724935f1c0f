//! Resource Manager v1 and v3: projects and their policies.

use serde_json::Value;

use crate::api::call::Call;
use crate::api::errors::ApiError;
use crate::policy::methods;
use crate::policy::modified_grants::modified_roles;
use crate::policy::target::Target;
use crate::world::World;
use crate::world::controls::quotas::Quota;
use crate::world::resource::Resource;

pub(crate) mod edit;

const SCOPES: &[&str] = &["cloudplatformprojects", "cloudplatformprojects.readonly"];

/// Serves `/{version}/projects/{project}` and its policy verbs.
///
/// # Errors
/// 403 for a project that does not exist or is not allowed; those of [`methods`] and [`edit`].
pub(crate) fn project(
    world: &mut World,
    call: &Call,
    version: &str,
    project: &str,
) -> Result<Value, ApiError> {
    let (method, verb) = (call.method.as_str(), call.verb.as_deref());
    let permission = match (method, verb, version) {
        ("GET", None, _) => "resourcemanager.projects.get",
        ("PUT", None, "v1") => "resourcemanager.projects.update",
        ("DELETE", None, "v1") => "resourcemanager.projects.delete",
        ("POST", Some("getIamPolicy"), _) => "resourcemanager.projects.getIamPolicy",
        ("POST", Some("setIamPolicy"), _) => "resourcemanager.projects.setIamPolicy",
        ("POST", Some("testIamPermissions"), _) => "",
        ("POST", Some(other), _) => {
            return Err(ApiError::not_found(format!("Method {other} not found.")));
        }
        _ => return Err(call.not_served()),
    };
    // A project whose deletion was requested can only be read.
    let found = match method {
        "GET" => world.any_project(project),
        _ => world.project(project),
    };
    let Some(found) = found.cloned() else {
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
    let quota = match (method, verb, version) {
        ("PUT" | "DELETE", ..) | (_, Some("setIamPolicy"), _) => Quota::Write,
        (_, _, "v1") => Quota::ProjectRead,
        _ => Quota::Read,
    };
    world.take_quota(quota, &found.id)?;
    match (method, verb, version) {
        (_, Some(verb), _) => methods::serve(world, call, &resource, verb),
        ("PUT", ..) => edit::update(world, call, &found.id),
        ("DELETE", ..) => Ok(edit::delete(world, &found.id)),
        (_, _, "v1") => Ok(found.render()),
        _ => Ok(found.render_v3()),
    }
}
