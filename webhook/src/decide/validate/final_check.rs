//! The final check: it sees the pod as it will be stored, with the changes of later webhooks, and compares it with what was signed.
//! Pure.
//!
//! A resolution is for one request: requester, whether it had a credential id, second, namespace, owner, the pod's name as far as
//! it is known, its account and what its containers run. One that was copied from another pod fits only a pod that is the same in
//! all of these.

use namesake_api::names::{IDENTITY_LABEL, RESOLUTION_ANNOTATION, USER_ANNOTATION};
use namesake_core::{DecisionId, Reason, Resolution, SealError, SeenPod, User, is_managed_name};

use crate::decide::context::AdmissionContext;
use crate::decide::pod_model::{containers, gateway_token, node, seen_pod};
use crate::review::outcome::Outcome;
use crate::review::refused::Refused;
use crate::review::verdict::{DRY_RUN, Facts, Verdict};
use crate::review::{Object, Request, Spec};

/// Checks a final pod at CREATE.
#[must_use]
pub fn check(context: &AdmissionContext, request: &Request<'_>, pod: &Object<'_>) -> Verdict {
    let account = pod.spec.as_ref().map_or("default", Spec::account);
    let mut facts = Facts {
        service_account: Some(account.to_owned()),
        ..Facts::of_requester(&request.user_info.username, Outcome::Checked)
    };
    let Some(text) = pod.metadata.annotation(RESOLUTION_ANNOTATION) else {
        facts.outcome = Outcome::CheckedKept;
        return without_resolution(context, request, account, facts);
    };
    let seen = SeenPod {
        service_account: account,
        ..seen_pod(context, request, pod)
    };
    let checked = match Resolution::verify(text, &context.keys, &seen) {
        Ok(resolution) => {
            facts.user = resolution.user.as_ref().map(ToString::to_string);
            facts.rule.clone_from(&resolution.rule);
            facts.class.clone_from(&resolution.class);
            facts.decision = DecisionId::of_signed(text);
            with_resolution(context, pod, &resolution)
        }
        Err(error) => Err(invalid_resolution(&error)),
    };
    match checked {
        Ok(()) => Verdict::pass(facts),
        Err(refused) => Verdict::refuse(refused, facts),
    }
}

// The remaining checks of a pod whose resolution was signed for it.
fn with_resolution(
    context: &AdmissionContext,
    pod: &Object<'_>,
    resolution: &Resolution,
) -> Result<(), Refused> {
    let label = pod.metadata.label(IDENTITY_LABEL);
    let user = pod.metadata.annotation(USER_ANNOTATION);
    check_same(
        "label",
        IDENTITY_LABEL,
        label,
        resolution.identity.as_deref(),
    )?;
    let signed_user = resolution.user.as_ref().map(User::as_str);
    check_same("annotation", USER_ANNOTATION, user, signed_user)?;
    let (rules, spec) = (&context.rules, pod.spec.as_ref());
    if let Some(spec) = spec {
        containers::check_final(rules, spec, &resolution.containers)?;
        let replaced = gateway_token::in_place_of_it(spec)
            .filter(|_| rules.mounts_gateway_token() && resolution.identity.is_some());
        if let Some(other) = replaced {
            return Err(changed(&format!("the token for the gateway to {other}")));
        }
    }
    node::check_pod(rules, spec, &resolution.service_account)
}

fn check_same(
    what: &str,
    key: &str,
    now: Option<&str>,
    signed: Option<&str>,
) -> Result<(), Refused> {
    if now == signed {
        return Ok(());
    }
    let shown = |value: Option<&str>| value.map_or("nothing".to_owned(), |v| format!("{v:?}"));
    let change = format!("{what} {key} from {} to {}", shown(signed), shown(now));
    Err(changed(&change))
}

// A pod to which Namesake gave no identity: it may only name an account that is open to everybody.
fn without_resolution(
    context: &AdmissionContext,
    request: &Request<'_>,
    account: &str,
    facts: Facts,
) -> Verdict {
    if is_managed_name(account) {
        let message = format!(
            "service account {account} belongs to one identity, and this pod of {} has no resolution that gives it: remove \
             serviceAccountName from the pod, Namesake sets it",
            facts.requester
        );
        return Verdict::refuse(Refused::new(Reason::ManagedAccount, message), facts);
    }
    if context.rules.allows_service_account(account) {
        return Verdict::pass(facts);
    }
    if request.is_dry_run() {
        let warnings = vec![DRY_RUN.to_owned()];
        return Verdict {
            warnings,
            ..Verdict::pass(facts)
        };
    }
    let message = format!(
        "a pod without an identity may not use service account {account}: name one of allowedServiceAccounts, or ask the platform \
         team for a rule; if the pod was given an identity, something removed the annotation {RESOLUTION_ANNOTATION} after Namesake"
    );
    Verdict::refuse(Refused::new(Reason::AccountNotAllowed, message), facts)
}

fn changed(what: &str) -> Refused {
    Refused::new(
        Reason::ChangedAfterwards,
        format!(
            "something changed {what} after Namesake decided: find the mutating webhook or policy that does it, and let it leave \
             these pods alone"
        ),
    )
}

fn invalid_resolution(error: &SealError) -> Refused {
    match error {
        SealError::Differs {
            field: "service account",
            signed,
            seen,
        } => changed(&format!("serviceAccountName from {signed} to {seen}")),
        SealError::UnknownKey(_) => Refused::new(
            Reason::UnknownKey,
            format!(
                "the pod's resolution cannot be verified yet: {error}; keys are read again every minute: try again"
            ),
        ),
        // This replica, or the one that signed, does not see yet that the namespace was opted in again.
        SealError::Epoch => Refused::new(
            Reason::NotOptedIn,
            "the pod's identity was decided in another epoch of its namespace, which has just been opted in: try again in a minute",
        ),
        _ => Refused::new(
            Reason::InvalidResolution,
            format!(
                "the pod's resolution is not valid: {error}; remove the annotation {RESOLUTION_ANNOTATION} from what you create, \
                 Namesake writes it"
            ),
        ),
    }
}
