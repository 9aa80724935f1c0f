//! Events on objects, as `kubectl describe` shows them. An Event that cannot be written is only logged.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use namesake_api::names;
use tracing::debug;

/// Longest note that the API server accepts, in bytes.
const NOTE_BYTES: usize = 1024;

/// Writes Events.
#[derive(Clone)]
pub struct Events(Recorder);

impl Events {
    /// Events with the broker as their reporter.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self(Recorder::new(
            client,
            Reporter::from(names::BROKER_SERVICE_ACCOUNT),
        ))
    }

    /// Something happened that needs no attention.
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
            note: Some(truncated(note).to_owned()),
            action: action.to_owned(),
            secondary: None,
        };
        if let Err(error) = self.0.publish(&event, about).await {
            debug!(%error, reason, "the API server did not accept an Event");
        }
    }
}

fn truncated(note: &str) -> &str {
    &note[..note.floor_char_boundary(NOTE_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_note_is_cut_between_characters() {
        let note = "é".repeat(600);
        assert_eq!(truncated(&note).len(), 1024);
        assert_eq!(truncated(&format!("x{note}")).len(), 1023);
        assert_eq!(truncated("short"), "short");
    }
}
