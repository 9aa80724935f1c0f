//! IAM for storage: managed folders, the bucket, its project, in storage's words.

use http::request::Parts;

use super::request::{Check, On};
use crate::api::call;
use crate::api::caller::{Caller, covers};
use crate::api::errors::ApiError;
use crate::api::principal::Principal;
use crate::policy::authorize::Target;
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

/// Lets the call pass if its bearer may do what `check` says.
///
/// # Errors
/// 401, 403, or 404 for a bucket that there is not.
pub(crate) fn check(world: &mut World, caller: &Caller, check: &Check) -> Result<(), ApiError> {
    let Some(bucket) = world.buckets.get(&check.bucket) else {
        return Err(no_bucket());
    };
    let target = target(bucket, &check.on);
    require(world, caller, check.permission, &target)
}

/// Refuses a call that is to be counted for a project which its caller may not use.
///
/// # Errors
/// 403.
pub(crate) fn check_user_project(
    state: &State,
    parts: &Parts,
    caller: &Caller,
) -> Result<(), ApiError> {
    let Some(project) = call::user_project(&parts.uri, &parts.headers) else {
        return Ok(());
    };
    match state.world().may_use_project(caller, &project) {
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

/// As [`check`], for a bucket or a managed folder itself.
///
/// # Errors
/// 401, 403.
pub(crate) fn on_resource(
    world: &mut World,
    caller: &Caller,
    permission: &str,
    resource: &Resource,
) -> Result<(), ApiError> {
    let target = Target::of(resource, world);
    require(world, caller, permission, &target)
}

/// Who replaces an object must also be allowed to delete it.
///
/// # Errors
/// 403.
pub(crate) async fn check_overwrite(
    state: &State,
    caller: &Caller,
    create: &Check,
) -> Result<(), ApiError> {
    let On::Object(object) = &create.on else {
        return Ok(());
    };
    if create.permission != "storage.objects.create" {
        return Ok(());
    }
    let delete = Check::object(&create.bucket, "storage.objects.delete", object);
    let denied = check(&mut state.world(), caller, &delete).err();
    match denied {
        Some(denied) if state.object_store()?.has(&create.bucket, object).await? => Err(denied),
        _ => Ok(()),
    }
}

pub(crate) fn no_bucket() -> ApiError {
    ApiError::storage(404, "notFound", "The specified bucket does not exist.")
}

pub(crate) fn missing() -> ApiError {
    ApiError::storage(404, "notFound", "Not Found")
}

/// Managed folders whose names begin the object's (or the listing's prefix), longest first; bucket; project.
fn target(bucket: &Bucket, on: &On) -> Target {
    let (path, name, kind, list_prefix) = match on {
        On::Object(object) => (
            object,
            format!("projects/_/buckets/{}/objects/{object}", bucket.name),
            "storage.googleapis.com/Object",
            None,
        ),
        On::List(prefix) => (
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
    let reads = permission.ends_with(".get") || permission.ends_with(".list");
    let nobody = Principal::Anonymous;
    let principal = match caller {
        Caller::Anonymous if world.settings.anonymous_admin => return Ok(()),
        Caller::Anonymous => &nobody,
        Caller::Invalid => return Err(ApiError::storage(401, "authError", "Invalid Credentials")),
        Caller::Known(grant) if covers(&grant.scopes, if reads { READ } else { WRITE }) => {
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
    let what = match target.kind {
        "storage.googleapis.com/Object" => "object",
        "storage.googleapis.com/ManagedFolder" => "managed folder",
        "cloudresourcemanager.googleapis.com/Project" => "project",
        _ => "bucket",
    };
    let message = format!(
        "{} does not have {permission} access to the Google Cloud Storage {what}. Permission '{permission}' denied on \
         resource (or it may not exist).",
        principal.name()
    );
    Err(match principal {
        Principal::Anonymous => ApiError::storage(401, "required", message),
        _ => ApiError::storage(403, "forbidden", message),
    })
}
