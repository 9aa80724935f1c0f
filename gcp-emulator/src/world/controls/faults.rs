//! Planned faults: matching calls fail, before or after they take effect.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::api::errors::json_response;
use crate::world::controls::glob::glob;

/// One planned fault.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// HTTP method; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Percent-decoded path with its verb, without the query; `*` matches any text, including `/`.
    pub path: String,
    /// Part of the caller's e-mail or principal identifier; absent: any caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// How many matching calls fail; 0: all.
    #[serde(default = "one")]
    pub times: u32,
    /// How many matching calls succeed first.
    #[serde(default)]
    pub skip: u32,
    /// Whether the call takes effect before it fails.
    #[serde(default)]
    pub applied: bool,
    /// Seconds to wait before the answer, on the machine's clock.
    #[serde(default)]
    pub delay_seconds: f64,
    /// The answer; absent: the fault is only the delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<FaultAnswer>,
}

/// The answer of a failing call.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum FaultAnswer {
    /// The connection is closed without an answer.
    Cut,
    /// From this call on no call is answered until the faults are cleared, so that a test can kill the client at exactly
    /// this point.
    Stop,
    /// A status with a body; without a body, Google's usual one for this status.
    Status {
        /// HTTP status.
        code: u16,
        /// JSON body.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<Value>,
        /// Seconds in a Retry-After header.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
}

fn one() -> u32 {
    1
}

/// Marks a response for which the listener closes the connection instead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut;

/// The planned faults. The first one that matches a call applies.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    entries: BTreeMap<u64, Fault>,
    next: u64,
    stopped: watch::Sender<bool>,
}

impl Faults {
    /// Adds a fault and returns its number.
    pub(crate) fn add(&mut self, fault: Fault) -> u64 {
        self.next += 1;
        self.entries.insert(self.next, fault);
        self.next
    }

    /// Removes all faults, and resumes answering if a fault has stopped it.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.stopped.send_replace(false);
    }

    /// Stops answering calls.
    pub(crate) fn stop(&mut self) {
        self.stopped.send_replace(true);
    }

    /// Whether a fault has stopped answering; the receiver sees changes.
    pub(crate) fn stopped(&self) -> watch::Receiver<bool> {
        self.stopped.subscribe()
    }

    pub(crate) fn list(&self) -> Vec<Value> {
        let show = |(id, fault): (&u64, &Fault)| json!({"id": id, "fault": fault});
        self.entries.iter().map(show).collect()
    }

    /// The fault that applies to this call, which counts as used.
    pub(crate) fn next(&mut self, method: &str, path: &str, caller: &str) -> Option<Fault> {
        let (id, fault) = self
            .entries
            .iter_mut()
            .find(|(_, fault)| fault.matches(method, path, caller))?;
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        let (id, chosen) = (*id, fault.clone());
        if fault.times == 1 {
            self.entries.remove(&id);
        } else if fault.times > 1 {
            fault.times -= 1;
        }
        Some(chosen)
    }
}

impl Fault {
    fn matches(&self, method: &str, path: &str, caller: &str) -> bool {
        let method_matches = self
            .method
            .as_ref()
            .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method));
        let caller_matches = self
            .caller
            .as_ref()
            .is_none_or(|wanted| caller.contains(wanted.as_str()));
        method_matches && caller_matches && glob(&self.path, path)
    }
}

impl FaultAnswer {
    pub(crate) fn response(&self) -> axum::response::Response {
        match self {
            // A stopped call gets no answer either when answering resumes.
            Self::Cut | Self::Stop => {
                let mut response =
                    json_response(502, &json!({"error": "connection cut by gcp-emulator"}));
                response.extensions_mut().insert(Cut);
                response
            }
            Self::Status {
                code,
                body,
                retry_after,
            } => {
                let mut response =
                    json_response(*code, &body.clone().unwrap_or_else(|| default_body(*code)));
                if let Some(seconds) = retry_after {
                    response
                        .headers_mut()
                        .insert(http::header::RETRY_AFTER, (*seconds).into());
                }
                response
            }
        }
    }
}

/// Google's usual body for a status.
fn default_body(code: u16) -> Value {
    let (status, message) = match code {
        400 => ("INVALID_ARGUMENT", "Request contains an invalid argument."),
        401 => (
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials.",
        ),
        403 => ("PERMISSION_DENIED", "The caller does not have permission"),
        404 => ("NOT_FOUND", "Requested entity was not found."),
        409 => ("ABORTED", "The operation was aborted."),
        429 => (
            "RESOURCE_EXHAUSTED",
            "Resource has been exhausted (e.g. check quota).",
        ),
        503 => ("UNAVAILABLE", "The service is currently unavailable."),
        504 => (
            "DEADLINE_EXCEEDED",
            "Deadline expired before operation could complete.",
        ),
        _ => ("INTERNAL", "Internal error encountered."),
    };
    json!({"error": {"code": code, "message": message, "status": status}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_applies_as_often_as_planned_after_the_skipped_calls() {
        let mut faults = Faults::default();
        let fault = json!({"path": "/v1/token", "times": 2, "skip": 1, "answer": {"status": {"code": 503}}});
        faults.add(serde_json::from_value(fault).unwrap());
        let mut next = || faults.next("POST", "/v1/token", "").is_some();
        assert_eq!([next(), next(), next(), next()], [false, true, true, false]);
    }
}
