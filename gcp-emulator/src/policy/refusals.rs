//! Refusals by the organization around the projects, with Google's error body for each in a file.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::api::errors::ApiError;
use crate::api::paths::{is_storage, service};
use crate::world::World;
use crate::world::controls::glob::glob;
use crate::world::resource::Resource;

mod members;

const MEMBER_DOMAINS: &str = include_str!("refusals/bodies/allowed-policy-member-domains.json");
const MEMBER_DOMAINS_STORAGE: &str =
    include_str!("refusals/bodies/allowed-policy-member-domains.storage.json");
const MEMBERS: &str = include_str!("refusals/bodies/allowed-policy-members.json");
const CREATION: &str = include_str!("refusals/bodies/disable-service-account-creation.json");
const PERIMETER: &str = include_str!("refusals/bodies/perimeter.json");
const PERIMETER_STORAGE: &str = include_str!("refusals/bodies/perimeter.storage.json");
const API_DISABLED: &str = include_str!("refusals/bodies/api-disabled.json");
const ATTRIBUTE_CONDITION: &str = include_str!("refusals/bodies/attribute-condition.json");

/// The refusal of a call to an API that is disabled or protected by a perimeter.
pub(crate) fn check_call(world: &mut World, path: &str) -> Option<ApiError> {
    let service = service(path)?;
    let refusals = &world.settings.refusals;
    let (disabled, outside) = (
        refusals.disabled_apis.contains(service),
        refusals.perimeter.contains(service),
    );
    if !disabled && !outside {
        return None;
    }
    let project = consumer(world, path);
    let error = if disabled {
        let values = [
            ("title", title(service)),
            ("service", service),
            ("project", &project),
        ];
        refused(403, API_DISABLED, &values)
    } else {
        // A new id for each call, as Google has.
        let violation = world.random.secret();
        let values = [
            ("violation", violation.as_str()),
            ("service", service),
            ("project", &project),
        ];
        let body = if is_storage(path) {
            PERIMETER_STORAGE
        } else {
            PERIMETER
        };
        refused(403, body, &values)
    };
    Some(error)
}

/// Checks all members of a policy that is written, not only new ones.
///
/// # Errors
/// The error of the organization policy that does not allow a member.
pub(crate) fn check_policy(
    world: &World,
    resource: &Resource,
    wanted: &Value,
) -> Result<(), ApiError> {
    let refusals = &world.settings.refusals;
    let name = resource.full_name();
    if let Some(allowed) = &refusals.allowed_policy_member_domains {
        let members = members::disallowed(wanted, allowed);
        if !members.is_empty() && resource.in_storage() {
            return Err(refused(412, MEMBER_DOMAINS_STORAGE, &[]));
        }
        if !members.is_empty() {
            return Err(disallowed_members(&name, &members));
        }
    }
    let allowed = refusals.allowed_policy_members.as_ref();
    if allowed.is_some_and(|allowed| !members::disallowed(wanted, allowed).is_empty()) {
        return Err(refused(400, MEMBERS, &[("resource", &name)]));
    }
    Ok(())
}

/// Checks whether accounts can be created in `project`.
///
/// # Errors
/// The error of the organization policy.
pub(crate) fn check_account_creation(world: &World, project: &str) -> Result<(), ApiError> {
    let refusals = &world.settings.refusals;
    if refusals.disable_service_account_creation.contains(project) {
        return Err(refused(400, CREATION, &[("project", project)]));
    }
    Ok(())
}

/// Checks the subject of a token against attribute conditions.
///
/// # Errors
/// STS's error for a rejected token.
pub(crate) fn check_subject(world: &World, subject: &str) -> Result<(), ApiError> {
    let rejected = &world.settings.refusals.attribute_condition;
    if rejected.iter().any(|pattern| glob(pattern, subject)) {
        return Err(refused(400, ATTRIBUTE_CONDITION, &[]));
    }
    Ok(())
}

/// An error with one violation for each member.
fn disallowed_members(resource: &str, members: &[String]) -> ApiError {
    let bodies = members.iter().map(|member| {
        let encoded = utf8_percent_encode(member, NON_ALPHANUMERIC).to_string();
        let values = [
            ("resource", resource),
            ("member", member.as_str()),
            ("encodedMember", &encoded),
        ];
        fill_template(MEMBER_DOMAINS, &values)
    });
    let bodies: Vec<Value> = bodies.collect();
    let violations: Vec<Value> = bodies
        .iter()
        .filter_map(|body| body.pointer("/error/details/0/violations/0").cloned())
        .collect();
    let mut body = bodies.into_iter().next().unwrap_or_default();
    if let Some(all) = body.pointer_mut("/error/details/0/violations") {
        *all = json!(violations);
    }
    ApiError::with_body(400, body)
}

fn refused(code: u16, body: &str, values: &[(&str, &str)]) -> ApiError {
    ApiError::with_body(code, fill_template(body, values))
}

/// The body with these values in place of `{key}`.
fn fill_template(body: &str, values: &[(&str, &str)]) -> Value {
    let mut body: Value = serde_json::from_str(body).unwrap_or_default();
    fill(&mut body, values);
    body
}

fn fill(json: &mut Value, values: &[(&str, &str)]) {
    match json {
        Value::String(text) => {
            for (key, value) in values {
                *text = text.replace(&format!("{{{key}}}"), value);
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|one| fill(one, values)),
        Value::Object(all) => all.values_mut().for_each(|one| fill(one, values)),
        _ => {}
    }
}

fn title(service: &str) -> &'static str {
    match service {
        "iam.googleapis.com" => "Identity and Access Management (IAM) API",
        "iamcredentials.googleapis.com" => "IAM Service Account Credentials API",
        "sts.googleapis.com" => "Security Token Service API",
        "cloudresourcemanager.googleapis.com" => "Cloud Resource Manager API",
        "serviceusage.googleapis.com" => "Service Usage API",
        "cloudbilling.googleapis.com" => "Cloud Billing API",
        _ => "Cloud Storage JSON API",
    }
}

/// The number of the project in a path; that of the first project if the path has none.
fn consumer(world: &World, path: &str) -> String {
    let named = path
        .split('/')
        .skip_while(|part| *part != "projects")
        .nth(1)
        .map(|name| name.split(':').next().unwrap_or_default())
        .and_then(|name| world.project(name));
    let project = named.or_else(|| world.projects.values().next());
    project.map_or_else(String::new, |project| project.number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_body_is_json_without_placeholders_left() {
        let names = [
            "resource",
            "encodedMember",
            "member",
            "project",
            "violation",
            "service",
            "title",
        ];
        let values = names.map(|name| (name, "x"));
        for body in [
            MEMBER_DOMAINS,
            MEMBER_DOMAINS_STORAGE,
            MEMBERS,
            CREATION,
            PERIMETER,
            PERIMETER_STORAGE,
            API_DISABLED,
            ATTRIBUTE_CONDITION,
        ] {
            let body = fill_template(body, &values);
            assert!(body["error"].is_object() || body["error"].is_string());
            let left = names
                .iter()
                .find(|name| body.to_string().contains(&format!("{{{name}}}")));
            assert_eq!(left, None, "{body}");
        }
    }
}
