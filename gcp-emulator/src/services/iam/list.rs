//! `GET /v1/projects/{project}/serviceAccounts`, in pages.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value, json};

use super::require_in_project;
use crate::api::call::Call;
use crate::api::errors::ApiError;
use crate::api::paging::page_size;
use crate::world::World;
use crate::world::controls::quotas::Quota;

const DEFAULT_PAGE: usize = 20;
const MAX_PAGE: usize = 100;

/// One page of accounts, in the order of creation. An empty token requests the first page.
///
/// # Errors
/// 400 for an invalid token, 403, 429.
pub(crate) fn list(world: &mut World, call: &Call, project: &str) -> Result<Value, ApiError> {
    call.check_known(&["pageSize", "pageToken"], &[])?;
    let project = require_in_project(world, call, project, "iam.serviceAccounts.list")?;
    world.take_quota(Quota::Read, &project)?;
    let size = page_size(call.parameter("pageSize"), DEFAULT_PAGE, MAX_PAGE)?;
    let after = match call.parameter("pageToken") {
        None | Some("") => None,
        Some(token) => Some(decode(token).ok_or_else(|| ApiError::invalid("Invalid page token."))?),
    };
    let created = world.horizon(world.settings.delays.service_account_list);
    let changed = world.horizon(world.settings.delays.service_account_update);
    let mut page = world
        .accounts
        .after(after)
        .filter(|(_, account)| account.project == project && account.created <= created)
        .map(|(position, account)| (position, account, account.at(changed)))
        .filter(|(_, _, state)| state.deleted.is_none())
        .peekable();
    let mut accounts = Vec::new();
    let mut last = None;
    while accounts.len() < size
        && let Some((position, account, state)) = page.next()
    {
        accounts.push(account.render(&state));
        last = Some(position);
    }
    let mut answer = Map::new();
    if !accounts.is_empty() {
        answer.insert("accounts".to_owned(), json!(accounts));
    }
    if let (Some(last), Some(_)) = (last, page.peek()) {
        answer.insert("nextPageToken".to_owned(), json!(encode(last)));
    }
    Ok(Value::Object(answer))
}

fn encode(position: u64) -> String {
    BASE64URL_NOPAD.encode(&position.to_be_bytes())
}

fn decode(token: &str) -> Option<u64> {
    let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).ok()?;
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}
