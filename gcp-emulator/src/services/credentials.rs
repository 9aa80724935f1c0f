//! IAM credentials: access tokens, ID tokens and signatures of a service account.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::api::call::Call;
use crate::api::caller::{Caller, covers};
use crate::api::errors::ApiError;
use crate::api::principal::Principal;
use crate::policy::target::Target;
use crate::world::World;
use crate::world::controls::clock::rfc3339;
use crate::world::controls::quotas::Quota;
use crate::world::resource::Resource;

mod id_token;
mod key;
mod sign;

pub(crate) use id_token::generate_id_token;
pub(crate) use key::{certificates, json_web_keys};
pub(crate) use sign::{sign_blob, sign_jwt};

const DELEGATION: &str = "iam.serviceAccounts.implicitDelegation";
/// Maximum lifetime of an access token, in seconds.
const MAX_LIFETIME: i64 = 3_600;

/// `POST /v1/projects/-/serviceAccounts/{name}:generateAccessToken`
///
/// # Errors
/// 400 for an invalid request, 401 or 403 for the caller, 404 for an account that does not exist or is not visible yet.
pub(crate) fn generate_access_token(
    world: &mut World,
    call: &Call,
    project: &str,
    name: &str,
) -> Result<Value, ApiError> {
    call.check_known(&[], &["scope", "lifetime", "delegates", "name"])?;
    let scopes = scopes(call)?;
    let lifetime = lifetime(call)?;
    let permission = "iam.serviceAccounts.getAccessToken";
    let principal = impersonate(world, call, project, name, permission)?;
    let (token, issued) = world.issue_token(principal, scopes, lifetime);
    Ok(json!({"accessToken": token, "expireTime": rfc3339(issued.expires)}))
}

/// Checks that the caller has `permission` on the account, through the delegates of the request, and returns the account.
fn impersonate(
    world: &mut World,
    call: &Call,
    project: &str,
    name: &str,
    permission: &str,
) -> Result<Principal, ApiError> {
    let grant = match &call.caller {
        Caller::Anonymous => return Err(ApiError::credentials_missing()),
        Caller::Invalid => return Err(ApiError::credentials_invalid("ACCESS_TOKEN_EXPIRED")),
        Caller::Known(grant) if covers(&grant.scopes, &["iam"]) => grant.clone(),
        Caller::Known(_) => return Err(ApiError::insufficient_scopes()),
    };
    if project != "-" {
        return Err(ApiError::invalid(format!(
            "Invalid form of service account name \"projects/{project}/serviceAccounts/{name}\": the project must be \
             \"-\"."
        )));
    }
    let mut principal = grant.principal;
    for delegate in delegates(call)? {
        principal = impersonate_next(world, &principal, &delegate, DELEGATION)?;
    }
    impersonate_next(world, &principal, name, permission)
}

/// E-mail and unique id of a service account.
fn email_and_uid(principal: &Principal) -> (&str, &str) {
    match principal {
        Principal::ServiceAccount { email, uid } => (email, uid),
        other => (other.name(), other.name()),
    }
}

/// Checks that `principal` has `permission` on the account `name`, and returns the account.
fn impersonate_next(
    world: &mut World,
    principal: &Principal,
    name: &str,
    permission: &str,
) -> Result<Principal, ApiError> {
    let horizon = world.horizon(world.settings.delays.service_account_credentials);
    let found = world
        .accounts
        .live(name)
        .filter(|account| account.created <= horizon)
        .map(|account| {
            (
                account.uid.clone(),
                account.project.clone(),
                account.email.clone(),
            )
        });
    let Some((uid, project, email)) = found else {
        return Err(ApiError::not_found(format!(
            "Not found; Gaia id not found for email {name}"
        )));
    };
    world.take_quota(Quota::Credentials, &project)?;
    let resource = Resource::ServiceAccount {
        uid: uid.clone(),
        project,
    };
    let target = Target::of(&resource, world);
    if !world.allows(principal, permission, &target) {
        return Err(ApiError::denied(permission, None));
    }
    let account = Principal::ServiceAccount { email, uid };
    match world.is_active(&account) {
        true => Ok(account),
        false => Err(ApiError::failed_precondition(
            "Service account is disabled.",
        )),
    }
}

fn scopes(call: &Call) -> Result<Vec<String>, ApiError> {
    let scopes: Vec<String> = call
        .field("scope")
        .and_then(Value::as_array)
        .map(|list| {
            list.iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        })
        .unwrap_or_default();
    match scopes.is_empty() {
        true => Err(ApiError::invalid("Scope(s) must be provided.")),
        false => Ok(scopes),
    }
}

fn lifetime(call: &Call) -> Result<SignedDuration, ApiError> {
    let Some(text) = call.field("lifetime").and_then(Value::as_str) else {
        return Ok(SignedDuration::from_secs(MAX_LIFETIME));
    };
    let seconds = text
        .strip_suffix('s')
        .and_then(|number| number.parse::<f64>().ok())
        .and_then(|seconds| SignedDuration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| {
            ApiError::invalid(format!(
                "Invalid value at 'lifetime' (Duration), \"{text}\""
            ))
        })?;
    if seconds <= SignedDuration::ZERO || seconds > SignedDuration::from_secs(MAX_LIFETIME) {
        return Err(ApiError::invalid(
            "The access token lifetime must be greater than 0 seconds and at most 3600 seconds.",
        ));
    }
    Ok(seconds)
}

fn delegates(call: &Call) -> Result<Vec<String>, ApiError> {
    let list = call.field("delegates").and_then(Value::as_array);
    list.map_or(&[] as &[Value], Vec::as_slice)
        .iter()
        .map(|delegate| {
            let name = delegate.as_str().unwrap_or_default();
            name.strip_prefix("projects/-/serviceAccounts/")
                .map(str::to_owned)
                .ok_or_else(|| ApiError::invalid(format!("Invalid form of delegate \"{name}\".")))
        })
        .collect()
}
