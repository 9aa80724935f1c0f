//! The handlers of the APIs, and which of them serves which path. Storage and the emulator's own API have their own entry
//! points.

use serde_json::Value;

use crate::api::call::Call;
use crate::api::errors::ApiError;
use crate::api::paths::service;
use crate::world::World;

mod billing;
mod credentials;
pub(crate) mod iam;
mod resource_manager;
mod service_usage;
pub(crate) mod storage;
mod sts;
mod tokeninfo;

/// Serves one call of any API but storage.
///
/// # Errors
/// Those of the handlers; 404 for an unknown path, 501 for one that is not emulated.
pub(crate) fn dispatch(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    if let Some(project) = &call.user_project
        && !world.can_use_project(&call.caller, project)
    {
        let service = service(&call.path()).unwrap_or("iam.googleapis.com");
        return Err(ApiError::user_project_denied(project, service));
    }
    let method = call.method.as_str();
    let verb = call.verb.as_deref();
    match (method, call.parts().as_slice(), verb) {
        ("POST", ["v1", "token"], None) => sts::exchange(world, call),
        ("POST", ["v1", "introspect"], None) => sts::introspect(world, call),
        (_, ["tokeninfo"] | ["oauth2", "v1" | "v2" | "v3", "tokeninfo"], None) => {
            tokeninfo::tokeninfo(world, call)
        }
        ("GET" | "POST", ["v1", "userinfo"] | ["oauth2", "v1" | "v2" | "v3", "userinfo"], None) => {
            tokeninfo::userinfo(world, call)
        }
        ("POST", ["v1", "projects", project, "serviceAccounts"], None) => {
            iam::accounts::create(world, call, project)
        }
        ("GET", ["v1", "projects", project, "serviceAccounts"], None) => {
            iam::list::list(world, call, project)
        }
        (_, ["v1", "projects", project, "serviceAccounts", name], _) => {
            account(world, call, project, name)
        }
        _ => projects(world, call),
    }
}

/// Projects, their services and billing accounts, and operations.
fn projects(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    let method = call.method.as_str();
    match (method, call.parts().as_slice(), call.verb.as_deref()) {
        ("POST", ["v1", "projects"], None) => resource_manager::edit::create(world, call),
        (_, [version @ ("v1" | "v3"), "projects", project], _) => {
            resource_manager::project(world, call, version, project)
        }
        (_, ["v1", "projects", project, "services"], _) => {
            service_usage::dispatch(world, call, project, None)
        }
        (_, ["v1", "projects", project, "services", service], _) => {
            service_usage::dispatch(world, call, project, Some(service))
        }
        (_, ["v1", "projects", project, "billingInfo"], None) => {
            billing::project(world, call, project)
        }
        ("POST", ["v1", "billingAccounts", _], Some("testIamPermissions")) => {
            billing::test_permissions(world, call)
        }
        ("GET", ["v1", "operations", name], None) => operation(world, call, name),
        _ => roles_and_keys(world, call),
    }
}

/// A long-running operation, which is done by the first time that somebody asks.
fn operation(world: &World, call: &Call, name: &str) -> Result<Value, ApiError> {
    world.authenticated(&call.caller)?;
    let found = world.operations.get(&format!("operations/{name}"));
    found
        .cloned()
        .ok_or_else(|| ApiError::not_found("Requested entity was not found."))
}

/// Roles, published keys, and APIs that are not emulated.
fn roles_and_keys(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    let method = call.method.as_str();
    match (method, call.parts().as_slice(), call.verb.as_deref()) {
        ("POST", ["v1", "permissions"], Some("queryTestablePermissions")) => {
            iam::permissions::query_testable(world, call)
        }
        ("GET", ["v1", "roles"], None) => iam::roles::list_predefined(world, call),
        ("GET", ["v1", "roles", role], None) => iam::roles::predefined(world, role),
        (_, ["v1", "projects", project, "roles"], _) => {
            iam::roles::of_project(world, call, project, None)
        }
        (_, ["v1", "projects", project, "roles", role], _) => {
            iam::roles::of_project(world, call, project, Some(role))
        }
        ("GET", ["oauth2", "v1", "certs"] | ["robot", "v1", "metadata", "x509", _], None) => {
            credentials::certificates()
        }
        (
            "GET",
            ["oauth2", "v3", "certs"]
            | ["robot", "v1", "metadata", "jwk", _]
            | ["service_accounts", "v1", "jwk", _],
            None,
        ) => credentials::json_web_keys(),
        (_, ["v2", "policies", ..], _) => Err(ApiError::unimplemented(
            "gcp-emulator does not emulate deny policies (IAM v2)",
        )),
        (
            _,
            [
                "v2",
                "projects" | "folders" | "organizations",
                _,
                "policies" | "constraints",
                ..,
            ],
            _,
        ) => Err(ApiError::unimplemented(
            "gcp-emulator does not emulate organization policies (Organization Policy v2)",
        )),
        _ => Err(call.not_served()),
    }
}

fn account(world: &mut World, call: &Call, project: &str, name: &str) -> Result<Value, ApiError> {
    use iam::lifecycle;
    match (call.method.as_str(), call.verb.as_deref()) {
        ("GET", None) => iam::accounts::get(world, call, project, name),
        ("PATCH", None) => lifecycle::patch(world, call, project, name),
        ("PUT", None) => lifecycle::update(world, call, project, name),
        ("DELETE", None) => lifecycle::delete(world, call, project, name),
        ("POST", Some("enable")) => lifecycle::set_disabled(world, call, project, name, false),
        ("POST", Some("disable")) => lifecycle::set_disabled(world, call, project, name, true),
        ("POST", Some("undelete")) => lifecycle::undelete(world, call, project, name),
        ("POST", Some("generateAccessToken")) => {
            credentials::generate_access_token(world, call, project, name)
        }
        ("POST", Some(verb @ ("getIamPolicy" | "setIamPolicy" | "testIamPermissions"))) => {
            iam::accounts::policy(world, call, project, name, verb)
        }
        ("POST", Some("generateIdToken")) => {
            credentials::generate_id_token(world, call, project, name)
        }
        ("POST", Some("signBlob")) => credentials::sign_blob(world, call, project, name),
        ("POST", Some("signJwt")) => credentials::sign_jwt(world, call, project, name),
        _ => Err(call.not_served()),
    }
}
