//! The twin: sees the final pod, whatever other webhooks did after us, and checks it against what we signed. Pure.
//!
//! A resolution is for one request: requester, whether it showed a credential, second, namespace, owner, the pod's name as far as it is known, its account
//! and what its containers run. One that was copied from another pod fits only a pod that is the same in all of these.

use namesake_api::names::{IDENTITY_LABEL, RESOLUTION_ANNOTATION, USER_ANNOTATION};
use namesake_core::{Resolution, SealError, SeenPod, is_managed_name};

use crate::decide::context::AdmissionContext;
use crate::decide::pod_model::{containers, node, seen_pod};
use crate::review::reason::RefusalReason;
use crate::review::verdict::{DRY_RUN, Facts, Refused, Verdict};
use crate::review::{Object, Request, Spec};

/// Checks a final pod at CREATE.
#[must_use]
pub fn check(context: &AdmissionContext<'_>, request: &Request<'_>, pod: &Object<'_>) -> Verdict {
    let account = pod.spec.as_ref().map_or("default", Spec::account);
    let mut facts = Facts {
        requester: request.user_info.username.to_string(),
        service_account: Some(account.to_owned()),
        outcome: "checked",
        ..Facts::default()
    };
    let Some(text) = pod.metadata.annotation(RESOLUTION_ANNOTATION) else {
        return without(context, request, account, facts);
    };
    let seen = SeenPod {
        service_account: account,
        ..seen_pod(context, request, pod)
    };
    match Resolution::verify(text, context.keys, &seen) {
        Ok(resolution) => {
            facts.user = resolution.user.as_ref().map(ToString::to_string);
            facts.rule.clone_from(&resolution.rule);
            facts.class.clone_from(&resolution.class);
            match final_pod(context, pod, &resolution) {
                Err(refused) => Verdict::refuse(refused, facts),
                Ok(()) => Verdict::pass(facts),
            }
        }
        Err(error) => Verdict::refuse(refusal(&error), facts),
    }
}

// What is left to check of a pod whose resolution was signed for it.
fn final_pod(
    context: &AdmissionContext<'_>,
    pod: &Object<'_>,
    resolution: &Resolution,
) -> Result<(), Refused> {
    if let Some(what) = tampered(pod, resolution) {
        return Err(changed(&what));
    }
    let spec = pod.spec.as_ref();
    let foreign = spec.and_then(|s| containers::foreign(context.rules, s, &resolution.containers));
    if let Some(refused) = foreign {
        return Err(refused);
    }
    node::gives_identity(context.rules, spec, &resolution.service_account)
}

// A pod that Namesake left as it is: what it names must be open to everybody.
fn without(
    context: &AdmissionContext<'_>,
    request: &Request<'_>,
    account: &str,
    mut facts: Facts,
) -> Verdict {
    facts.outcome = "checked-kept";
    let requester = &facts.requester;
    if is_managed_name(account) {
        let refused = Refused::forbidden(
            RefusalReason::ManagedAccount,
            format!(
                "service account {account} belongs to one identity, and this pod of {requester} has no resolution that \
                 gives it: take serviceAccountName out of the pod, Namesake sets it"
            ),
        );
        return Verdict::refuse(refused, facts);
    }
    if context.rules.allows_service_account(account) {
        return Verdict::pass(facts);
    }
    if request.is_dry_run() {
        let mut verdict = Verdict::pass(facts);
        verdict.warnings.push(DRY_RUN.to_owned());
        return verdict;
    }
    let refused = Refused::forbidden(
        RefusalReason::AccountNotAllowed,
        format!(
            "service account {account} is not one that a pod without an identity may name: name \
             one of allowedServiceAccounts, or ask the platform team for a rule; if the pod was given an identity, \
             something took the annotation {RESOLUTION_ANNOTATION} away after Namesake"
        ),
    );
    Verdict::refuse(refused, facts)
}

fn tampered(pod: &Object<'_>, resolution: &Resolution) -> Option<String> {
    let differs = |what: &str, now: Option<&str>, signed: Option<&str>| {
        let shown = |v: Option<&str>| v.map_or("nothing".to_owned(), |v| format!("{v:?}"));
        (now != signed).then(|| format!("{what} from {} to {}", shown(signed), shown(now)))
    };
    let label = pod.metadata.label(IDENTITY_LABEL);
    let user = pod.metadata.annotation(USER_ANNOTATION);
    let signed_user = resolution.user.as_ref().map(namesake_core::User::as_str);
    differs(
        &format!("label {IDENTITY_LABEL}"),
        label,
        resolution.identity.as_deref(),
    )
    .or_else(|| differs(&format!("annotation {USER_ANNOTATION}"), user, signed_user))
}

fn changed(what: &str) -> Refused {
    Refused::forbidden(
        RefusalReason::ChangedAfterwards,
        format!(
            "something changed {what} after Namesake decided: find the mutating webhook or policy that does it, and \
             let it leave these pods alone"
        ),
    )
}

fn refusal(error: &SealError) -> Refused {
    match error {
        SealError::Differs {
            field: "service account",
            signed,
            seen,
        } => changed(&format!("serviceAccountName from {signed} to {seen}")),
        SealError::UnknownKey(_) => Refused::later(
            RefusalReason::UnknownKey,
            format!(
                "the pod's resolution cannot be checked yet: {error}; keys are read again every minute: try again"
            ),
        ),
        // This replica, or the one that signed, does not see yet that the namespace was opted in anew.
        SealError::Epoch => Refused::later(
            RefusalReason::NotOptedIn,
            "the pod was decided about in another epoch of its namespace, which has just been opted in: try again in a minute"
                .to_owned(),
        ),
        _ => Refused::forbidden(
            RefusalReason::VoidResolution,
            format!(
                "the pod's resolution does not count: {error}; take the annotation {RESOLUTION_ANNOTATION} out of what you \
                 create, Namesake writes it"
            ),
        ),
    }
}
