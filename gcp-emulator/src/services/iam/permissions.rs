//! queryTestablePermissions, which gcloud calls before it creates a role.

use serde_json::{Map, Value, json};

use crate::api::call::Call;
use crate::api::caller::Caller;
use crate::api::errors::ApiError;
use crate::world::World;

const DEFAULT_PAGE: usize = 100;
const MAX_PAGE: usize = 1_000;

/// `POST /v1/permissions:queryTestablePermissions`: all permissions that are known here, for any resource.
///
/// # Errors
/// 400 without a resource, 401.
pub(crate) fn query_testable(world: &World, call: &Call) -> Result<Value, ApiError> {
    call.check_known(&[], &["fullResourceName", "pageSize", "pageToken"])?;
    match &call.caller {
        Caller::Anonymous if !world.settings.anonymous_admin => {
            return Err(ApiError::credentials_missing());
        }
        Caller::Invalid => return Err(ApiError::credentials_invalid("ACCESS_TOKEN_EXPIRED")),
        _ => {}
    }
    if !call.text("fullResourceName").starts_with("//") {
        return Err(ApiError::invalid(
            "full_resource_name must be the full name of a resource, such as \
             //cloudresourcemanager.googleapis.com/projects/PROJECT.",
        ));
    }
    let requested = call.field("pageSize").and_then(Value::as_u64);
    let size = match requested.and_then(|size| usize::try_from(size).ok()) {
        None | Some(0) => DEFAULT_PAGE,
        Some(size) => size.min(MAX_PAGE),
    };
    let from = call.text("pageToken");
    let all = world.roles.permissions();
    let mut rest = all.range(from.as_str()..);
    let page: Vec<Value> = rest
        .by_ref()
        .take(size)
        .map(|name| json!({"name": name, "stage": "GA"}))
        .collect();
    let mut answer = Map::new();
    answer.insert("permissions".to_owned(), json!(page));
    if let Some(next) = rest.next() {
        answer.insert("nextPageToken".to_owned(), json!(next));
    }
    Ok(Value::Object(answer))
}
