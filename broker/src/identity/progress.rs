//! What the conditions say while the plan is not finished: computed from the remaining changes, so that they agree with it. Pure.

use namesake_api::names::{BINDING_READY, GOOGLE_ACCOUNT_READY, SERVICE_ACCOUNT_READY, VERIFIED};
use namesake_core::Reason;

use crate::identity::finding::{Finding, READY_PARTS};
use crate::identity::plan::Goal;
use crate::identity::plan::change::Change;

/// Findings for an identity with these changes remaining until it reaches `goal`.
#[must_use]
pub fn progress(goal: Goal, remaining: &[Change]) -> Vec<Finding> {
    match goal {
        Goal::Serve => {}
        // Until its last pod is gone an identity works as before.
        Goal::Drain | Goal::Gone => return Vec::new(),
        Goal::Suspend | Goal::Offboard { .. } => return teardown(goal, remaining),
    }
    let finding = |part| {
        let pending = remaining.iter().find_map(|change| pending(part, change));
        pending.unwrap_or_else(|| done(part))
    };
    READY_PARTS.into_iter().map(finding).collect()
}

/// Findings for an identity that is suspended or being removed.
fn teardown(goal: Goal, remaining: &[Change]) -> Vec<Finding> {
    let remains = |change: Change| remaining.contains(&change);
    let binding = if remains(Change::Unbind) {
        (Reason::Unbinding, "the binding is about to be removed")
    } else {
        (Reason::Unbound, "nobody acts as this identity at Google")
    };
    let account = if remains(Change::DisableGoogleAccount) {
        (
            Reason::Disabling,
            "the Google service account is about to be disabled",
        )
    } else if goal == (Goal::Offboard { delete: true }) && !remains(Change::DeleteGoogleAccount) {
        (
            Reason::Deleted,
            "the Google service account is deleted; Google can restore it for 30 days",
        )
    } else {
        (Reason::Disabled, "the Google service account is disabled")
    };
    let mut findings = vec![
        Finding::fails(BINDING_READY, binding.0, binding.1),
        Finding::fails(GOOGLE_ACCOUNT_READY, account.0, account.1),
        Finding::fails(VERIFIED, Reason::TakenDown, "there is nothing to verify"),
    ];
    if goal != Goal::Suspend {
        let (reason, message) = if remains(Change::DeleteServiceAccount) {
            (
                Reason::Draining,
                "the service account is deleted after its last pod",
            )
        } else {
            (
                Reason::Removed,
                "the service account and its RoleBindings are deleted",
            )
        };
        findings.push(Finding::fails(SERVICE_ACCOUNT_READY, reason, message));
    }
    findings
}

/// What the condition says while this change, which makes it true, remains.
fn pending(part: &'static str, change: &Change) -> Option<Finding> {
    let (condition, why) = of_change(change);
    let (reason, message) = why.filter(|_| condition == part)?;
    Some(Finding::fails(part, reason, message))
}

/// Why a GSA that was just created does not count yet.
pub const NOT_VISIBLE_YET: &str =
    "the Google service account was created, and Google does not show it everywhere yet";

fn done(part: &'static str) -> Finding {
    let (reason, message) = match part {
        SERVICE_ACCOUNT_READY => (Reason::Created, "the service account exists"),
        GOOGLE_ACCOUNT_READY => (Reason::Visible, "the Google service account exists"),
        BINDING_READY => (Reason::Bound, "the binding and the grants are written"),
        _ => (
            Reason::Verified,
            "a pod's full path to Google was verified several times",
        ),
    };
    Finding::holds(part, reason, message)
}

/// The condition that a change makes true.
#[must_use]
pub const fn condition_of(change: &Change) -> &'static str {
    of_change(change).0
}

/// The condition that a change makes true, and what it says until then if it waits for the change.
const fn of_change(change: &Change) -> (&'static str, Option<(Reason, &'static str)>) {
    match change {
        Change::CreateServiceAccount | Change::RepairServiceAccount => {
            let message = "the service account is about to be created or repaired";
            (SERVICE_ACCOUNT_READY, Some((Reason::Pending, message)))
        }
        Change::EnsureGoogleAccount => {
            let message = "the Google service account is about to be created";
            (GOOGLE_ACCOUNT_READY, Some((Reason::Pending, message)))
        }
        Change::ConfirmGoogleAccount => {
            let why = (Reason::WaitingUntilVisible, NOT_VISIBLE_YET);
            (GOOGLE_ACCOUNT_READY, Some(why))
        }
        Change::Record | Change::Bind | Change::Grant(_) => {
            let message = "the binding and the grants are about to be written";
            (BINDING_READY, Some((Reason::Pending, message)))
        }
        Change::Revoke | Change::DeleteGoogleAccount => {
            let message = "grants that the rules no longer give are about to be revoked";
            (BINDING_READY, Some((Reason::Revoking, message)))
        }
        Change::Verify | Change::VerifyAgain => {
            let message =
                "Google is distributing the binding and the grants: that takes 2 to 7 minutes";
            (VERIFIED, Some((Reason::Propagating, message)))
        }
        Change::Unbind => (BINDING_READY, None),
        Change::DisableGoogleAccount => (GOOGLE_ACCOUNT_READY, None),
        Change::SetServiceAccountOwner
        | Change::Drain
        | Change::DeleteServiceAccount
        | Change::DeleteIdentity => (SERVICE_ACCOUNT_READY, None),
    }
}

#[cfg(test)]
mod tests {
    use namesake_api::conditions::Status;

    use super::*;

    #[test]
    fn conditions_follow_the_remaining_changes() {
        let holding = |changes: &[Change]| -> Vec<bool> {
            progress(Goal::Serve, changes)
                .into_iter()
                .map(|finding| finding.status == Status::True)
                .collect()
        };
        assert_eq!(holding(&[]), [true, true, true, true]);
        assert_eq!(holding(&[Change::Verify]), [true, true, true, false]);
        assert_eq!(
            holding(&[Change::Bind, Change::Verify]),
            [true, true, false, false]
        );
        assert_eq!(
            holding(&[Change::ConfirmGoogleAccount, Change::Bind]),
            [true, false, false, true]
        );
        assert_eq!(
            holding(&[Change::CreateServiceAccount]),
            [false, true, true, true]
        );
    }

    #[test]
    fn an_identity_that_is_removed_says_how_far_that_is_and_has_to_be_verified_again() {
        let reasons = |goal, changes: &[Change]| -> Vec<&str> {
            let findings = progress(goal, changes);
            assert!(findings.iter().all(|f| f.status == Status::False));
            findings.into_iter().map(|f| f.reason.as_str()).collect()
        };
        let all = [Change::Unbind, Change::DisableGoogleAccount];
        assert_eq!(
            reasons(Goal::Suspend, &all),
            ["Unbinding", "Disabling", "TakenDown"]
        );
        assert_eq!(
            reasons(Goal::Suspend, &[]),
            ["Unbound", "Disabled", "TakenDown"]
        );
        assert_eq!(
            reasons(Goal::Offboard { delete: true }, &[]),
            ["Unbound", "Deleted", "TakenDown", "Removed"]
        );
        assert_eq!(progress(Goal::Drain, &[Change::Drain]), []);
    }
}
