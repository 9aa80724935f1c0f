//! Events on objects, for people who ask `kubectl describe`. One that cannot be written is not worth failing for.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tracing::debug;

use namesake_api::names;

/// Longest note that the API server takes, in bytes.
const NOTE_BYTES: usize = 1024;

/// Writes Events.
#[derive(Clone)]
pub struct Events(Recorder);

impl Events {
    /// Events in the broker's name.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self(Recorder::new(
            client,
            Reporter::from(names::BROKER_SERVICE_ACCOUNT),
        ))
    }

    /// Something went as it should.
    pub async fn normal(&self, about: &ObjectReference, action: &str, reason: &str, note: &str) {
        self.publish(EventType::Normal, about, action, reason, note)
            .await;
    }

    /// Something needs a person, or time.
    pub async fn warning(&self, about: &ObjectReference, action: &str, reason: &str, note: &str) {
        self.publish(EventType::Warning, about, action, reason, note)
            .await;
    }

    async fn publish(
        &self,
        type_: EventType,
        about: &ObjectReference,
        action: &str,
        reason: &str,
        note: &str,
    ) {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(shortened(note).to_owned()),
            action: action.to_owned(),
            secondary: None,
        };
        if let Err(error) = self.0.publish(&event, about).await {
            debug!(%error, reason, "the API server did not take an Event");
        }
    }
}

fn shortened(note: &str) -> &str {
    let mut end = note.len().min(NOTE_BYTES);
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    note.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_note_is_cut_between_characters() {
        let note = "é".repeat(600);
        assert_eq!(shortened(&note).len(), 1024);
        assert_eq!(shortened(&format!("x{note}")).len(), 1023);
        assert_eq!(shortened("short"), "short");
    }
}
