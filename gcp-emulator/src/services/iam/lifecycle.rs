//! What happens to a service account after it was made.

use serde_json::{Value, json};

use super::{allowed_in, check_count, description, display_name, find, taken, unknown};
use crate::api::call::{Call, field};
use crate::api::errors::ApiError;
use crate::world::World;
use crate::world::controls::quotas::Quota;

/// `PATCH /v1/{name}`: answers the name and the patched fields only, as Google does.
///
/// # Errors
/// 400, 403, 404, 429.
pub(crate) fn patch(
    world: &mut World,
    call: &Call,
    project: &str,
    name: &str,
) -> Result<Value, ApiError> {
    call.only(&[], &["serviceAccount", "updateMask", "name"])?;
    let uid = find(
        world,
        call,
        project,
        name,
        "iam.serviceAccounts.update",
        Quota::Write,
    )?;
    let empty = json!({});
    let wanted = call.field("serviceAccount").unwrap_or(&empty);
    let mask = call.text("updateMask");
    let mut answer = json!({});
    let (mut new_name, mut new_description) = (None, None);
    for path in mask
        .split(',')
        .map(str::trim)
        .filter(|path| !path.is_empty())
    {
        match path {
            "displayName" | "display_name" => new_name = Some(display_name(wanted)?),
            "description" => new_description = Some(description(wanted)?),
            // The other paths are read-only: Google ignores them (assumed).
            "etag" | "name" | "email" | "uniqueId" | "disabled" => {}
            unknown => {
                return Err(ApiError::invalid(format!(
                    "Invalid update_mask: {unknown}."
                )));
            }
        }
    }
    if mask.is_empty() {
        return Err(ApiError::invalid("update_mask must be set."));
    }
    for (key, value) in [
        ("displayName", &new_name),
        ("description", &new_description),
    ] {
        if let (Some(value), Some(answer)) = (value, answer.as_object_mut())
            && !value.is_empty()
        {
            answer.insert(key.to_owned(), json!(value));
        }
    }
    change(world, &uid, |state| {
        state.display_name = new_name.unwrap_or(state.display_name.clone());
        state.description = new_description.unwrap_or(state.description.clone());
    });
    let account = world.accounts.by_uid(&uid).ok_or_else(unknown)?;
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("name".to_owned(), json!(account.name()));
    }
    Ok(answer)
}

/// `PUT /v1/{name}` (deprecated): only displayName changes.
///
/// # Errors
/// 400, 403, 404, 429.
pub(crate) fn update(
    world: &mut World,
    call: &Call,
    project: &str,
    name: &str,
) -> Result<Value, ApiError> {
    let uid = find(
        world,
        call,
        project,
        name,
        "iam.serviceAccounts.update",
        Quota::Write,
    )?;
    let display_name = match field(&call.body, "displayName") {
        Some(_) => Some(display_name(&call.body)?),
        None => None,
    };
    change(world, &uid, |state| {
        if let Some(display_name) = display_name {
            state.display_name = display_name;
        }
    });
    let account = world.accounts.by_uid(&uid).ok_or_else(unknown)?;
    Ok(account.render(&account.current()))
}

/// `POST /v1/{name}:enable` and `:disable`; doing it twice is no error.
///
/// # Errors
/// 403, 404, 429.
pub(crate) fn set_disabled(
    world: &mut World,
    call: &Call,
    project: &str,
    name: &str,
    disabled: bool,
) -> Result<Value, ApiError> {
    call.only(&[], &["name"])?;
    let permission = match disabled {
        true => "iam.serviceAccounts.disable",
        false => "iam.serviceAccounts.enable",
    };
    let uid = find(world, call, project, name, permission, Quota::Write)?;
    change(world, &uid, |state| state.disabled = disabled);
    Ok(json!({}))
}

/// `DELETE /v1/{name}`: for 30 days it can be undeleted by its unique id.
///
/// # Errors
/// 403, 404 (also when it is deleted already), 429.
pub(crate) fn delete(
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
        "iam.serviceAccounts.delete",
        Quota::Write,
    )?;
    let now = world.clock.now();
    if world
        .accounts
        .by_uid(&uid)
        .is_some_and(|account| account.current().deleted.is_some())
    {
        return Err(unknown());
    }
    change(world, &uid, |state| state.deleted = Some(now));
    Ok(json!({}))
}

/// `POST /v1/projects/{project}/serviceAccounts/{unique id}:undelete`
///
/// # Errors
/// 400 (not deleted, or an e-mail instead of an id), 403, 404 (unknown or gone for good), 409 (the name is taken), 429.
pub(crate) fn undelete(
    world: &mut World,
    call: &Call,
    project: &str,
    name: &str,
) -> Result<Value, ApiError> {
    call.only(&[], &["name"])?;
    const PERMISSION: &str = "iam.serviceAccounts.undelete";
    if !name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ApiError::invalid(
            "undelete needs the unique id of the service account.",
        ));
    }
    let shown = format!("projects/{project}/serviceAccounts/{name}");
    let now = world.clock.now();
    let found = world
        .accounts
        .by_uid(name)
        .filter(|account| !account.purged(now))
        .map(|account| {
            (
                account.uid.clone(),
                account.project.clone(),
                account.email.clone(),
                account.current(),
            )
        });
    let Some((uid, home, email, state)) = found else {
        if project == "-" {
            return Err(ApiError::denied(PERMISSION, Some(&shown)));
        }
        allowed_in(world, call, project, PERMISSION, &shown)?;
        return Err(unknown());
    };
    allowed_in(world, call, &home, PERMISSION, &shown)?;
    let (limits, number) = (world.settings.limits.clone(), world.number(&home));
    world.quotas.take(Quota::Write, number, &limits, now)?;
    if state.deleted.is_none() {
        return Err(ApiError::precondition(format!(
            "Service account {email} is not deleted."
        )));
    }
    if world.accounts.live(&email).is_some() {
        return Err(taken(&home, &email));
    }
    check_count(world, &home)?;
    change(world, &uid, |state| state.deleted = None);
    let account = world.accounts.by_uid(&uid).ok_or_else(unknown)?;
    Ok(json!({"restoredAccount": account.render(&account.current())}))
}

fn change(world: &mut World, uid: &str, change: impl FnOnce(&mut crate::world::accounts::State)) {
    let now = world.clock.now();
    world.accounts.change(uid, now, change);
}
