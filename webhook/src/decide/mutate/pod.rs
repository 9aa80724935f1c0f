//! The pod: its account, our labels and annotations, the signed resolution, the gate. Nothing else is touched.
//!
//! Left alone on purpose: `imagePullSecrets` and the `kube-api-access` volume, which the API server's ServiceAccount
//! plugin filled in for the account that the pod came with. It only adds and never takes away, so the pod keeps the pull
//! secrets of that account, and its token volume, which is for whichever account the pod names in the end.

use std::collections::BTreeMap;

use namesake_api::names::{
    GATE, IDENTITY_LABEL, RESOLUTION_ANNOTATION, USER_ANNOTATION, WAITING_ANNOTATION,
    WAITING_AT_FIRST,
};
use namesake_core::{Decision, MAX_SEALED_BYTES, ObjectName, Outcome, Resolution, SeenPod};

use super::{Available, Change};
use crate::decide::context::AdmissionContext;
use crate::decide::pod_model::{containers, node, seen_pod};
use crate::decide::who::Asker;
use crate::review::patch::Patch;
use crate::review::reason::RefusalReason;
use crate::review::verdict::DRY_RUN;
use crate::review::verdict::Refused;
use crate::review::{Object, Request, Spec};

struct Want<'a> {
    account: Option<&'a str>,
    identity: Option<&'a str>,
    user: Option<&'a str>,
    resolution: Option<String>,
    gate: bool,
}

const NOTHING: Want<'_> = Want {
    account: None,
    identity: None,
    user: None,
    resolution: None,
    gate: false,
};

/// Writes the patch of a pod. `have` is the identity, if the decision needs one; without it this is a dry run, and the
/// pod keeps its account (which the twin refuses if it is written after all).
///
/// # Errors
/// A pod that needs a gate and cannot have one, or that would be its node to Google.
pub fn pod(
    context: &AdmissionContext<'_>,
    request: &Request<'_>,
    pod: &Object<'_>,
    asker: &Asker,
    decision: &Decision,
    have: Option<Available>,
) -> Result<Change, Refused> {
    let (account, outcome, identity) = match (decision, have) {
        (Decision::Identity(choice), Some(have)) => {
            let gated = if have.ready { "identity" } else { "gated" };
            (choice.name.as_str(), gated, Some(choice))
        }
        (Decision::ServiceAccount { name, .. }, _) => (name.as_str(), "service-account", None),
        (Decision::Identity(_), None) => {
            return Ok(change(pod, &NOTHING, "dry-run", Some(DRY_RUN)));
        }
        (Decision::Keep | Decision::Deny(_), _) => return Ok(change(pod, &NOTHING, "kept", None)),
    };
    if pod.spec.is_none() {
        return Err(Refused::bad_request(
            "this pod has no spec: create one that has, with at least one container",
        ));
    }
    let gate = outcome == "gated";
    if gate && node_name(pod).is_some() {
        return Err(no_gate(asker, account, node_name(pod).unwrap_or_default()));
    }
    node::gives_identity(context.rules, pod.spec.as_ref(), account)?;
    let seen = seen_pod(context, request, pod);
    let there = pod.metadata.annotation(RESOLUTION_ANNOTATION);
    let resolution = Resolution {
        stack: context.rules.stack().to_owned(),
        namespace: request.namespace.to_string(),
        requester: request.user_info.username.to_string(),
        credential: request.user_info.has_credential_id(),
        at: context.now,
        owner_uid: pod.metadata.controller().map(|o| o.uid.to_string()),
        service_account: account.to_owned(),
        identity: identity.map(|i| i.name.to_string()),
        user: asker.user().cloned(),
        class: identity.map(|i| i.class.clone()),
        rule: rule(decision),
        outcome: if identity.is_some() {
            Outcome::Identity
        } else {
            Outcome::ServiceAccount
        },
        pod: ObjectName::new(
            pod.metadata.name.as_deref(),
            pod.metadata.generate_name.as_deref(),
        ),
        containers: wanted_containers(context, pod, asker, there, &seen)?,
    };
    let want = Want {
        account: Some(account),
        identity: identity.map(|i| i.name.as_str()),
        user: asker.user().map(namesake_core::User::as_str),
        resolution: Some(signed(context, there, &seen, &resolution)?),
        gate,
    };
    Ok(change(pod, &want, outcome, None))
}

fn rule(decision: &Decision) -> Option<String> {
    match decision {
        Decision::Identity(choice) => Some(choice.rule.clone()),
        Decision::ServiceAccount { rule, .. } => Some(rule.clone()),
        Decision::Keep | Decision::Deny(_) => None,
    }
}

// What was asked for: by the parent, where its stamp says so, whatever webhooks did before us. When another webhook changed the pod after us, we are called again: what it put in was not asked
// for, so the list that we signed at first stays.
fn wanted_containers(
    context: &AdmissionContext<'_>,
    pod: &Object<'_>,
    asker: &Asker,
    there: Option<&str>,
    seen: &SeenPod<'_>,
) -> Result<BTreeMap<String, String>, Refused> {
    let first = there.and_then(|text| Resolution::verify_request(text, context.keys, seen).ok());
    match (first, &pod.spec) {
        (Some(first), _) => Ok(first.containers),
        _ if !asker.containers.is_empty() => Ok(asker.containers.clone()),
        (None, Some(spec)) => containers::asked_for(context.rules, spec),
        (None, None) => Ok(BTreeMap::new()),
    }
}

// The resolution that is there already, if it says the same: a second pass over our own output changes nothing.
fn signed(
    context: &AdmissionContext<'_>,
    there: Option<&str>,
    seen: &SeenPod<'_>,
    wanted: &Resolution,
) -> Result<String, Refused> {
    let seen = SeenPod {
        service_account: &wanted.service_account,
        ..*seen
    };
    let same = there.filter(|text| {
        Resolution::verify(text, context.keys, &seen).is_ok_and(|there| {
            Resolution {
                at: wanted.at,
                ..there
            } == *wanted
        })
    });
    let text = same.map_or_else(|| wanted.sign(context.keys, context.epoch), str::to_owned);
    match text.len() {
        0..=MAX_SEALED_BYTES => Ok(text),
        bytes => Err(too_long(bytes)),
    }
}

// The twin would not look at it. The API server limits names only after us, and an owner's UID not at all.
fn too_long(bytes: usize) -> Refused {
    let message = format!(
        "what Namesake would sign for this pod has {bytes} bytes, and at most {MAX_SEALED_BYTES} are looked at: shorten its \
         name, its generateName, the UID of its owner or the names of its containers, and create it again"
    );
    Refused::bad_request(message)
}

fn node_name<'a>(pod: &'a Object<'_>) -> Option<&'a str> {
    let node = pod.spec.as_ref()?.node_name.as_deref();
    node.filter(|name| !name.is_empty())
}

fn change(
    pod: &Object<'_>,
    want: &Want<'_>,
    outcome: &'static str,
    warning: Option<&'static str>,
) -> Change {
    let mut patch = Patch::default();
    let (metadata, spec) = (&pod.metadata, pod.spec.as_ref());
    let annotations = [
        (USER_ANNOTATION, want.user),
        (RESOLUTION_ANNOTATION, want.resolution.as_deref()),
        (WAITING_ANNOTATION, want.gate.then_some(WAITING_AT_FIRST)),
    ];
    patch.set_keys(
        "/metadata/labels",
        metadata.labels.as_ref(),
        &[(IDENTITY_LABEL, want.identity)],
    );
    patch.set_keys(
        "/metadata/annotations",
        metadata.annotations.as_ref(),
        &annotations,
    );
    if let (Some(account), Some(spec)) = (want.account, spec) {
        if spec.service_account_name.as_deref() != Some(account) {
            patch.set("/spec/serviceAccountName", account);
        }
        if spec.service_account.as_deref() != Some(account) {
            patch.set("/spec/serviceAccount", account);
        }
    }
    gates(&mut patch, spec, want.gate);
    Change {
        patch,
        warning,
        service_account: Some(
            want.account
                .or(spec.map(Spec::account))
                .unwrap_or("default")
                .to_owned(),
        ),
        outcome,
    }
}

// Our gate comes only from us: one that is not needed would hold the pod for no reason.
fn gates(patch: &mut Patch, spec: Option<&Spec<'_>>, gate: bool) {
    let present = spec.and_then(|s| s.scheduling_gates.as_ref());
    let ours = |gates: &Vec<crate::review::Gate<'_>>| {
        let all = gates.iter().enumerate().rev();
        all.filter(|(_, g)| g.name.as_str() == GATE)
            .map(|(i, _)| i)
            .collect::<Vec<_>>()
    };
    let ours = present.map(ours).unwrap_or_default();
    match (present, gate) {
        (_, true) if !ours.is_empty() => {}
        (Some(_), true) => patch.set("/spec/schedulingGates/-", serde_json::json!({"name": GATE})),
        (None, true) => patch.set("/spec/schedulingGates", serde_json::json!([{"name": GATE}])),
        (_, false) => ours
            .iter()
            .for_each(|i| patch.remove(format!("/spec/schedulingGates/{i}"))),
    }
}

fn no_gate(asker: &Asker, name: &str, node: &str) -> Refused {
    Refused::later(
        RefusalReason::NotReadyYet,
        format!(
            "identity {name} of {} is being made at Google, and a pod that names its node ({node}) cannot wait at a \
             scheduling gate: try again in a few minutes, or leave nodeName out",
            asker.requester
        ),
    )
}
