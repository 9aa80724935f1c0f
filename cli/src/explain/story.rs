//! An explanation as lines and as JSON. Pure.

use jiff::Timestamp;
use namesake_api::Identity;
use namesake_api::names;
use namesake_core::Reason;
use serde_json::{Value, json};

use super::facts::{Trace, Wait};
use crate::answer::exit_status::ExitStatus;
use crate::answer::text::plain;
use crate::answer::{Answer, Case};
use crate::cluster::identities::age;

/// Width of the column with the words.
const WIDTH: usize = 9;

/// An explanation.
#[derive(Clone, Debug)]
pub(super) struct Story {
    title: String,
    lines: Vec<(&'static str, String)>,
    json: serde_json::Map<String, Value>,
    /// What is not as it should be.
    found: Vec<String>,
    unseen: Vec<String>,
}

impl Story {
    pub(super) fn new(title: &str, unseen: &[String]) -> Self {
        Self {
            title: title.to_owned(),
            lines: Vec::new(),
            json: serde_json::Map::from_iter([("subject".to_owned(), title.into())]),
            found: Vec::new(),
            unseen: unseen.to_vec(),
        }
    }

    /// A line for people. A word that is empty continues the line before.
    pub(super) fn line(&mut self, word: &'static str, text: impl Into<String>) {
        self.lines.push((word, text.into()));
    }

    /// A line about something that is not as it should be.
    pub(super) fn found(&mut self, word: &'static str, text: impl Into<String>) {
        let text = text.into();
        self.found.push(text.clone());
        self.lines.push((word, text));
    }

    /// A member for programs.
    pub(super) fn value(&mut self, name: &str, value: impl Into<Value>) {
        self.json.insert(name.to_owned(), value.into());
    }

    /// Rules that were tried.
    pub(super) fn trace(&mut self, trace: &Trace) {
        let mut word = "trace";
        for one in &trace.rules {
            let text = match &one.mismatch {
                Some(why) => format!("rule {} does not match: {why}", one.rule),
                None => format!("rule {} matches", one.rule),
            };
            self.line(word, text);
            word = "";
        }
        if trace.rules.iter().all(|one| one.mismatch.is_some()) {
            self.line(word, "no rule matches");
        }
        self.line(
            "",
            format!("by the rules as they are now: {}", trace.decision),
        );
        let rules = trace.rules.iter();
        let rules: Vec<_> = rules
            .map(|one| json!({"rule": one.rule, "matches": one.mismatch.is_none(), "why": one.mismatch}))
            .collect();
        self.value("trace", json!({"rules": rules, "decision": trace.decision}));
    }

    pub(super) fn answer(mut self) -> Answer {
        for (at, text) in self.unseen.iter().enumerate() {
            let word = if at == 0 { "NOT SEEN" } else { "" };
            self.lines.push((word, text.clone()));
        }
        self.json.insert("found".to_owned(), json!(self.found));
        self.json.insert("notSeen".to_owned(), json!(self.unseen));
        let line = |(word, text): &(&str, String)| format!("{word:WIDTH$}{}\n", plain(text));
        let lines: String = self.lines.iter().map(line).collect();
        let short: String = match self.found.as_slice() {
            [] => plain(&self.title) + ": fine\n",
            found => found
                .iter()
                .map(|text| format!("{}: {}\n", plain(&self.title), plain(text)))
                .collect(),
        };
        Answer {
            text: format!("{}\n{lines}", plain(&self.title)),
            short,
            json: self.json.into(),
            status: ExitStatus::of(!self.found.is_empty(), self.unseen.is_empty()),
            cases: vec![Case {
                name: self.title,
                skipped: self
                    .unseen
                    .first()
                    .filter(|_| self.found.is_empty())
                    .cloned(),
                found: self.found,
            }],
        }
    }
}

/// The word of a reason with its code, as far as this version knows it.
pub(super) fn with_code(word: &str) -> String {
    match word.parse::<Reason>() {
        Ok(reason) => format!("{word} ({})", reason.code()),
        Err(_) => word.to_owned(),
    }
}

// A reason with its message, which most often ends with the code.
fn reason(word: &str, message: &str) -> String {
    let code = word.parse::<Reason>().map(Reason::code).unwrap_or_default();
    match message {
        "" => with_code(word),
        message if !code.is_empty() && message.contains(code) => format!("{word}: {message}"),
        message => format!("{}: {message}", with_code(word)),
    }
}

/// Why and since when something waits.
pub(super) fn waits(wait: &Wait, now: Timestamp) -> String {
    let since = wait.since.map(|since| format!(" for {}", age(since, now)));
    format!(
        "for its identity{}: {}",
        since.unwrap_or_default(),
        reason(&wait.reason, &wait.message)
    )
}

pub(super) fn wait_value(wait: &Wait) -> Value {
    json!({
        "for": "identity", "reason": wait.reason, "code": wait.reason.parse::<Reason>().ok().map(Reason::code),
        "message": wait.message, "since": wait.since.map(|since| since.to_string()),
    })
}

/// KSA and Google's account of an identity.
pub(super) fn account(identity: &Identity) -> String {
    let name = identity.metadata.name.as_deref().unwrap_or_default();
    match &identity.spec.google_service_account {
        Some(email) => format!("{name}; at Google {email}"),
        None => format!("{name}; at Google the same account (mode direct)"),
    }
}

/// Whether an identity works, and if not, why and since when.
pub(super) fn state(identity: &Identity, now: Timestamp) -> String {
    let status = identity.status.as_ref();
    let mut conditions = status.into_iter().flat_map(|status| &status.conditions);
    let ready = conditions.find(|condition| condition.type_ == names::READY);
    let since = ready.map(|ready| format!(" for {}", age(ready.last_transition_time.0, now)));
    let since = since.unwrap_or_default();
    let phase = identity.phase();
    match ready {
        _ if identity.is_ready() => format!("{phase}, ready{since}"),
        Some(ready) => format!(
            "{phase}, not ready{since}: {}",
            reason(&ready.reason, &ready.message)
        ),
        None => format!("{phase}, not ready: the broker has not looked at it yet"),
    }
}
