//! IAM admin: service accounts, their life and their policies; roles.

use serde_json::{Value, json};

use crate::api::call::{Call, field};
use crate::api::errors::ApiError;
use crate::policy::authorize::Target;
use crate::policy::{methods, refusals};
use crate::world::World;
use crate::world::accounts::{Account, State, email};
use crate::world::controls::quotas::Quota;
use crate::world::resource::Resource;

pub(crate) mod lifecycle;
pub(crate) mod list;
pub(crate) mod permissions;
pub(crate) mod roles;

/// Scopes that open IAM, besides cloud-platform.
pub(crate) const SCOPES: &[&str] = &["iam"];
const NAME_BYTES: usize = 100;
const DESCRIPTION_BYTES: usize = 256;

/// `POST /v1/projects/{project}/serviceAccounts`
///
/// # Errors
/// 400, 403, 409 (the id exists), 429 (rate or count).
pub(crate) fn create(world: &mut World, call: &Call, project: &str) -> Result<Value, ApiError> {
    call.only(&[], &["accountId", "serviceAccount", "name"])?;
    let project = on_project(world, call, project, "iam.serviceAccounts.create")?;
    refusals::of_creation(world, &project)?;
    let id = call.text("accountId");
    check_id(&id)?;
    let empty = json!({});
    let fields = call.field("serviceAccount").unwrap_or(&empty);
    let state = State {
        display_name: text(fields, "displayName", NAME_BYTES)?,
        description: text(fields, "description", DESCRIPTION_BYTES)?,
        ..State::default()
    };
    let (now, limits) = (world.clock.now(), world.settings.limits.clone());
    let number = world.number(&project);
    world.quotas.take(Quota::Write, number, &limits, now)?;
    world.quotas.take(Quota::Create, number, &limits, now)?;
    let address = email(&project, &id);
    if world.accounts.live(&address).is_some() {
        return Err(taken(&project, &address));
    }
    check_count(world, &project)?;
    let uid = world.random.unique_id();
    let account = Account::new(uid, &project, &id, now, state);
    let answer = account.render(&account.current());
    world.accounts.insert(account);
    Ok(answer)
}

/// `GET /v1/{name}`
///
/// # Errors
/// 403, 404.
pub(crate) fn get(
    world: &mut World,
    call: &Call,
    project: &str,
    name: &str,
) -> Result<Value, ApiError> {
    call.only(&[], &[])?;
    let uid = find(
        world,
        call,
        project,
        name,
        "iam.serviceAccounts.get",
        Quota::Read,
    )?;
    let horizon = world.seen(world.settings.delays.service_account_update);
    let account = world.accounts.by_uid(&uid).ok_or_else(unknown)?;
    Ok(account.render(&account.at(horizon)))
}

/// Policies of a service account.
///
/// # Errors
/// 403, 404, and those of [`policies`].
pub(crate) fn policy(
    world: &mut World,
    call: &Call,
    project: &str,
    name: &str,
    verb: &str,
) -> Result<Value, ApiError> {
    let (permission, quota) = match verb {
        "getIamPolicy" => ("iam.serviceAccounts.getIamPolicy", Quota::Read),
        "setIamPolicy" => ("iam.serviceAccounts.setIamPolicy", Quota::Write),
        _ => ("", Quota::Read),
    };
    let uid = find(world, call, project, name, permission, quota)?;
    let account = world.accounts.by_uid(&uid).ok_or_else(unknown)?;
    let resource = Resource::ServiceAccount {
        uid,
        project: account.project.clone(),
    };
    methods::serve(world, call, &resource, verb)
}

/// The unique id of the account that a path names, if the caller may do `permission` to it. An empty permission
/// asks for nothing (testIamPermissions).
pub(crate) fn find(
    world: &mut World,
    call: &Call,
    project: &str,
    name: &str,
    permission: &str,
    quota: Quota,
) -> Result<String, ApiError> {
    let created = world.seen(world.settings.delays.service_account_get);
    let changed = world.seen(world.settings.delays.service_account_update);
    let found = world
        .accounts
        .visible(name, created, changed)
        .map(|(account, _)| (account.uid.clone(), account.project.clone()))
        .filter(|(_, home)| {
            project == "-"
                || world
                    .project(project)
                    .is_some_and(|project| project.id == *home)
        });
    let shown = format!("projects/{project}/serviceAccounts/{name}");
    let Some((uid, home)) = found else {
        return Err(missing(world, call, project, &shown, permission));
    };
    if !permission.is_empty() {
        let resource = Resource::ServiceAccount {
            uid: uid.clone(),
            project: home.clone(),
        };
        let target = Target {
            modified_roles: methods::modified_roles(world, call, &resource),
            ..Target::of(&resource, world).shown_as(&shown)
        };
        world.require(&call.caller, SCOPES, permission, &target)?;
    }
    let (now, limits, number) = (
        world.clock.now(),
        world.settings.limits.clone(),
        world.number(&home),
    );
    world.quotas.take(quota, number, &limits, now)?;
    Ok(uid)
}

/// 404 for those who may know, 403 for the others and for every `projects/-/`.
fn missing(
    world: &mut World,
    call: &Call,
    project: &str,
    shown: &str,
    permission: &str,
) -> ApiError {
    let open = permission.is_empty();
    let permission = if open {
        "iam.serviceAccounts.get"
    } else {
        permission
    };
    let Some(home) = world.project(project).map(|project| project.id.clone()) else {
        return ApiError::denied(permission, Some(shown));
    };
    let target = Target::of(&Resource::Project(home), world).shown_as(shown);
    match world.require(&call.caller, SCOPES, permission, &target) {
        Err(error) if !open => error,
        _ => unknown(),
    }
}

/// The id of the project that a path names, if the caller may do `permission` in it.
pub(crate) fn on_project(
    world: &mut World,
    call: &Call,
    project: &str,
    permission: &str,
) -> Result<String, ApiError> {
    let shown = format!("projects/{project}");
    allowed_in(world, call, project, permission, &shown)
}

/// The same; a refusal names `shown`.
pub(crate) fn allowed_in(
    world: &mut World,
    call: &Call,
    project: &str,
    permission: &str,
    shown: &str,
) -> Result<String, ApiError> {
    let Some(id) = world.project(project).map(|project| project.id.clone()) else {
        return Err(ApiError::denied(permission, Some(shown)));
    };
    let target = Target::of(&Resource::Project(id.clone()), world).shown_as(shown);
    world.require(&call.caller, SCOPES, permission, &target)?;
    Ok(id)
}

pub(crate) fn unknown() -> ApiError {
    ApiError::not_found("Unknown service account")
}

pub(crate) fn taken(project: &str, email: &str) -> ApiError {
    ApiError::already_exists(format!(
        "Service account ID already exists within project projects/{project}."
    ))
    .with_detail(json!({
        "@type": "type.googleapis.com/google.rpc.ResourceInfo",
        "resourceName": format!("projects/{project}/serviceAccounts/{email}"),
    }))
}

/// Refuses one account more than the project may have.
pub(crate) fn check_count(world: &World, project: &str) -> Result<(), ApiError> {
    let most = world.settings.limits.service_accounts;
    let full = most.is_some_and(|most| world.accounts.count(project) >= most as usize);
    match full {
        true => Err(ApiError::exhausted(
            "Maximum number of service accounts on project reached.",
            Some(86_401),
        )),
        false => Ok(()),
    }
}

/// 6 to 30 characters, `[a-z]([-a-z0-9]*[a-z0-9])`.
pub(crate) fn check_id(id: &str) -> Result<(), ApiError> {
    let inside = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    let bytes = id.as_bytes();
    let good = (6..=30).contains(&bytes.len())
        && bytes.first().is_some_and(u8::is_ascii_lowercase)
        && bytes.last().is_some_and(|last| *last != b'-')
        && bytes.iter().all(inside);
    match good {
        true => Ok(()),
        false => Err(ApiError::invalid(format!(
            "The account ID \"{id}\" does not have a length between 6 and 30 or does not match the pattern \
             [a-z]([-a-z0-9]*[a-z0-9])."
        ))),
    }
}

/// A text field of a service account, within its limit in bytes.
pub(crate) fn text(fields: &Value, name: &str, most: usize) -> Result<String, ApiError> {
    let text = match field(fields, name) {
        None => "",
        Some(value) => value.as_str().ok_or_else(|| {
            ApiError::invalid(format!(
                "Invalid value at 'service_account.{name}' (TYPE_STRING)"
            ))
        })?,
    };
    match text.len() <= most {
        true => Ok(text.to_owned()),
        false => Err(ApiError::invalid(format!(
            "The {name} is {} bytes long: at most {most} bytes are allowed.",
            text.len()
        ))),
    }
}

pub(crate) fn display_name(fields: &Value) -> Result<String, ApiError> {
    text(fields, "displayName", NAME_BYTES)
}

pub(crate) fn description(fields: &Value) -> Result<String, ApiError> {
    text(fields, "description", DESCRIPTION_BYTES)
}
