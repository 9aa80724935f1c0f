//! Service accounts: creating and reading them, and their policies.

use serde_json::{Value, json};

use super::{find_account, require_in_project, text_field, unknown_account};
use crate::api::call::Call;
use crate::api::errors::ApiError;
use crate::policy::{methods, refusals};
use crate::world::World;
use crate::world::accounts::{Account, AccountState, email};
use crate::world::controls::quotas::Quota;
use crate::world::resource::Resource;

const NAME_BYTES: usize = 100;
const DESCRIPTION_BYTES: usize = 256;

/// `POST /v1/projects/{project}/serviceAccounts`
///
/// # Errors
/// 400, 403, 409 if the id is taken, 429 for rate or count.
pub(crate) fn create(world: &mut World, call: &Call, project: &str) -> Result<Value, ApiError> {
    call.check_known(&[], &["accountId", "serviceAccount", "name"])?;
    let project = require_in_project(world, call, project, "iam.serviceAccounts.create")?;
    refusals::check_account_creation(world, &project)?;
    let id = call.text("accountId");
    check_id(&id)?;
    let empty = json!({});
    let fields = call.field("serviceAccount").unwrap_or(&empty);
    let state = AccountState {
        display_name: display_name(fields)?,
        description: description(fields)?,
        ..AccountState::default()
    };
    world.take_quota(Quota::Write, &project)?;
    world.take_quota(Quota::Create, &project)?;
    let address = email(&project, &id);
    if world.accounts.live(&address).is_some() {
        return Err(id_taken(&project, &address));
    }
    check_count(world, &project)?;
    let uid = world.random.unique_id();
    let account = Account::new(uid, &project, &id, world.clock.now(), state);
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
    call.check_known(&[], &[])?;
    let uid = find_account(
        world,
        call,
        project,
        name,
        "iam.serviceAccounts.get",
        Quota::Read,
    )?;
    let horizon = world.horizon(world.settings.delays.service_account_update);
    let account = world.accounts.by_uid(&uid).ok_or_else(unknown_account)?;
    Ok(account.render(&account.at(horizon)))
}

/// The policy methods of a service account.
///
/// # Errors
/// 403, 404, and those of [`methods`].
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
    let uid = find_account(world, call, project, name, permission, quota)?;
    let account = world.accounts.by_uid(&uid).ok_or_else(unknown_account)?;
    let resource = Resource::ServiceAccount {
        uid,
        project: account.project.clone(),
    };
    methods::serve(world, call, &resource, verb)
}

/// 409 for an id that another account has.
pub(super) fn id_taken(project: &str, email: &str) -> ApiError {
    ApiError::already_exists(format!(
        "Service account ID already exists within project projects/{project}."
    ))
    .with_detail(json!({
        "@type": "type.googleapis.com/google.rpc.ResourceInfo",
        "resourceName": format!("projects/{project}/serviceAccounts/{email}"),
    }))
}

/// Checks that the project can have one more account.
///
/// # Errors
/// 429.
pub(super) fn check_count(world: &World, project: &str) -> Result<(), ApiError> {
    let max = world.settings.limits.service_accounts;
    let is_full = max.is_some_and(|max| world.accounts.count(project) >= max as usize);
    match is_full {
        true => Err(ApiError::exhausted(
            "Maximum number of service accounts on project reached.",
            Some(86_401),
        )),
        false => Ok(()),
    }
}

/// Checks an account id: 6 to 30 characters, `[a-z]([-a-z0-9]*[a-z0-9])`.
///
/// # Errors
/// 400.
pub(crate) fn check_id(id: &str) -> Result<(), ApiError> {
    let inside = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    let bytes = id.as_bytes();
    let is_valid = (6..=30).contains(&bytes.len())
        && bytes.first().is_some_and(u8::is_ascii_lowercase)
        && bytes.last().is_some_and(|last| *last != b'-')
        && bytes.iter().all(inside);
    match is_valid {
        true => Ok(()),
        false => Err(ApiError::invalid(format!(
            "The account ID \"{id}\" does not have a length between 6 and 30 or does not match the pattern \
             [a-z]([-a-z0-9]*[a-z0-9])."
        ))),
    }
}

pub(super) fn display_name(fields: &Value) -> Result<String, ApiError> {
    text_field(fields, "displayName", NAME_BYTES)
}

pub(super) fn description(fields: &Value) -> Result<String, ApiError> {
    text_field(fields, "description", DESCRIPTION_BYTES)
}
