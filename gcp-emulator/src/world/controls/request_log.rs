//! The log of requests. It holds no tokens.

use std::collections::VecDeque;

use serde::Serialize;

use crate::world::controls::permission_checks::PermissionCheck;

const MAX_REQUESTS: usize = 20_000;

/// A request and the status of its answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoggedRequest {
    /// Consecutive number, from 1.
    pub number: u64,
    /// Time by the emulator's clock, in RFC 3339.
    pub time: String,
    /// HTTP method.
    pub method: String,
    /// Percent-decoded path.
    pub path: String,
    /// Query as sent, without tokens.
    pub query: String,
    /// E-mail or principal identifier of the caller; empty without a token.
    pub caller: String,
    /// HTTP status of the answer; 0 for a closed connection.
    pub status: u16,
    /// Whether a planned fault determined the answer.
    pub fault: bool,
    /// The permissions that were checked, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<PermissionCheck>,
}

/// The last 20,000 requests.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    entries: VecDeque<LoggedRequest>,
    count: u64,
}

impl RequestLog {
    /// Adds a request and sets its number.
    pub(crate) fn add(&mut self, mut entry: LoggedRequest) {
        self.count += 1;
        entry.number = self.count;
        if self.entries.len() >= MAX_REQUESTS {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    /// The requests after number `after`.
    pub(crate) fn after(&self, after: u64) -> impl Iterator<Item = &LoggedRequest> {
        self.entries
            .iter()
            .filter(move |entry| entry.number > after)
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}

/// The query without the values of parameters that hold credentials.
pub(crate) fn redact(query: &str) -> String {
    let hide = |pair: &str| match pair.split_once('=') {
        Some((name @ ("access_token" | "oauth_token" | "upload_id" | "key"), _)) => {
            format!("{name}=-")
        }
        _ => pair.to_owned(),
    };
    query.split('&').map(hide).collect::<Vec<_>>().join("&")
}
