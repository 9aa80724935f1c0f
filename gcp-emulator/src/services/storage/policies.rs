//! Policies of buckets and managed folders, in the form of the storage API.

use serde_json::{Value, json};

use super::access::{self, missing};
use crate::api::call::Call;
use crate::api::errors::ApiError;
use crate::policy::{methods, write};
use crate::world::World;
use crate::world::resource::Resource;

/// Takes one from the update quota of a bucket, or of a managed folder, which has its own (assumed).
pub(crate) fn count_update(world: &mut World, resource: &Resource) -> Result<(), ApiError> {
    let now = world.clock.now();
    let name = match resource {
        Resource::ManagedFolder { bucket, folder } => format!("{bucket}/{folder}"),
        Resource::Bucket(bucket) => bucket.clone(),
        other => other.full_name(),
    };
    world
        .quotas
        .update_bucket(&name, &world.settings.limits, now)
}

/// Serves `…/iam` and `…/iam/testPermissions` of a bucket or a managed folder, whose permissions begin with `family`.
pub(crate) fn serve(
    world: &mut World,
    call: &Call,
    resource: &Resource,
    family: &str,
    rest: &[&str],
) -> Result<Value, ApiError> {
    match (call.method.as_str(), rest) {
        ("GET", []) => {
            access::check_resource(
                world,
                &call.caller,
                &format!("{family}.getIamPolicy"),
                resource,
            )?;
            let requested = call.parameter("optionsRequestedPolicyVersion");
            let version = requested.map_or(Ok(1), str::parse).unwrap_or(-1);
            methods::get_version(world, resource, version)
        }
        ("PUT", []) => {
            access::check_resource(
                world,
                &call.caller,
                &format!("{family}.setIamPolicy"),
                resource,
            )?;
            count_update(world, resource)?;
            write::set(world, resource, &call.body)
        }
        ("GET", ["testPermissions"]) => {
            let wanted: Vec<&str> = call
                .query
                .iter()
                .filter(|(name, _)| name == "permissions")
                .map(|(_, value)| value.as_str())
                .collect();
            let granted = methods::granted_permissions(world, &call.caller, resource, &wanted)?;
            let mut answer = json!({"kind": "storage#testIamPermissionsResponse"});
            if let (Some(answer), false) = (answer.as_object_mut(), granted.is_empty()) {
                answer.insert("permissions".to_owned(), json!(granted));
            }
            Ok(answer)
        }
        _ => Err(missing()),
    }
}
