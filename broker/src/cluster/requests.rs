//! Parameters of the broker's writes to the API server, and what its errors mean.

use kube::ResourceExt;
use kube::api::{DeleteParams, PatchParams, PostParams, Preconditions};
use namesake_api::names;

/// Creates, or replaces, as field manager `namesake-broker`.
#[must_use]
pub fn post_params() -> PostParams {
    PostParams {
        field_manager: Some(names::FIELD_MANAGER_BROKER.to_owned()),
        ..PostParams::default()
    }
}

/// Patches as field manager `namesake-broker`.
#[must_use]
pub fn patch_params() -> PatchParams {
    PatchParams {
        field_manager: Some(names::FIELD_MANAGER_BROKER.to_owned()),
        ..PatchParams::default()
    }
}

/// Deletes the object only if it is still the version that was read.
#[must_use]
pub fn delete_this_version(object: &impl ResourceExt) -> DeleteParams {
    delete_if(object.uid(), object.resource_version())
}

/// Deletes this object in whatever version, but not a later one of the same name.
#[must_use]
pub fn delete_this_object(object: &impl ResourceExt) -> DeleteParams {
    delete_if(object.uid(), None)
}

fn delete_if(uid: Option<String>, resource_version: Option<String>) -> DeleteParams {
    DeleteParams {
        preconditions: Some(Preconditions {
            uid,
            resource_version,
        }),
        ..DeleteParams::default()
    }
}

/// Namespace and name of a namespaced object.
#[must_use]
pub fn namespace_and_name(object: &impl ResourceExt) -> (String, String) {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// Kind, namespace and name of an object, for messages.
#[must_use]
pub fn described(kind: &str, object: &impl ResourceExt) -> String {
    let (namespace, name) = namespace_and_name(object);
    format!("{kind} {namespace}/{name}")
}

/// Whether the API server refuses because RBAC or a policy denies it to the broker.
#[must_use]
pub fn is_forbidden(error: &kube::Error) -> bool {
    has_code(error, 403)
}

/// Whether the object does not exist.
#[must_use]
pub fn is_not_found(error: &kube::Error) -> bool {
    has_code(error, 404)
}

/// Whether the object is not the version that was read.
#[must_use]
pub fn is_conflict(error: &kube::Error) -> bool {
    has_code(error, 409)
}

/// Whether an object of this name exists already.
#[must_use]
pub fn already_exists(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.reason == "AlreadyExists")
}

fn has_code(error: &kube::Error, code: u16) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == code)
}
