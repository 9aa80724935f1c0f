//! What changes, and why not. Pure: everything that it depends on is an argument.
//!
//! Two steps, because between them a call to the broker may be needed: [`choose`] says which identity, [`pod()`] and
//! [`parent()`] write the patch.

pub mod environment;
pub mod opt_in;
mod parent;
mod pod;
pub mod shadow;
pub(crate) mod task_result;
mod update;

use namesake_core::{Decision, Subject};

use crate::decide::context::AdmissionContext;
use crate::decide::pod_model::claims::{self, Said};
use crate::decide::who::Asker;
use crate::review::patch::Patch;
use crate::review::reason::RefusalReason;
use crate::review::verdict::{Facts, Refused};

pub use parent::{Picked, of_argo, parent, restamped};
pub use pod::pod;
pub use update::{Update, update};

/// An identity that exists: its KSA can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Available {
    /// Whether it is known to work; if not, the pod waits at its gate.
    pub ready: bool,
}

/// What is patched, and what is said about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Exactly what changes.
    pub patch: Patch,
    /// Shown to the person.
    pub warning: Option<&'static str>,
    /// KSA that the pod gets; for a parent, that its pods will get.
    pub service_account: Option<String>,
    /// For the log, the audit log and metrics.
    pub outcome: &'static str,
}

/// Lets the rules decide about a pod, or about the pods of a parent.
///
/// # Errors
/// What the rules refuse.
pub fn choose(
    context: &AdmissionContext<'_>,
    namespace: &str,
    asker: &Asker,
    said: &Said<'_>,
) -> Result<Decision, Refused> {
    let decision = match &asker.user {
        Ok(user) => context.rules.decide(&Subject {
            user,
            groups: &asker.groups,
            namespace,
            launcher: asker.launcher,
            claims: claims::of(said, &|key| (said.label)(key)),
        }),
        Err(refusal) => context.rules.decision_without_user(refusal.clone()),
    };
    match decision {
        Decision::Deny(refusal) => Err(refusal.into()),
        Decision::Keep if !context.rules.allows_service_account(said.account) => {
            Err(not_allowed(asker, said.account))
        }
        decision => Ok(decision),
    }
}

fn not_allowed(asker: &Asker, account: &str) -> Refused {
    Refused::forbidden(
        RefusalReason::AccountNotAllowed,
        format!(
            "no rule gives the pods of {} an identity, and service account {account} is not one that such pods may name: \
             name one of allowedServiceAccounts, or ask the platform team for a rule",
            asker.requester
        ),
    )
}

/// What a decision says, for the log.
#[must_use]
pub fn facts(asker: &Asker, decision: Option<&Decision>) -> Facts {
    let (rule, class) = match decision {
        Some(Decision::Identity(choice)) => (Some(choice.rule.clone()), Some(choice.class.clone())),
        Some(Decision::ServiceAccount { rule, .. }) => (Some(rule.clone()), None),
        Some(Decision::Deny(refusal)) => (refusal.rule.clone(), None),
        Some(Decision::Keep) | None => (None, None),
    };
    Facts {
        requester: asker.requester.clone(),
        user: asker.user().map(ToString::to_string),
        rule,
        class,
        ..Facts::default()
    }
}
