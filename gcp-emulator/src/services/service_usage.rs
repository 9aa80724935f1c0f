//! Service Usage: which services are enabled in a project. A call to a service that is not enabled is not refused for it;
//! `refusals.disabledApis` does that.

use serde_json::{Map, Value, json};

use crate::api::call::Call;
use crate::api::errors::ApiError;
use crate::api::paging::page_size;
use crate::policy::target::Target;
use crate::world::World;
use crate::world::projects::Project;
use crate::world::resource::Resource;

const DEFAULT_PAGE: usize = 50;
const MAX_PAGE: usize = 200;
/// Maximum number of services that one call can enable (documented).
const MAX_BATCH: usize = 20;
const MAX_BATCH_GET: usize = 30;
const SCOPES: &[&str] = &["service.management"];

/// Serves `/v1/projects/{project}/services` and the paths below it.
///
/// # Errors
/// 400, 401, 403.
pub(crate) fn dispatch(
    world: &mut World,
    call: &Call,
    project: &str,
    service: Option<&str>,
) -> Result<Value, ApiError> {
    let method = call.method.as_str();
    let permission = match (method, service, call.verb.as_deref()) {
        ("GET", None, None | Some("batchGet")) => "serviceusage.services.list",
        ("GET", Some(_), None) => "serviceusage.services.get",
        ("POST", None, Some("batchEnable")) | ("POST", Some(_), Some("enable")) => {
            "serviceusage.services.enable"
        }
        ("POST", Some(_), Some("disable")) => "serviceusage.services.disable",
        _ => return Err(call.not_served()),
    };
    let id = require(world, call, project, permission)?;
    match (service, call.verb.as_deref()) {
        (None, None) => list(world, call, &id),
        (None, Some("batchGet")) => batch_get(world, call, &id),
        (None, Some(_)) => batch_enable(world, call, &id),
        (Some(service), None) => Ok(render(found(world, &id)?, service)),
        (Some(service), Some(verb)) => set_enabled(world, call, &id, service, verb == "enable"),
    }
}

fn require(
    world: &mut World,
    call: &Call,
    project: &str,
    permission: &str,
) -> Result<String, ApiError> {
    let Some(id) = world.project(project).map(|project| project.id.clone()) else {
        return Err(ApiError::denied(
            permission,
            Some(&format!("projects/{project}")),
        ));
    };
    let target = Target::of(&Resource::Project(id.clone()), world);
    let target = target.shown_as(&format!("projects/{project}"));
    world.require(&call.caller, SCOPES, permission, &target)?;
    Ok(id)
}

fn found<'w>(world: &'w World, id: &str) -> Result<&'w Project, ApiError> {
    let project = world.project(id);
    project.ok_or_else(|| ApiError::not_found("Requested entity was not found."))
}

fn render(project: &Project, service: &str) -> Value {
    let state = match project.services.contains(service) {
        true => "ENABLED",
        false => "DISABLED",
    };
    json!({
        "name": format!("projects/{}/services/{service}", project.number),
        "config": {"name": service},
        "state": state,
        "parent": format!("projects/{}", project.number),
    })
}

/// The enabled services; services that are not enabled are not known here.
fn list(world: &World, call: &Call, id: &str) -> Result<Value, ApiError> {
    call.check_known(&["pageSize", "pageToken", "filter"], &[])?;
    let enabled = match call.parameter("filter").unwrap_or_default() {
        "" | "state:ENABLED" => true,
        "state:DISABLED" => false,
        _ => return Err(ApiError::invalid("Invalid filter.")),
    };
    let project = found(world, id)?;
    let size = page_size(call.parameter("pageSize"), DEFAULT_PAGE, MAX_PAGE)?;
    let after = call.parameter("pageToken").unwrap_or_default();
    let names = project
        .services
        .iter()
        .filter(|name| enabled && name.as_str() > after);
    let mut names = names.peekable();
    let page: Vec<&String> = names.by_ref().take(size).collect();
    let mut answer = Map::new();
    if !page.is_empty() {
        let shown = page.iter().map(|name| render(project, name));
        answer.insert("services".to_owned(), shown.collect());
    }
    if let (Some(last), Some(_)) = (page.last(), names.peek()) {
        answer.insert("nextPageToken".to_owned(), json!(last));
    }
    Ok(Value::Object(answer))
}

fn batch_get(world: &World, call: &Call, id: &str) -> Result<Value, ApiError> {
    call.check_known(&["names"], &[])?;
    let names = call.query.iter().filter(|(name, _)| name == "names");
    let services: Vec<&str> = names
        .filter_map(|(_, path)| path.rsplit('/').next())
        .collect();
    check_number(services.len(), MAX_BATCH_GET)?;
    let project = found(world, id)?;
    let services = services.iter().map(|service| render(project, service));
    Ok(json!({"services": services.collect::<Vec<_>>()}))
}

fn batch_enable(world: &mut World, call: &Call, id: &str) -> Result<Value, ApiError> {
    call.check_known(&[], &["serviceIds"])?;
    let ids = call.field("serviceIds").and_then(Value::as_array);
    let ids = ids.into_iter().flatten().filter_map(Value::as_str);
    let ids: Vec<String> = ids.map(str::to_owned).collect();
    check_number(ids.len(), MAX_BATCH)?;
    for service in &ids {
        check_name(service)?;
    }
    if let Some(project) = world.projects.get_mut(id) {
        project.services.extend(ids.iter().cloned());
    }
    let project = found(world, id)?;
    let services: Vec<Value> = ids.iter().map(|each| render(project, each)).collect();
    Ok(world.start_operation("acat", &json!({ "services": services })))
}

fn set_enabled(
    world: &mut World,
    call: &Call,
    id: &str,
    service: &str,
    enabled: bool,
) -> Result<Value, ApiError> {
    let options = ["disableDependentServices", "checkIfServiceHasUsage"];
    let known: &[&str] = if enabled { &[] } else { &options };
    call.check_known(&[], known)?;
    check_name(service)?;
    if let Some(project) = world.projects.get_mut(id) {
        match enabled {
            true => project.services.insert(service.to_owned()),
            false => project.services.remove(service),
        };
    }
    let shown = render(found(world, id)?, service);
    Ok(world.start_operation("acat", &json!({ "service": shown })))
}

fn check_number(number: usize, max: usize) -> Result<(), ApiError> {
    match (1..=max).contains(&number) {
        true => Ok(()),
        false => Err(ApiError::invalid(format!(
            "Between 1 and {max} services are allowed in one request: this one has {number}."
        ))),
    }
}

/// Only the form is checked: which services exist is not known here.
fn check_name(service: &str) -> Result<(), ApiError> {
    match service.ends_with(".googleapis.com") {
        true => Ok(()),
        false => Err(ApiError::invalid(format!(
            "Service {service} is not a valid service name."
        ))),
    }
}
