//! When a pod has waited too long at its gate: pure. Then it fails, with a message that Metaflow shows, instead of waiting for ever.

use std::time::Duration;

use super::decide::Verdict;
use super::waiting_status::with_reference;
use crate::server::config::GatePatience;

/// How long a pod has waited.
#[derive(Clone, Copy, Debug, Default)]
pub struct WaitTime {
    /// Since the pod was created.
    pub total: Duration,
    /// Since its reason is one that does not pass by itself.
    pub lasting: Duration,
}

/// `status.message` of the pod, if it has waited too long.
#[must_use]
pub fn failure_message(
    verdict: &Verdict,
    waited: WaitTime,
    patience: GatePatience,
    decision: Option<&str>,
) -> Option<String> {
    let Verdict::Wait { reason, message } = verdict else {
        return None;
    };
    let why = if reason.is_lasting() && waited.lasting >= patience.lasting {
        "this does not pass by itself".to_owned()
    } else if waited.total >= patience.any {
        let minutes = waited.total.as_secs() / 60;
        format!("the pod has waited for {minutes} minutes")
    } else {
        return None;
    };
    let message =
        format!("Namesake: {reason}: {message} ({why}; start the task again when it is fixed)");
    Some(with_reference(&message, *reason, decision))
}

#[cfg(test)]
mod tests {
    use namesake_api::Phase;
    use namesake_core::Reason;

    use super::*;
    use crate::identity::phase::refusal;

    const PATIENCE: GatePatience = GatePatience {
        lasting: Duration::from_mins(2),
        any: Duration::from_mins(30),
    };

    fn wait(reason: Reason) -> Verdict {
        Verdict::Wait {
            reason,
            message: "Google said no".to_owned(),
        }
    }

    fn message(verdict: &Verdict, total: u64, lasting: u64) -> Option<String> {
        let waited = WaitTime {
            total: Duration::from_mins(total),
            lasting: Duration::from_mins(lasting),
        };
        failure_message(verdict, waited, PATIENCE, Some("4u2j6dq3"))
    }

    #[test]
    fn a_pod_soon_fails_for_a_reason_that_does_not_pass_by_itself() {
        let denied = wait(Reason::PermissionDenied);
        assert_eq!(message(&denied, 5, 1), None, "a new grant looks the same");
        let text = message(&denied, 5, 2).unwrap();
        assert!(
            text.contains("PermissionDenied: Google said no")
                && text.contains("again")
                && text.ends_with("(NS2201, decision 4u2j6dq3)"),
            "{text}"
        );
    }

    #[test]
    fn a_waiting_pod_of_an_offboarded_user_soon_fails() {
        for phase in [Phase::Suspended, Phase::Offboarding, Phase::Gone] {
            let reason = refusal(phase).unwrap().reason;
            assert!(message(&wait(reason), 5, 2).is_some(), "{reason}");
        }
    }

    #[test]
    fn for_a_reason_that_may_pass_a_pod_fails_only_after_the_longest_wait() {
        for reason in [
            Reason::Propagating,
            Reason::Unavailable,
            Reason::Throttled,
            Reason::Queued,
            Reason::Pending,
        ] {
            assert_eq!(message(&wait(reason), 29, 29), None, "{reason}");
            assert!(
                message(&wait(reason), 30, 0)
                    .unwrap()
                    .contains("30 minutes")
            );
        }
    }

    #[test]
    fn a_pod_whose_gate_opens_does_not_fail() {
        assert_eq!(message(&Verdict::Open, 100, 100), None);
    }
}
