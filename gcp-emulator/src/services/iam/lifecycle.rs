//! Changing, disabling, deleting and undeleting service accounts.

use serde_json::{Value, json};

use super::accounts::{check_count, description, display_name, id_taken};
use super::{find_account, require_shown_as, unknown_account};
use crate::api::call::{Call, field};

use crate::api::errors::ApiError;
use crate::world::World;
use crate::world::controls::quotas::Quota;

/// `PATCH /v1/{name}`: returns the name and the changed fields only, as Google does.
///
/// # Errors
/// 400, 403, 404, 429.
pub(crate) fn patch(
    world: &mut World,
    call: &Call,
    project: &str,
    name: &str,
) -> Result<Value, ApiError> {
    call.check_known(&[], &["serviceAccount", "updateMask", "name"])?;
    let uid = find_account(
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
            // The other fields are read-only, and (assumed) ignored by Google.
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
    let account = world.accounts.by_uid(&uid).ok_or_else(unknown_account)?;
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
    let uid = find_account(
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
    let account = world.accounts.by_uid(&uid).ok_or_else(unknown_account)?;
    Ok(account.render(&account.current()))
}

/// `POST /v1/{name}:enable` and `:disable`. Repeating them is not an error.
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
    call.check_known(&[], &["name"])?;
    let permission = match disabled {
        true => "iam.serviceAccounts.disable",
        false => "iam.serviceAccounts.enable",
    };
    let uid = find_account(world, call, project, name, permission, Quota::Write)?;
    change(world, &uid, |state| state.disabled = disabled);
    Ok(json!({}))
}

/// `DELETE /v1/{name}`. For 30 days the account can be undeleted by its unique id.
///
/// # Errors
/// 403, 404 also if it is deleted already, 429.
pub(crate) fn delete(
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
        "iam.serviceAccounts.delete",
        Quota::Write,
    )?;
    let now = world.clock.now();
    if world
        .accounts
        .by_uid(&uid)
        .is_some_and(|account| account.current().deleted.is_some())
    {
        return Err(unknown_account());
    }
    change(world, &uid, |state| state.deleted = Some(now));
    Ok(json!({}))
}

/// `POST /v1/projects/{project}/serviceAccounts/{unique id}:undelete`
///
/// # Errors
/// 400 if it is not deleted, or for an e-mail instead of an id; 403; 404 if it cannot be undeleted; 409 if its e-mail is
/// taken; 429.
pub(crate) fn undelete(
    world: &mut World,
    call: &Call,
    project: &str,
    name: &str,
) -> Result<Value, ApiError> {
    call.check_known(&[], &["name"])?;
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
        require_shown_as(world, call, project, PERMISSION, &shown)?;
        return Err(unknown_account());
    };
    require_shown_as(world, call, &home, PERMISSION, &shown)?;
    world.take_quota(Quota::Write, &home)?;
    if state.deleted.is_none() {
        return Err(ApiError::failed_precondition(format!(
            "Service account {email} is not deleted."
        )));
    }
    if world.accounts.live(&email).is_some() {
        return Err(id_taken(&home, &email));
    }
    check_count(world, &home)?;
    change(world, &uid, |state| state.deleted = None);
    let account = world.accounts.by_uid(&uid).ok_or_else(unknown_account)?;
    Ok(json!({"restoredAccount": account.render(&account.current())}))
}

fn change(
    world: &mut World,
    uid: &str,
    change: impl FnOnce(&mut crate::world::accounts::AccountState),
) {
    let now = world.clock.now();
    world.accounts.change(uid, now, change);
}
