//! Which handler serves which path (storage and the admin API have their own doors).

use serde_json::Value;

use crate::call::Call;
use crate::errors::ApiError;
use crate::state::World;
use crate::{credentials, crm, iam, sts, tokeninfo};

/// Serves one IAM, credentials, STS, resource manager or tokeninfo call.
///
/// # Errors
/// As the handlers; 404 for a path that Google does not have, 501 for one that only the emulator lacks.
pub(crate) fn dispatch(world: &mut World, call: &Call) -> Result<Value, ApiError> {
    let method = call.method.as_str();
    let verb = call.verb.as_deref();
    match (method, call.parts().as_slice(), verb) {
        ("POST", ["v1", "token"], None) => sts::exchange(world, call),
        (_, ["tokeninfo"] | ["oauth2", "v1" | "v2" | "v3", "tokeninfo"], None) => {
            tokeninfo::tokeninfo(world, call)
        }
        ("POST", ["v1", "projects", project, "serviceAccounts"], None) => {
            iam::create(world, call, project)
        }
        ("GET", ["v1", "projects", project, "serviceAccounts"], None) => {
            iam::list::list(world, call, project)
        }
        (_, ["v1", "projects", project, "serviceAccounts", name], _) => {
            account(world, call, project, name)
        }
        ("GET", ["v1", "roles", role], None) => iam::role(world, &format!("roles/{role}")),
        ("GET", ["v1", "projects", project, "roles", role], None) => {
            iam::role(world, &format!("projects/{project}/roles/{role}"))
        }
        ("GET", [version @ ("v1" | "v3"), "projects", project], None)
        | ("POST", [version @ ("v1" | "v3"), "projects", project], Some(_)) => {
            crm::project(world, call, version, project)
        }
        _ => Err(nothing(call)),
    }
}

fn account(world: &mut World, call: &Call, project: &str, name: &str) -> Result<Value, ApiError> {
    use iam::lifecycle;
    match (call.method.as_str(), call.verb.as_deref()) {
        ("GET", None) => iam::get(world, call, project, name),
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
            iam::policy(world, call, project, name, verb)
        }
        ("POST", Some(verb @ ("generateIdToken" | "signBlob" | "signJwt"))) => Err(
            ApiError::unimplemented(format!("gcp-emulator does not emulate {verb}")),
        ),
        _ => Err(nothing(call)),
    }
}

fn nothing(call: &Call) -> ApiError {
    let verb = call
        .verb
        .as_ref()
        .map(|verb| format!(":{verb}"))
        .unwrap_or_default();
    ApiError::not_found(format!(
        "Method not found: {} /{}{verb} (gcp-emulator serves no such path).",
        call.method,
        call.segments.join("/")
    ))
}
