//! Events on objects, as `kubectl describe` shows them. An Event that cannot be written is only logged.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use namesake_api::names;
use namesake_core::Reason;
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
    pub async fn normal(&self, about: &ObjectReference, action: &str, reason: Reason, note: &str) {
        self.publish(
            EventType::Normal,
            about,
            action,
            reason,
            with_code(note, reason),
        )
        .await;
    }

    /// Something needs a person, or time.
    pub async fn warning(&self, about: &ObjectReference, action: &str, reason: Reason, note: &str) {
        self.publish(
            EventType::Warning,
            about,
            action,
            reason,
            with_code(note, reason),
        )
        .await;
    }

    /// What a pod's status says, as it stands there: code and decision are at its end already. It is a warning if a person has to act.
    pub async fn pod_status(
        &self,
        pod: &ObjectReference,
        action: &str,
        reason: Reason,
        message: &str,
    ) {
        let type_ = match reason.is_lasting() {
            true => EventType::Warning,
            false => EventType::Normal,
        };
        self.publish(type_, pod, action, reason, message.to_owned())
            .await;
    }

    async fn publish(
        &self,
        type_: EventType,
        about: &ObjectReference,
        action: &str,
        reason: Reason,
        note: String,
    ) {
        let event = Event {
            type_,
            reason: reason.to_string(),
            note: Some(note),
            action: action.to_owned(),
            secondary: None,
        };
        if let Err(error) = self.0.publish(&event, about).await {
            debug!(%error, %reason, "the API server did not accept an Event");
        }
    }
}

fn with_code(note: &str, reason: Reason) -> String {
    reason.referenced(note, None, NOTE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_ends_with_the_code_of_its_reason() {
        assert_eq!(with_code("it works", Reason::Ready), "it works (NS2008)");
        let long = with_code(&"é".repeat(600), Reason::Ready);
        assert!(long.len() <= NOTE_BYTES && long.ends_with("é (NS2008)"));
    }
}
