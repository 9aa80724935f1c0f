//! What is written on a pod while it waits: pure. `kubectl get pods`, k9s and Argo show the reason of a waiting container.

use namesake_api::names::WAITING_ANNOTATION;
use namesake_core::Reason;
use serde_json::{Value, json};

use super::decide::{GatedContainer, GatedPod};

/// Longest message, in bytes. The policy namesake-broker-pod-status allows no longer one.
const MESSAGE_BYTES: usize = 1024;

/// The message with what leads to the explanation of the reason and to the decision about the pod at its end.
#[must_use]
pub(super) fn with_reference(message: &str, reason: Reason, decision: Option<&str>) -> String {
    reason.referenced(message, decision, MESSAGE_BYTES)
}

/// The patch of the status of a pod that says why it waits: on each of its containers, and in the annotation.
#[must_use]
pub(super) fn patch(pod: &GatedPod, reason: Reason, message: &str) -> Value {
    let waiting = |container: &GatedContainer| {
        json!({
            "name": container.name, "image": container.image, "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": reason.as_str(), "message": message}},
        })
    };
    let containers: Vec<_> = pod.containers.iter().map(waiting).collect();
    json!({
        "metadata": {"uid": pod.uid, "annotations": {WAITING_ANNOTATION: annotation(reason, message)}},
        "status": {"containerStatuses": containers},
    })
}

/// The text of the annotation.
#[must_use]
pub(super) fn annotation(reason: Reason, message: &str) -> String {
    format!("{reason}: {message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_ends_with_code_and_decision_however_long_it_is() {
        let text = with_reference("Google says no", Reason::PermissionDenied, Some("4u2j6dq3"));
        assert_eq!(text, "Google says no (NS2201, decision 4u2j6dq3)");
        let long = with_reference(&"\u{e9}".repeat(2000), Reason::PermissionDenied, None);
        assert!(long.len() <= MESSAGE_BYTES, "{}", long.len());
        assert!(long.ends_with("\u{e9} (NS2201)"), "{long}");
    }
}
