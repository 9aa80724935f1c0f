//! Google's audit log: what an account did. Pure, apart from the reader.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use jiff::Timestamp;
use serde::Deserialize;

use super::account::Account;
use super::lines::{self, Counts};

/// Different actions that are kept; the rest is only counted.
const MAX_ACTIONS: usize = 5_000;
/// Longest name of a resource that is kept, in bytes.
const MAX_RESOURCE: usize = 200;
/// Google's code of a refusal for missing permissions.
const PERMISSION_DENIED: u32 = 7;

/// What makes actions the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Action {
    pub(super) method: String,
    pub(super) resource: String,
    /// `ok`, `refused`, or the code of another failure.
    pub(super) result: String,
    /// Who acted as the account, if the entry says so and it is not the account's own KSA.
    pub(super) through: Option<String>,
}

/// How often, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) count: u64,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}

/// What the log says about the account.
#[derive(Clone, Debug, Default)]
pub(super) struct GoogleLog {
    pub(super) counts: Counts,
    pub(super) actions: BTreeMap<Action, Times>,
    /// Actions beyond those that are kept.
    pub(super) more: u64,
    /// Entries about access to data, whatever the account.
    pub(super) data_access: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Entry {
    log_name: String,
    timestamp: Option<Timestamp>,
    proto_payload: Option<Payload>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Payload {
    method_name: String,
    resource_name: String,
    status: Status,
    authentication_info: Authentication,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    code: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Authentication {
    principal_email: String,
    principal_subject: String,
    service_account_delegation_info: Vec<Delegation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Delegation {
    principal_subject: String,
    first_party_principal: FirstParty,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct FirstParty {
    principal_email: String,
}

/// Reads a log.
pub(super) fn read(
    log: impl BufRead,
    progress: impl FnMut(u64),
    account: &Account,
    since: Timestamp,
) -> io::Result<GoogleLog> {
    let mut found = GoogleLog::default();
    found.counts = lines::each(log, progress, |entry: &Entry| {
        if entry.log_name.ends_with("data_access") {
            found.data_access += 1;
        }
        match (&entry.proto_payload, entry.timestamp) {
            (Some(payload), Some(time)) => {
                if time >= since && is_by(account, &payload.authentication_info) {
                    add(&mut found, account, payload, time);
                }
                true
            }
            _ => false,
        }
    })?;
    Ok(found)
}

fn is_by(account: &Account, who: &Authentication) -> bool {
    let subject = who.principal_subject.as_str();
    let email = subject.strip_prefix("serviceAccount:").unwrap_or(subject);
    account.is_email(&who.principal_email) || account.is_email(email) || account.is_subject(subject)
}

fn add(found: &mut GoogleLog, account: &Account, payload: &Payload, time: Timestamp) {
    let cut = payload.resource_name.floor_char_boundary(MAX_RESOURCE);
    let action = Action {
        method: payload.method_name.clone(),
        resource: payload.resource_name[..cut].to_owned(),
        result: match payload.status.code {
            0 => "ok".to_owned(),
            PERMISSION_DENIED => "refused".to_owned(),
            code => format!("code {code}"),
        },
        through: through(account, &payload.authentication_info),
    };
    let is_full = found.actions.len() == MAX_ACTIONS;
    match found.actions.get_mut(&action) {
        Some(times) => {
            times.count += 1;
            times.first = times.first.min(time);
            times.last = times.last.max(time);
        }
        None if is_full => found.more += 1,
        None => {
            let times = Times {
                count: 1,
                first: time,
                last: time,
            };
            found.actions.insert(action, times);
        }
    }
}

// The one who acted as the account, unless it is the account's own KSA.
fn through(account: &Account, who: &Authentication) -> Option<String> {
    // Without its KSA nobody can say who is another one.
    account.name.as_ref()?;
    let mut all = who.service_account_delegation_info.iter();
    let other = all.find(|one| !account.is_subject(&one.principal_subject))?;
    let name = match other.principal_subject.as_str() {
        "" => &other.first_party_principal.principal_email,
        subject => subject,
    };
    // Google's own services act for the account, too.
    (!name.is_empty() && !name.ends_with("system.gserviceaccount.com")).then(|| name.to_owned())
}
