//! Permission checks for storage, with errors in storage's words.

use http::request::Parts;

use super::request::{PermissionCheck, Subject};
use crate::api::caller::{Caller, covers};
use crate::api::errors::ApiError;
use crate::api::principal::Principal;
use crate::api::query;
use crate::policy::target::Target;
use crate::world::World;
use crate::world::buckets::Bucket;
use crate::world::resource::Resource;
use crate::world::state::State;

const READ: &[&str] = &[
    "devstorage.read_only",
    "devstorage.read_write",
    "devstorage.full_control",
];
const WRITE: &[&str] = &["devstorage.read_write", "devstorage.full_control"];

/// Checks a permission on an object or a list request.
///
/// # Errors
/// 401, 403, or 404 if the bucket does not exist.
pub(crate) fn check(
    world: &mut World,
    caller: &Caller,
    check: &PermissionCheck,
) -> Result<(), ApiError> {
    let Some(bucket) = world.buckets.get(&check.bucket) else {
        return Err(no_bucket());
    };
    let target = target(bucket, &check.subject);
    require(world, caller, check.permission, &target)
}

/// Checks that the caller is allowed to use the project that the call should be counted for.
///
/// # Errors
/// 403.
pub(crate) fn check_user_project(
    state: &State,
    parts: &Parts,
    caller: &Caller,
) -> Result<(), ApiError> {
    let Some(project) = query::user_project(&parts.uri, &parts.headers) else {
        return Ok(());
    };
    match state.world().can_use_project(caller, &project) {
        true => Ok(()),
        false => Err(ApiError::storage(
            403,
            "forbidden",
            format!(
                "{} does not have serviceusage.services.use access to the Google Cloud project. Permission \
                 'serviceusage.services.use' denied on resource (or it may not exist).",
                caller.name()
            ),
        )),
    }
}

/// Checks a permission on a bucket or a managed folder.
///
/// # Errors
/// 401, 403.
pub(crate) fn check_resource(
    world: &mut World,
    caller: &Caller,
    permission: &str,
    resource: &Resource,
) -> Result<(), ApiError> {
    let target = Target::of(resource, world);
    require(world, caller, permission, &target)
}

/// Checks the permission to delete an object that a write replaces.
///
/// # Errors
/// 403.
pub(crate) async fn check_overwrite(
    state: &State,
    caller: &Caller,
    create: &PermissionCheck,
) -> Result<(), ApiError> {
    let Subject::Object(object) = &create.subject else {
        return Ok(());
    };
    if create.permission != "storage.objects.create" {
        return Ok(());
    }
    let delete = PermissionCheck::object(&create.bucket, "storage.objects.delete", object);
    let denied = check(&mut state.world(), caller, &delete).err();
    match denied {
        Some(denied)
            if state
                .object_store()?
                .has_object(&create.bucket, object)
                .await? =>
        {
            Err(denied)
        }
        _ => Ok(()),
    }
}

pub(crate) fn no_bucket() -> ApiError {
    ApiError::storage(404, "notFound", "The specified bucket does not exist.")
}

pub(crate) fn missing() -> ApiError {
    ApiError::storage(404, "notFound", "Not Found")
}

/// The target of a check: the managed folders that contain the object or the prefix, longest name first; the bucket; the
/// project.
fn target(bucket: &Bucket, subject: &Subject) -> Target {
    let (path, name, kind, list_prefix) = match subject {
        Subject::Object(object) => (
            object,
            format!("projects/_/buckets/{}/objects/{object}", bucket.name),
            "storage.googleapis.com/Object",
            None,
        ),
        Subject::List(prefix) => (
            prefix,
            format!("projects/_/buckets/{}", bucket.name),
            "storage.googleapis.com/Bucket",
            Some(prefix.clone()),
        ),
    };
    let folders = bucket
        .folders
        .keys()
        .rev()
        .filter(|folder| path.starts_with(folder.as_str()));
    let mut chain: Vec<Resource> = folders
        .map(|folder| Resource::ManagedFolder {
            bucket: bucket.name.clone(),
            folder: folder.clone(),
        })
        .collect();
    chain.push(Resource::Bucket(bucket.name.clone()));
    chain.push(Resource::Project(bucket.project.clone()));
    Target {
        chain,
        name,
        shown: None,
        modified_roles: None,
        kind,
        service: "storage.googleapis.com",
        list_prefix,
    }
}

fn require(
    world: &mut World,
    caller: &Caller,
    permission: &str,
    target: &Target,
) -> Result<(), ApiError> {
    let is_read = permission.ends_with(".get") || permission.ends_with(".list");
    let anonymous = Principal::Anonymous;
    let principal = match caller {
        Caller::Anonymous if world.settings.anonymous_admin => return Ok(()),
        Caller::Anonymous => &anonymous,
        Caller::Invalid => return Err(ApiError::storage(401, "authError", "Invalid Credentials")),
        Caller::Known(grant) if covers(&grant.scopes, if is_read { READ } else { WRITE }) => {
            &grant.principal
        }
        Caller::Known(_) => {
            return Err(ApiError::storage(
                403,
                "forbidden",
                "Request had insufficient authentication scopes.",
            ));
        }
    };
    if world.allows(principal, permission, target) {
        return Ok(());
    }
    let resource_kind = match target.kind {
        "storage.googleapis.com/Object" => "object",
        "storage.googleapis.com/ManagedFolder" => "managed folder",
        "cloudresourcemanager.googleapis.com/Project" => "project",
        _ => "bucket",
    };
    let message = format!(
        "{} does not have {permission} access to the Google Cloud Storage {resource_kind}. Permission '{permission}' denied on \
         resource (or it may not exist).",
        principal.name()
    );
    Err(match principal {
        Principal::Anonymous => ApiError::storage(401, "required", message),
        _ => ApiError::storage(403, "forbidden", message),
    })
}
