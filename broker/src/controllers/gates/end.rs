//! When a pod has waited in vain: pure. A pod that cannot run says so, where Metaflow shows it, and does not wait for ever.

use std::time::Duration;

use super::Verdict;
use crate::identity::reason::ConditionReason;

/// `status.reason` of a pod that is ended at its gate.
pub const ENDED: &str = ConditionReason::IdentityFailed.as_str();

/// How long a pod may wait.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// With a reason that does not pass by itself: long enough for what only looks like it, such as a fresh grant.
    pub lasting: Duration,
    /// With any reason.
    pub any: Duration,
}

/// How long a pod has waited.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waited {
    /// Since it was made.
    pub all: Duration,
    /// Since its reason is one that does not pass by itself.
    pub lasting: Duration,
}

/// Whether what a pod waits for does not pass by itself.
#[must_use]
pub fn is_lasting(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Wait { reason, .. } if ConditionReason::is_lasting(reason))
}

/// `status.message` of the pod, if it has waited in vain.
#[must_use]
pub fn ends(verdict: &Verdict, waited: Waited, patience: Patience) -> Option<String> {
    let Verdict::Wait { reason, message } = verdict else {
        return None;
    };
    let why = if is_lasting(verdict) && waited.lasting >= patience.lasting {
        "this does not pass by itself".to_owned()
    } else if waited.all >= patience.any {
        format!(
            "the pod has waited for {} minutes",
            waited.all.as_secs() / 60
        )
    } else {
        return None;
    };
    Some(format!(
        "Namesake: {reason}: {message} ({why}; start the task again when it is mended)"
    ))
}

#[cfg(test)]
mod tests {
    use namesake_api::Phase;

    use super::*;
    use crate::identity::phase::refusal;

    const PATIENCE: Patience = Patience {
        lasting: Duration::from_mins(2),
        any: Duration::from_mins(30),
    };

    fn wait(reason: &str) -> Verdict {
        Verdict::Wait {
            reason: reason.to_owned(),
            message: "Google said no".to_owned(),
        }
    }

    fn ended(verdict: &Verdict, all: u64, lasting: u64) -> Option<String> {
        let waited = Waited {
            all: Duration::from_mins(all),
            lasting: Duration::from_mins(lasting),
        };
        ends(verdict, waited, PATIENCE)
    }

    #[test]
    fn what_does_not_pass_by_itself_ends_the_wait_soon_and_says_why() {
        let denied = wait("PermissionDenied");
        assert_eq!(ended(&denied, 5, 1), None, "a fresh grant looks the same");
        let text = ended(&denied, 5, 2).unwrap();
        assert!(
            text.contains("PermissionDenied: Google said no") && text.contains("again"),
            "{text}"
        );
    }

    #[test]
    fn a_pod_of_somebody_who_has_left_does_not_hold_what_waits_for_the_last_pod() {
        for phase in [Phase::Suspended, Phase::Offboarding, Phase::Gone] {
            let said = refusal(phase).unwrap().reason;
            assert!(ended(&wait(&said), 5, 2).is_some(), "{said}");
        }
    }

    #[test]
    fn what_may_pass_ends_only_after_the_longest_wait() {
        for reason in [
            "Propagating",
            "Unavailable",
            "Throttled",
            "Queued",
            "Pending",
        ] {
            assert_eq!(ended(&wait(reason), 29, 29), None, "{reason}");
            assert!(ended(&wait(reason), 30, 0).unwrap().contains("30 minutes"));
        }
    }

    #[test]
    fn a_gate_that_opens_ends_nothing() {
        assert_eq!(ended(&Verdict::Open, 100, 100), None);
    }
}
