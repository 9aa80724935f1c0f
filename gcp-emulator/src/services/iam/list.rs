//! `GET /v1/projects/{project}/serviceAccounts`, in pages.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value, json};

use super::on_project;
use crate::api::call::Call;
use crate::api::errors::ApiError;
use crate::world::World;
use crate::world::controls::quotas::Quota;

const DEFAULT_PAGE: usize = 20;
const MAX_PAGE: usize = 100;

/// One page, in the order of creation. The first page may be asked for with an empty token.
///
/// # Errors
/// 400 for a token that is not ours, 403, 429.
pub(crate) fn list(world: &mut World, call: &Call, project: &str) -> Result<Value, ApiError> {
    call.only(&["pageSize", "pageToken"], &[])?;
    let project = on_project(world, call, project, "iam.serviceAccounts.list")?;
    let (now, limits, number) = (
        world.clock.now(),
        world.settings.limits.clone(),
        world.number(&project),
    );
    world.quotas.take(Quota::Read, number, &limits, now)?;
    let size = page_size(call.parameter("pageSize"))?;
    let after = match call.parameter("pageToken") {
        None | Some("") => None,
        Some(token) => Some(decode(token).ok_or_else(|| ApiError::invalid("Invalid page token."))?),
    };
    let created = world.seen(world.settings.delays.service_account_list);
    let changed = world.seen(world.settings.delays.service_account_update);
    let mut page = world
        .accounts
        .after(after)
        .filter(|(_, account)| account.project == project && account.created <= created)
        .map(|(place, account)| (place, account, account.at(changed)))
        .filter(|(_, _, state)| state.deleted.is_none())
        .peekable();
    let mut accounts = Vec::new();
    let mut last = None;
    while accounts.len() < size
        && let Some((place, account, state)) = page.next()
    {
        accounts.push(account.render(&state));
        last = Some(place);
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

fn page_size(text: Option<&str>) -> Result<usize, ApiError> {
    match text.map(str::parse::<usize>) {
        None | Some(Ok(0)) => Ok(DEFAULT_PAGE),
        Some(Ok(size)) => Ok(size.min(MAX_PAGE)),
        Some(Err(_)) => Err(ApiError::invalid(
            "Invalid value at 'page_size' (TYPE_INT32).",
        )),
    }
}

fn encode(place: u64) -> String {
    BASE64URL_NOPAD.encode(&place.to_be_bytes())
}

fn decode(token: &str) -> Option<u64> {
    let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).ok()?;
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}
