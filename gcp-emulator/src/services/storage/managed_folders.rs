//! Managed folders: prefixes with their own policy.

use serde_json::{Value, json};

use super::access::{self, missing};
use super::policies;
use crate::api::call::Call;
use crate::api::errors::ApiError;
use crate::api::query::is_true;
use crate::world::World;
use crate::world::controls::clock::rfc3339;
use crate::world::object_store::encode;
use crate::world::resource::Resource;

/// Maximum nesting of managed folders (documented).
const MAX_DEPTH: usize = 15;

/// Checks the name of a managed folder: it ends with `/`, and has at most 15 parts, no empty part and no control
/// character.
///
/// # Errors
/// 400 in storage's form.
pub(crate) fn check_name(name: &str) -> Result<(), ApiError> {
    let inner = name.strip_suffix('/');
    let is_valid = name.len() <= 1_024
        && inner.is_some_and(|inner| {
            inner
                .split('/')
                .all(|part| !part.is_empty() && part != "." && part != "..")
        })
        && !name.chars().any(char::is_control);
    let depth = name.matches('/').count();
    match is_valid {
        true if depth <= MAX_DEPTH => Ok(()),
        true => Err(ApiError::storage(
            400,
            "invalid",
            format!(
                "Invalid managed folder name: \"{name}\". Managed folders can be nested up to {MAX_DEPTH} levels deep, \
                 this one is at level {depth}."
            ),
        )),
        false => Err(ApiError::storage(
            400,
            "invalid",
            format!("Invalid managed folder name: \"{name}\". The name must end with a slash."),
        )),
    }
}

pub(crate) fn resource(bucket: &str, folder: &str) -> Resource {
    Resource::ManagedFolder {
        bucket: bucket.to_owned(),
        folder: folder.to_owned(),
    }
}

pub(crate) fn not_empty() -> ApiError {
    ApiError::storage(
        409,
        "conflict",
        "The managed folder you tried to delete is not empty.",
    )
}

/// Serves `/b/{bucket}/managedFolders…`; `None` means 204.
///
/// # Errors
/// In storage's form.
pub(crate) fn dispatch(
    world: &mut World,
    call: &Call,
    bucket: &str,
    rest: &[&str],
    base: &str,
) -> Result<Option<Value>, ApiError> {
    match (call.method.as_str(), rest) {
        ("GET", [] | [""]) => list(world, call, bucket, base).map(Some),
        ("POST", [] | [""]) => create(world, call, bucket, base).map(Some),
        ("GET", [name]) => get(world, call, bucket, name, base).map(Some),
        ("DELETE", [name]) => delete(world, call, bucket, name).map(|()| None),
        (_, [name, "iam", rest @ ..]) => {
            check_exists(world, bucket, name)?;
            policies::serve(
                world,
                call,
                &resource(bucket, name),
                "storage.managedFolders",
                rest,
            )
            .map(Some)
        }
        _ => Err(missing()),
    }
}

fn check_exists(world: &World, bucket: &str, name: &str) -> Result<(), ApiError> {
    let bucket = world.buckets.get(bucket).ok_or_else(access::no_bucket)?;
    match bucket.folders.contains_key(name) {
        true => Ok(()),
        false => Err(ApiError::storage(
            404,
            "notFound",
            "The specified managed folder does not exist.",
        )),
    }
}

fn render(world: &World, bucket: &str, name: &str, base: &str) -> Value {
    let created = world
        .buckets
        .get(bucket)
        .and_then(|bucket| bucket.folders.get(name));
    let created = created.map(|at| rfc3339(*at)).unwrap_or_default();
    json!({
        "kind": "storage#managedFolder",
        "id": format!("{bucket}/{name}"),
        "selfLink": format!("{base}/storage/v1/b/{bucket}/managedFolders/{}", encode(name)),
        "name": name,
        "bucket": bucket,
        "metageneration": "1",
        "createTime": created,
        "updateTime": created,
    })
}

/// Checks a permission on a managed folder, which the folders around it, the bucket and the project can grant.
fn require(
    world: &mut World,
    call: &Call,
    permission: &str,
    bucket: &str,
    name: &str,
) -> Result<(), ApiError> {
    access::check_resource(world, &call.caller, permission, &resource(bucket, name))
}

fn create(world: &mut World, call: &Call, bucket: &str, base: &str) -> Result<Value, ApiError> {
    let name = call.text("name");
    check_name(&name)?;
    require(world, call, "storage.managedFolders.create", bucket, &name)?;
    let now = world.clock.now();
    let parent = world
        .buckets
        .get_mut(bucket)
        .ok_or_else(access::no_bucket)?;
    if !parent.uniform {
        return Err(ApiError::storage(
            412,
            "conditionNotMet",
            "Managed folders need a bucket with uniform bucket-level access.",
        ));
    }
    if parent.folders.contains_key(&name) {
        return Err(ApiError::storage(
            409,
            "conflict",
            "The managed folder already exists.",
        ));
    }
    parent.folders.insert(name.clone(), now);
    Ok(render(world, bucket, &name, base))
}

fn get(
    world: &mut World,
    call: &Call,
    bucket: &str,
    name: &str,
    base: &str,
) -> Result<Value, ApiError> {
    require(world, call, "storage.managedFolders.get", bucket, name)?;
    check_exists(world, bucket, name)?;
    Ok(render(world, bucket, name, base))
}

fn list(world: &mut World, call: &Call, bucket: &str, base: &str) -> Result<Value, ApiError> {
    let parent = Resource::Bucket(bucket.to_owned());
    access::check_resource(world, &call.caller, "storage.managedFolders.list", &parent)?;
    let prefix = call.parameter("prefix").unwrap_or_default();
    let size = call
        .parameter("pageSize")
        .and_then(|size| size.parse().ok())
        .unwrap_or(1_000_usize);
    let after = call.parameter("pageToken").unwrap_or_default();
    let parent = world.buckets.get(bucket).ok_or_else(access::no_bucket)?;
    let mut names = parent
        .folders
        .keys()
        .filter(|name| name.starts_with(prefix) && name.as_str() > after)
        .peekable();
    let page: Vec<&String> = names.by_ref().take(size.clamp(1, 1_000)).collect();
    let items: Vec<Value> = page
        .iter()
        .map(|name| render(world, bucket, name, base))
        .collect();
    let mut answer = json!({"kind": "storage#managedFolders", "items": items});
    if let (Some(answer), Some(last), Some(_)) = (answer.as_object_mut(), page.last(), names.peek())
    {
        answer.insert("nextPageToken".to_owned(), json!(last));
    }
    Ok(answer)
}

fn delete(world: &mut World, call: &Call, bucket: &str, name: &str) -> Result<(), ApiError> {
    require(world, call, "storage.managedFolders.delete", bucket, name)?;
    check_exists(world, bucket, name)?;
    let is_forced = is_true(&call.query, "allowNonEmpty");
    let parent = world
        .buckets
        .get_mut(bucket)
        .ok_or_else(access::no_bucket)?;
    let has_inner = parent
        .folders
        .keys()
        .any(|other| other != name && other.starts_with(name));
    if has_inner && !is_forced {
        return Err(not_empty());
    }
    parent.folders.remove(name);
    world.policies.remove(&resource(bucket, name));
    Ok(())
}
