//! What was asked of the emulator, without a single token.

use std::collections::VecDeque;

use serde::Serialize;

const KEPT: usize = 20_000;

/// One request and its answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Counts from 1 and never repeats.
    pub number: u64,
    /// RFC 3339, by the emulator's clock.
    pub time: String,
    /// HTTP method.
    pub method: String,
    /// Percent-decoded path.
    pub path: String,
    /// Query as sent, tokens taken out.
    pub query: String,
    /// The principal of the bearer: an e-mail or a principal identifier; empty for none.
    pub caller: String,
    /// HTTP status answered; 0 for a cut connection.
    pub status: u16,
    /// Whether a planned fault made that answer.
    pub fault: bool,
}

/// The last requests.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: VecDeque<Entry>,
    count: u64,
}

impl Journal {
    pub(crate) fn add(&mut self, mut entry: Entry) {
        self.count += 1;
        entry.number = self.count;
        if self.entries.len() >= KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    /// Entries after number `after`.
    pub(crate) fn after(&self, after: u64) -> impl Iterator<Item = &Entry> {
        self.entries
            .iter()
            .filter(move |entry| entry.number > after)
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}

/// A query without the values of parameters that carry credentials.
pub(crate) fn redact(query: &str) -> String {
    let hide = |pair: &str| match pair.split_once('=') {
        Some((name @ ("access_token" | "oauth_token" | "upload_id" | "key"), _)) => {
            format!("{name}=-")
        }
        _ => pair.to_owned(),
    };
    query.split('&').map(hide).collect::<Vec<_>>().join("&")
}
