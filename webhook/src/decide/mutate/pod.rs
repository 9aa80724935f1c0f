//! The patch of a pod: its account, the labels and annotations of Namesake, the signed resolution, the gate, and the token for the
//! gateway where the rules ask for it. Nothing else changes.
//!
//! Not changed on purpose: `imagePullSecrets` and the `kube-api-access` volume, which the API server's ServiceAccount admission
//! plugin added for the account that the pod came with. It only adds and never removes, so the pod keeps the pull secrets of that
//! account, and its token volume, which is for whichever account the pod names in the end.

use namesake_api::names::{
    DECISION_ANNOTATION, GATE, IDENTITY_LABEL, RESOLUTION_ANNOTATION, SKIP_FINAL_CHECK_LABEL,
    USER_ANNOTATION, WAITING_ANNOTATION, WAITING_AT_FIRST,
};
use namesake_core::{
    Decision, DecisionId, IdentityChoice, Launcher, MAX_SEALED_BYTES, ObjectName,
    Outcome as Granted, Reason, Resolution, SeenPod, User,
};

use super::{Available, Change, skip_label};
use crate::decide::argo::pod_keys;
use crate::decide::context::AdmissionContext;
use crate::decide::pod_model::containers::{self, Digests};
use crate::decide::pod_model::{gateway_token, node, seen_pod};
use crate::decide::who::Principal;
use crate::review::outcome::Outcome;
use crate::review::patch::Patch;
use crate::review::refused::Refused;
use crate::review::verdict::DRY_RUN;
use crate::review::{Gate, Object, Request, Spec};

#[derive(Default)]
struct Wanted<'a> {
    account: Option<&'a str>,
    identity: Option<&'a str>,
    user: Option<&'a str>,
    resolution: Option<String>,
    gate: bool,
    /// The containers that get the token for the gateway.
    token: Option<&'a Digests>,
    /// The stack whose final check would find nothing.
    skips_final_check: Option<&'a str>,
}

/// What a pod may run, and who says so.
enum Requested {
    /// The pod itself, when this webhook sees it for the first time.
    ByPod(Digests),
    /// The stamp of its parent.
    ByParent(Digests),
    /// The resolution of an earlier call in the same request.
    Earlier(Digests),
}

/// Writes the patch of a pod. `available` is the identity, if the decision needs one; without it this is a dry run, and the pod
/// keeps its account (which the final check refuses if the pod is created after all).
///
/// # Errors
/// A pod that needs a gate and cannot have one, or that Google would take for its node.
pub fn pod(
    context: &AdmissionContext,
    request: &Request<'_>,
    pod: &Object<'_>,
    principal: &Principal,
    decision: &Decision,
    available: Option<Available>,
) -> Result<Change, Refused> {
    let (account, outcome, identity) = match (decision, available) {
        (Decision::Identity(choice), Some(Available { ready: true, .. })) => {
            (choice.name.as_str(), Outcome::Identity, Some(choice))
        }
        (Decision::Identity(choice), Some(Available { ready: false, .. })) => {
            (choice.name.as_str(), Outcome::Gated, Some(choice))
        }
        (Decision::ServiceAccount { name, .. }, _) => {
            (name.as_str(), Outcome::ServiceAccount, None)
        }
        (Decision::Identity(_), None) => {
            return Ok(change(pod, &Wanted::default(), Outcome::DryRun));
        }
        (Decision::Keep | Decision::Deny(_), _) => {
            return Ok(change(pod, &Wanted::default(), Outcome::Kept));
        }
    };
    let Some(spec) = &pod.spec else {
        return Err(Refused::bad_request(
            "this pod has no spec: create one that has, with at least one container",
        ));
    };
    let gate = outcome == Outcome::Gated;
    let node_name = spec.node_name.as_deref().filter(|name| !name.is_empty());
    if let Some(node_name) = node_name.filter(|_| gate) {
        return Err(cannot_wait(principal, account, node_name));
    }
    node::check_pod(&context.rules, Some(spec), account)?;
    let gets_token = context.rules.mounts_gateway_token() && identity.is_some();
    if gets_token {
        gateway_token::check_pod(spec)?;
    }
    let requested = requested_containers(context, request, pod, principal)?;
    let skips = skips_final_check(context, pod, spec, principal, &requested);
    let resolution = resolution(
        context,
        request,
        pod,
        principal,
        (decision, account, identity, requested),
    );
    let wanted = Wanted {
        account: Some(account),
        identity: identity.map(|i| i.name.as_str()),
        user: principal.user().map(User::as_str),
        resolution: Some(sign_or_keep(context, request, pod, &resolution)?),
        gate,
        token: gets_token.then_some(&resolution.containers),
        skips_final_check: skips.then_some(context.rules.stack()),
    };
    Ok(change(pod, &wanted, outcome))
}

// Whether the final check of the pod would find nothing: nothing comes after this call, and the pod is as it was requested. An
// earlier call means that something changed the pod since, and pods of Argo are compared with their Workflow once more.
fn skips_final_check(
    context: &AdmissionContext,
    pod: &Object<'_>,
    spec: &Spec<'_>,
    principal: &Principal,
    requested: &Requested,
) -> bool {
    context.decides_last
        && !skip_label::is_set(pod)
        && principal.launcher != Launcher::Workflow
        && matches!(pod_keys::check(&pod.metadata, false), Ok(None))
        // Last, because it hashes what the containers run.
        && match requested {
            Requested::ByPod(_) => true,
            Requested::ByParent(signed) => {
                containers::check_final(&context.rules, spec, signed).is_ok()
            }
            Requested::Earlier(_) => false,
        }
}

// The content of the resolution of a pod.
fn resolution(
    context: &AdmissionContext,
    request: &Request<'_>,
    pod: &Object<'_>,
    principal: &Principal,
    (decision, account, identity, requested): (&Decision, &str, Option<&IdentityChoice>, Requested),
) -> Resolution {
    let metadata = &pod.metadata;
    let (Requested::ByPod(containers)
    | Requested::ByParent(containers)
    | Requested::Earlier(containers)) = requested;
    let rule = match decision {
        Decision::Identity(choice) => Some(choice.rule.clone()),
        Decision::ServiceAccount { rule, .. } => Some(rule.clone()),
        Decision::Keep | Decision::Deny(_) => None,
    };
    Resolution {
        stack: context.rules.stack().to_owned(),
        namespace: request.namespace.to_string(),
        requester: request.user_info.username.to_string(),
        credential: request.user_info.has_credential_id(),
        at: context.now,
        owner_uid: metadata.controller().map(|o| o.uid.to_string()),
        service_account: account.to_owned(),
        identity: identity.map(|i| i.name.to_string()),
        user: principal.user().cloned(),
        class: identity.map(|i| str::to_owned(&i.class)),
        rule,
        outcome: if identity.is_some() {
            Granted::Identity
        } else {
            Granted::ServiceAccount
        },
        pod: ObjectName::new(metadata.name.as_deref(), metadata.generate_name.as_deref()),
        containers,
    }
}

// The containers that the parent's stamp lists, whatever earlier webhooks did; otherwise those of the pod. If a later webhook
// changes the pod, this webhook is called again: the list that was signed first stays, because the user did not ask for what was
// added.
fn requested_containers(
    context: &AdmissionContext,
    request: &Request<'_>,
    pod: &Object<'_>,
    principal: &Principal,
) -> Result<Requested, Refused> {
    let seen = seen_pod(context, request, pod);
    let text = pod.metadata.annotation(RESOLUTION_ANNOTATION);
    let first = text.and_then(|text| Resolution::verify_request(text, &context.keys, &seen).ok());
    match (first, &pod.spec) {
        (Some(first), _) => Ok(Requested::Earlier(first.containers)),
        _ if !principal.containers.is_empty() => {
            Ok(Requested::ByParent(principal.containers.clone()))
        }
        (None, Some(spec)) => Ok(Requested::ByPod(containers::of_pod(&context.rules, spec)?)),
        (None, None) => Ok(Requested::ByPod(Digests::new())),
    }
}

// The existing resolution, if it has the same content: a second pass over the output of the webhook changes nothing.
fn sign_or_keep(
    context: &AdmissionContext,
    request: &Request<'_>,
    pod: &Object<'_>,
    wanted: &Resolution,
) -> Result<String, Refused> {
    let seen = SeenPod {
        service_account: &wanted.service_account,
        ..seen_pod(context, request, pod)
    };
    let same = pod
        .metadata
        .annotation(RESOLUTION_ANNOTATION)
        .filter(|text| {
            Resolution::verify(text, &context.keys, &seen).is_ok_and(|present| {
                Resolution {
                    at: wanted.at,
                    ..present
                } == *wanted
            })
        });
    let text = same.map_or_else(|| wanted.sign(&context.keys, &context.epoch), str::to_owned);
    match text.len() {
        0..=MAX_SEALED_BYTES => Ok(text),
        bytes => Err(too_long(bytes)),
    }
}

// The final check would not read it. The API server limits names only after the webhook, and the UID of an owner not at all.
fn too_long(bytes: usize) -> Refused {
    Refused::bad_request(format!(
        "what Namesake would sign for this pod has {bytes} bytes, and at most {MAX_SEALED_BYTES} are read: shorten its name, its \
         generateName, the UID of its owner or the names of its containers, and create it again"
    ))
}

fn change(pod: &Object<'_>, wanted: &Wanted<'_>, outcome: Outcome) -> Change {
    let mut patch = Patch::default();
    let (metadata, spec) = (&pod.metadata, pod.spec.as_ref());
    let decision = wanted.resolution.as_deref().and_then(DecisionId::of_signed);
    let annotations = [
        (USER_ANNOTATION, wanted.user),
        (RESOLUTION_ANNOTATION, wanted.resolution.as_deref()),
        (
            DECISION_ANNOTATION,
            decision.as_ref().map(DecisionId::as_str),
        ),
        (WAITING_ANNOTATION, wanted.gate.then_some(WAITING_AT_FIRST)),
    ];
    patch.set_keys(
        "/metadata/labels",
        metadata.labels.as_ref(),
        &[
            (IDENTITY_LABEL, wanted.identity),
            (SKIP_FINAL_CHECK_LABEL, wanted.skips_final_check),
        ],
    );
    patch.set_annotations(metadata, &annotations);
    if let (Some(account), Some(spec)) = (wanted.account, spec) {
        if spec.service_account_name.as_deref() != Some(account) {
            patch.set("/spec/serviceAccountName", account);
        }
        if spec.service_account.as_deref() != Some(account) {
            patch.set("/spec/serviceAccount", account);
        }
    }
    set_gate(&mut patch, spec, wanted.gate);
    if let (Some(containers), Some(spec)) = (wanted.token, spec) {
        super::gateway_token::add(&mut patch, spec, containers, wanted.user);
    }
    let account = wanted.account.or(spec.map(Spec::account));
    Change {
        patch,
        warning: (outcome == Outcome::DryRun).then_some(DRY_RUN),
        service_account: Some(account.unwrap_or("default").to_owned()),
        outcome,
        decision,
    }
}

// Only the webhook sets its gate: one that is not needed would hold the pod for no reason.
fn set_gate(patch: &mut Patch, spec: Option<&Spec<'_>>, gate: bool) {
    let present = spec.and_then(|s| s.scheduling_gates.as_ref());
    let is_ours = |gate: &Gate<'_>| gate.name.as_str() == GATE;
    let ours = present.into_iter().flatten().enumerate();
    let ours: Vec<_> = ours.filter(|(_, g)| is_ours(g)).map(|(i, _)| i).collect();
    match (present, gate) {
        (_, true) if !ours.is_empty() => {}
        (Some(_), true) => patch.set("/spec/schedulingGates/-", serde_json::json!({"name": GATE})),
        (None, true) => patch.set("/spec/schedulingGates", serde_json::json!([{"name": GATE}])),
        // From the last, so that the indices of the others stay.
        (_, false) => ours
            .iter()
            .rev()
            .for_each(|i| patch.remove(format!("/spec/schedulingGates/{i}"))),
    }
}

fn cannot_wait(principal: &Principal, name: &str, node: &str) -> Refused {
    Refused::new(
        Reason::NotReadyYet,
        format!(
            "identity {name} of {} is still being created at Google, and a pod that names its node ({node}) cannot wait at a \
             scheduling gate: try again in a few minutes, or remove nodeName",
            principal.requester
        ),
    )
}
