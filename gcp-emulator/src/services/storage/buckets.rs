//! Buckets in the storage JSON API.

use serde_json::{Value, json};

use super::access::{self, missing};
use super::managed_folders;
use super::policies::{self, count_update};
use crate::api::call::Call;
use crate::api::errors::ApiError;
use crate::api::query::is_true;
use crate::world::World;
use crate::world::buckets::Bucket;
use crate::world::resource::Resource;
use crate::world::state::State;

/// Before a deletion: checks the permission, and that the object store has no objects in the bucket or folder.
///
/// # Errors
/// 401, 403, 409.
pub(crate) async fn check_empty(state: &State, call: &Call) -> Result<(), ApiError> {
    if call.method != http::Method::DELETE || state.object_store().is_err() {
        return Ok(());
    }
    match call.parts().as_slice() {
        ["storage", "v1", "b", bucket] => {
            let resource = Resource::Bucket((*bucket).to_owned());
            check_exists(&state.world(), bucket)?;
            access::check_resource(
                &mut state.world(),
                &call.caller,
                "storage.buckets.delete",
                &resource,
            )?;
            state.object_store()?.delete_bucket(bucket).await
        }
        ["storage", "v1", "b", bucket, "managedFolders", name] => {
            check_exists(&state.world(), bucket)?;
            let resource = managed_folders::resource(bucket, name);
            access::check_resource(
                &mut state.world(),
                &call.caller,
                "storage.managedFolders.delete",
                &resource,
            )?;
            let is_forced = is_true(&call.query, "allowNonEmpty");
            state.ensure_bucket(bucket).await?;
            match !is_forced && state.object_store()?.has_prefix(bucket, name).await? {
                true => Err(managed_folders::not_empty()),
                false => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Serves a call on buckets, managed folders or their policies; `None` means 204.
///
/// # Errors
/// In storage's form.
pub(crate) fn dispatch(
    world: &mut World,
    call: &Call,
    base: &str,
) -> Result<Option<Value>, ApiError> {
    let parts = call.parts();
    let method = call.method.as_str();
    match (method, parts.as_slice()) {
        ("GET", ["storage", "v1", "b"]) => list(world, call, base).map(Some),
        ("POST", ["storage", "v1", "b"]) => create(world, call, base).map(Some),
        ("GET", ["storage", "v1", "projects", project, "serviceAccount"]) => {
            service_account(world, call, project).map(Some)
        }
        (_, ["storage", "v1", "b", bucket, rest @ ..]) => {
            check_exists(world, bucket)?;
            match (method, rest) {
                ("GET", []) => get(world, call, bucket, base).map(Some),
                ("PATCH" | "PUT", []) => patch(world, call, bucket, base).map(Some),
                ("DELETE", []) => delete(world, call, bucket).map(|()| None),
                ("GET", ["storageLayout"]) => layout(world, call, bucket).map(Some),
                (_, ["iam", rest @ ..]) => {
                    let resource = Resource::Bucket((*bucket).to_owned());
                    policies::serve(world, call, &resource, "storage.buckets", rest).map(Some)
                }
                (_, ["managedFolders", rest @ ..]) => {
                    managed_folders::dispatch(world, call, bucket, rest, base)
                }
                _ => Err(missing()),
            }
        }
        _ => Err(missing()),
    }
}

fn check_exists(world: &World, bucket: &str) -> Result<(), ApiError> {
    match world.buckets.contains_key(bucket) {
        true => Ok(()),
        false => Err(access::no_bucket()),
    }
}

fn list(world: &mut World, call: &Call, base: &str) -> Result<Value, ApiError> {
    let project = project(world, call)?;
    let resource = Resource::Project(project.clone());
    access::check_resource(world, &call.caller, "storage.buckets.list", &resource)?;
    let number = world.number(&project);
    let prefix = call.parameter("prefix").unwrap_or_default();
    let items: Vec<Value> = world
        .buckets
        .values()
        .filter(|bucket| bucket.project == project && bucket.name.starts_with(prefix))
        .map(|bucket| bucket.render(number, base))
        .collect();
    Ok(json!({"kind": "storage#buckets", "items": items}))
}

fn project(world: &World, call: &Call) -> Result<String, ApiError> {
    let name = call
        .parameter("project")
        .ok_or_else(|| ApiError::storage(400, "required", "Required parameter: project"))?;
    existing_project(world, name)
}

fn existing_project(world: &World, name: &str) -> Result<String, ApiError> {
    world
        .project(name)
        .map(|project| project.id.clone())
        .ok_or_else(|| ApiError::storage(404, "notFound", "The requested project was not found."))
}

/// The account as which storage itself acts in a project.
fn service_account(world: &mut World, call: &Call, project: &str) -> Result<Value, ApiError> {
    let project = existing_project(world, project)?;
    let resource = Resource::Project(project.clone());
    access::check_resource(
        world,
        &call.caller,
        "resourcemanager.projects.get",
        &resource,
    )?;
    let number = world.number(&project);
    Ok(json!({
        "kind": "storage#serviceAccount",
        "email_address": format!("service-{number}@gs-project-accounts.iam.gserviceaccount.com"),
    }))
}

fn create(world: &mut World, call: &Call, base: &str) -> Result<Value, ApiError> {
    let project = project(world, call)?;
    let resource = Resource::Project(project.clone());
    access::check_resource(world, &call.caller, "storage.buckets.create", &resource)?;
    let name = call.text("name");
    check_name(&name)?;
    if world.buckets.contains_key(&name) {
        return Err(ApiError::storage(
            409,
            "conflict",
            "Your previous request to create the named bucket succeeded and you already own it.",
        ));
    }
    let now = world.clock.now();
    let mut bucket = Bucket::new(
        &name,
        &project,
        uniform_access(&call.body).unwrap_or(false),
        now,
    );
    bucket.set_location(&call.text("location"));
    bucket.write_settings(&call.body, now);
    let answer = bucket.render(world.number(&project), base);
    world.add_bucket(bucket, now);
    Ok(answer)
}

/// Checks a bucket name: 3 to 63 lower-case letters, digits, `-`, `_` and `.`, with a letter or digit at both ends.
fn check_name(name: &str) -> Result<(), ApiError> {
    let edge = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let inside = |byte: &u8| edge(byte) || matches!(byte, b'-' | b'_' | b'.');
    let bytes = name.as_bytes();
    let is_valid = (3..=63).contains(&bytes.len())
        && bytes.iter().all(inside)
        && bytes.first().is_some_and(edge)
        && bytes.last().is_some_and(edge);
    match is_valid {
        true => Ok(()),
        false => Err(ApiError::storage(
            400,
            "invalid",
            format!("Invalid bucket name: '{name}'"),
        )),
    }
}

/// Whether the body enables uniform bucket-level access, if it says so.
fn uniform_access(body: &Value) -> Option<bool> {
    body.pointer("/iamConfiguration/uniformBucketLevelAccess/enabled")?
        .as_bool()
}

fn get(world: &mut World, call: &Call, name: &str, base: &str) -> Result<Value, ApiError> {
    let resource = Resource::Bucket(name.to_owned());
    access::check_resource(world, &call.caller, "storage.buckets.get", &resource)?;
    let bucket = world.buckets.get(name).ok_or_else(access::no_bucket)?;
    Ok(bucket.render(world.number(&bucket.project), base))
}

fn patch(world: &mut World, call: &Call, name: &str, base: &str) -> Result<Value, ApiError> {
    let resource = Resource::Bucket(name.to_owned());
    access::check_resource(world, &call.caller, "storage.buckets.update", &resource)?;
    count_update(world, &resource)?;
    let now = world.clock.now();
    let enabled = uniform_access(&call.body);
    let conditional = world.policies.current(&resource).is_conditional();
    let bucket = world.buckets.get_mut(name).ok_or_else(access::no_bucket)?;
    if enabled == Some(false) && (conditional || !bucket.folders.is_empty()) {
        return Err(ApiError::storage(
            412,
            "conditionNotMet",
            "Uniform bucket-level access cannot be disabled while the bucket has conditional bindings or managed folders.",
        ));
    }
    bucket.uniform = enabled.unwrap_or(bucket.uniform);
    bucket.write_settings(&call.body, now);
    bucket.metageneration += 1;
    let bucket = world.buckets.get(name).ok_or_else(access::no_bucket)?;
    Ok(bucket.render(world.number(&bucket.project), base))
}

fn delete(world: &mut World, call: &Call, name: &str) -> Result<(), ApiError> {
    let resource = Resource::Bucket(name.to_owned());
    access::check_resource(world, &call.caller, "storage.buckets.delete", &resource)?;
    if let Some(bucket) = world.buckets.remove(name) {
        for each in bucket.folders.keys() {
            world
                .policies
                .remove(&managed_folders::resource(name, each));
        }
    }
    world.policies.remove(&resource);
    Ok(())
}

fn layout(world: &mut World, call: &Call, name: &str) -> Result<Value, ApiError> {
    let resource = Resource::Bucket(name.to_owned());
    access::check_resource(world, &call.caller, "storage.objects.list", &resource)?;
    Ok(json!({
        "kind": "storage#storageLayout", "bucket": name, "location": "US", "locationType": "multi-region",
        "hierarchicalNamespace": {"enabled": false},
    }))
}
