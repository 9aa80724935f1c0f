//! What the organization around the projects refuses: one switch for each refusal, and Google's body for it in a file.

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

/// The refusal of a call as such, before anybody looks at what it asks for.
pub(crate) fn of_call(world: &mut World, path: &str) -> Option<ApiError> {
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
        // Another one for each call, as Google's.
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

/// The refusal of a policy that is to be written: every member of it is judged, older ones as well.
///
/// # Errors
/// As an organization policy words it.
pub(crate) fn of_policy(
    world: &World,
    resource: &Resource,
    wanted: &Value,
) -> Result<(), ApiError> {
    let refusals = &world.settings.refusals;
    let name = resource.full_name();
    if let Some(allowed) = &refusals.allowed_policy_member_domains {
        let foreign = members::foreign(wanted, allowed);
        if !foreign.is_empty() && resource.in_storage() {
            return Err(refused(412, MEMBER_DOMAINS_STORAGE, &[]));
        }
        if !foreign.is_empty() {
            return Err(foreign_members(&name, &foreign));
        }
    }
    let allowed = refusals.allowed_policy_members.as_ref();
    if allowed.is_some_and(|allowed| !members::foreign(wanted, allowed).is_empty()) {
        return Err(refused(400, MEMBERS, &[("resource", &name)]));
    }
    Ok(())
}

/// The refusal of a new account in `project`.
///
/// # Errors
/// As the organization policy words it.
pub(crate) fn of_creation(world: &World, project: &str) -> Result<(), ApiError> {
    let refusals = &world.settings.refusals;
    if refusals.disable_service_account_creation.contains(project) {
        return Err(refused(400, CREATION, &[("project", project)]));
    }
    Ok(())
}

/// The refusal of a token of this subject.
///
/// # Errors
/// As STS words it.
pub(crate) fn of_subject(world: &World, subject: &str) -> Result<(), ApiError> {
    let rejected = &world.settings.refusals.attribute_condition;
    if rejected.iter().any(|pattern| glob(pattern, subject)) {
        return Err(refused(400, ATTRIBUTE_CONDITION, &[]));
    }
    Ok(())
}

/// One violation for each member.
fn foreign_members(resource: &str, members: &[String]) -> ApiError {
    let bodies = members.iter().map(|member| {
        let encoded = utf8_percent_encode(member, NON_ALPHANUMERIC).to_string();
        let values = [
            ("resource", resource),
            ("member", member.as_str()),
            ("encodedMember", &encoded),
        ];
        filled(MEMBER_DOMAINS, &values)
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
    ApiError::with_body(code, filled(body, values))
}

/// The body of a file with these values in place of `{key}`.
fn filled(body: &str, values: &[(&str, &str)]) -> Value {
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
        _ => "Cloud Storage JSON API",
    }
}

/// The number of the project that a path names; of the first one if it names none.
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
    fn every_body_is_json_and_nothing_in_it_stays_unfilled() {
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
            let body = filled(body, &values);
            assert!(body["error"].is_object() || body["error"].is_string());
            let left = names
                .iter()
                .find(|name| body.to_string().contains(&format!("{{{name}}}")));
            assert_eq!(left, None, "{body}");
        }
    }
}
