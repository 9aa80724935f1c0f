//! The decisions of the mutating webhooks: patches and refusals. Pure: everything that they depend on is an argument.
//!
//! Between two steps a call to the broker may be needed: [`choose`] decides which identity, [`pod()`] and [`new_parent`] write the
//! patch.

pub mod environment;
mod gateway_token;
pub mod opt_in;
mod parent;
mod pod;
pub mod shadow;
pub mod skip_label;
pub(crate) mod task_result;
mod update;

use namesake_core::{Decision, DecisionId, PodAttributes, Reason};

use crate::decide::context::AdmissionContext;
use crate::decide::pod_model::claims::PodClaims;
use crate::decide::who::Principal;
use crate::review::outcome::Outcome;
use crate::review::patch::Patch;
use crate::review::refused::Refused;
use crate::review::verdict::{Facts, Verdict};

pub use parent::{new_parent, restored, stamped};
pub use pod::pod;
pub use update::{Update, Updated, update};

/// An identity that exists: its KSA can be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Available {
    /// Whether it is known to work; if not, the pod waits at its scheduling gate.
    pub ready: bool,
    /// Why it does not work, if something lasting prevents it.
    pub stalled: Option<Box<str>>,
}

/// A patch, and what is reported about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Exactly what changes.
    pub patch: Patch,
    /// Shown to the person.
    pub warning: Option<&'static str>,
    /// KSA that the pod gets; for a parent, that its pods will get.
    pub service_account: Option<String>,
    /// For the log, the audit log and metrics.
    pub outcome: Outcome,
    /// The id of what was signed, if something was.
    pub decision: Option<DecisionId>,
}

impl Change {
    /// The verdict that allows the request with this change.
    #[must_use]
    pub fn into_verdict(self, facts: Facts) -> Verdict {
        Verdict {
            result: Ok(self.patch),
            warnings: self.warning.into_iter().map(str::to_owned).collect(),
            facts: Facts {
                outcome: self.outcome,
                service_account: self.service_account,
                decision: self.decision,
                ..facts
            },
        }
    }
}

/// Lets the rules decide about a pod, or about the pods of a parent.
///
/// # Errors
/// When the rules refuse the pod.
pub fn choose(
    context: &AdmissionContext,
    namespace: &str,
    principal: &Principal,
    claims: &PodClaims<'_>,
) -> Result<Decision, Refused> {
    let decision = match &principal.user {
        Ok(user) => context.rules.decide(&PodAttributes {
            user,
            groups: &principal.groups,
            namespace,
            launcher: principal.launcher,
            claims: namesake_core::Claims {
                flow: claims.flow,
                step: claims.step,
                project: claims.project,
                labels: &|key| claims.labels.label(key),
            },
        }),
        Err(refusal) => context.rules.decision_without_user(refusal.clone()),
    };
    match decision {
        Decision::Deny(refusal) => Err(refusal.into()),
        Decision::Keep if !context.rules.allows_service_account(claims.account) => {
            Err(not_allowed(principal, claims.account))
        }
        decision => Ok(decision),
    }
}

fn not_allowed(principal: &Principal, account: &str) -> Refused {
    Refused::new(
        Reason::AccountNotAllowed,
        format!(
            "no rule gives the pods of {} an identity, and such pods may not use service account {account}: name one of \
             allowedServiceAccounts, or ask the platform team for a rule",
            principal.requester
        ),
    )
}

/// The facts of a decision, for the log.
#[must_use]
pub fn facts(principal: &Principal, decision: Option<&Decision>) -> Facts {
    let (rule, class) = match decision {
        Some(Decision::Identity(choice)) => (Some(choice.rule.clone()), Some(choice.class.clone())),
        Some(Decision::ServiceAccount { rule, .. }) => (Some(rule.clone()), None),
        Some(Decision::Deny(refusal)) => (refusal.rule.clone(), None),
        Some(Decision::Keep) | None => (None, None),
    };
    Facts {
        requester: principal.requester.clone(),
        user: principal.user().map(ToString::to_string),
        rule,
        class,
        ..Facts::default()
    }
}
