//! The objects between a pod and what a person created: what is signed on each, and what the rules say about them. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::ResourceExt;
use kube::api::DynamicObject;
use namesake_api::names::{GATE, RESOLUTION_ANNOTATION, STAMP_ANNOTATION, WAITING_ANNOTATION};
use namesake_api::{SignedText, Validity};
use namesake_core::{
    Claims, Decision, DecisionId, Groups, Launcher, PodAttributes, Resolution, Rules, Stamp, User,
};
use namesake_webhook::decide::argo::runs_as;
use namesake_webhook::decide::kinds::{self, Kind, Parts, Role, Runs};
use serde_json::Value;

use super::facts::{Link, Payload, PodFacts, Proof, Signed, Trace, Wait};

/// Where kinds of parents have the metadata of their pods.
const TEMPLATES: [&str; 2] = [
    "/spec/template/metadata",
    "/spec/jobTemplate/spec/template/metadata",
];

/// An object of the chain, or the owner reference of one that could not be read.
pub(super) enum Found {
    Object(&'static Kind, Box<DynamicObject>),
    Gone { kind: String, name: String },
}

/// Its controller.
pub(super) fn controller(object: &DynamicObject) -> Option<&OwnerReference> {
    let mut owners = object.owner_references().iter();
    owners.find(|owner| owner.controller == Some(true))
}

/// The kind of an owner, if Namesake knows it.
pub(super) fn kind_of(owner: &OwnerReference) -> Option<&'static Kind> {
    let group = owner
        .api_version
        .split_once('/')
        .map_or("", |(group, _)| group);
    let mut parents = kinds::parents().map(|(kind, _)| kind);
    parents.find(|kind| kind.group == group && kind.kind == owner.kind)
}

/// What is signed on an object, as the webhook is asked about it.
pub(super) fn question(kind: &Kind, object: &DynamicObject) -> Option<SignedText> {
    let annotation = |key: &str| object.annotations().get(key).cloned();
    let (name, generate_name) = (object.name_any(), object.metadata.generate_name.clone());
    match kind.role {
        Role::Pod => Some(SignedText::Resolution {
            text: annotation(RESOLUTION_ANNOTATION)?,
            name,
            generate_name,
            service_account: account(object).to_owned(),
        }),
        Role::Parent(_) => {
            let created = object.creation_timestamp()?.0;
            Some(SignedText::Stamp {
                text: annotation(STAMP_ANNOTATION)?,
                kind: kind.name.to_owned(),
                name,
                generate_name,
                uid: object.uid().unwrap_or_default(),
                created: created.as_second(),
            })
        }
    }
}

/// The link of an object, whose signed text has this validity; `None` if nobody said.
pub(super) fn link(found: &Found, validity: Option<&Validity>) -> Link {
    let (kind, object) = match found {
        Found::Object(kind, object) => (kind, object),
        Found::Gone { kind, name } => {
            return Link {
                kind: kind.clone(),
                name: name.clone(),
                signed: None,
                is_changed: false,
                is_gone: true,
            };
        }
    };
    let signed = question(kind, object).map(|question| signed(&question, validity));
    let stamp = signed.as_ref().and_then(|signed| match &signed.payload {
        Payload::Stamp(stamp) => Some(stamp),
        _ => None,
    });
    Link {
        kind: kind.name.to_owned(),
        name: object.name_any(),
        is_changed: stamp.is_some_and(|stamp| is_changed(kind, object, stamp)),
        signed,
        is_gone: false,
    }
}

fn signed(question: &SignedText, validity: Option<&Validity>) -> Signed {
    let (text, payload) = match question {
        SignedText::Resolution { text, .. } => {
            let read = Resolution::unverified(text);
            (text, read.map(|read| Payload::Resolution(Box::new(read))))
        }
        SignedText::Stamp { text, .. } => {
            let read = Stamp::unverified(text);
            (text, read.map(|read| Payload::Stamp(Box::new(read))))
        }
    };
    Signed {
        payload: payload.unwrap_or(Payload::Unreadable),
        decision: DecisionId::of_signed(text),
        proof: match validity {
            Some(Validity::Valid) => Proof::Verified,
            Some(Validity::Invalid(why)) => Proof::NotValid(why.clone()),
            None => Proof::NotVerified,
        },
    }
}

// Whether an object whose stamp signs its own pod template has another one.
fn is_changed(kind: &Kind, object: &DynamicObject, stamp: &Stamp) -> bool {
    let Role::Parent(parent) = &kind.role else {
        return false;
    };
    let Some(Runs::Itself { own }) = parent.pods.map(|pods| pods.runs) else {
        return false;
    };
    let text = serde_json::to_string(object).unwrap_or_default();
    let parts = serde_json::from_str::<Parts<'_>>(&text);
    parts.is_ok_and(|parts| !stamp.runs.contains(&own(&parts)))
}

fn account(pod: &DynamicObject) -> &str {
    let account = pod.data["spec"]["serviceAccountName"].as_str();
    account.unwrap_or("default")
}

/// A pod as it is now.
pub(super) fn pod(pod: &DynamicObject) -> PodFacts {
    PodFacts {
        name: pod.name_any(),
        phase: pod.data["status"]["phase"]
            .as_str()
            .unwrap_or("Pending")
            .to_owned(),
        account: account(pod).to_owned(),
        wait: wait(pod),
    }
}

/// Why a pod waits for its identity, if it does.
pub(super) fn wait(pod: &DynamicObject) -> Option<Wait> {
    let gates = pod.data["spec"]["schedulingGates"].as_array()?;
    gates.iter().find(|gate| gate["name"] == GATE)?;
    let waiting = &pod.data["status"]["containerStatuses"][0]["state"]["waiting"];
    let said = waiting["reason"].as_str().zip(waiting["message"].as_str());
    let annotation = pod.annotations().get(WAITING_ANNOTATION);
    let said = said.or_else(|| annotation?.split_once(": "));
    let (reason, message) = said.unwrap_or(("Pending", "the broker has not looked at it yet"));
    Some(Wait {
        reason: reason.to_owned(),
        message: message.to_owned(),
        since: pod.creation_timestamp().map(|time| time.0),
    })
}

/// When it was created, for sorting.
pub(super) fn created(object: &DynamicObject) -> Option<Timestamp> {
    object.creation_timestamp().map(|time| time.0)
}

/// What the rules, as they are now, say about a pod of this chain.
pub(super) fn trace(
    rules: &Rules,
    namespace: &str,
    chain: &[Found],
    links: &[Link],
) -> Option<Trace> {
    let payloads = || {
        links
            .iter()
            .filter_map(|link| Some(&link.signed.as_ref()?.payload))
    };
    let stamp = payloads().find_map(|payload| match payload {
        Payload::Stamp(stamp) => Some(stamp),
        _ => None,
    });
    let resolution = payloads().find_map(|payload| match payload {
        Payload::Resolution(resolution) => Some(resolution),
        _ => None,
    });
    let user = resolution.and_then(|resolution| resolution.user.as_ref());
    let user = user.or_else(|| runs_as(stamp?))?;
    let launcher = stamp.and_then(|stamp| {
        let named = || kinds::named(&stamp.kind).map(|(_, parent)| parent.launcher);
        stamp.root.or_else(named)
    });
    let groups = stamp.map(|stamp| stamp.groups.clone()).unwrap_or_default();
    let who = (user, &groups);
    let place = (namespace, launcher.unwrap_or(Launcher::Pod));
    Some(traced(rules, who, place, &metadata(chain)))
}

/// What the rules say about a pod of a user.
pub(super) fn traced(
    rules: &Rules,
    (user, groups): (&User, &Groups),
    (namespace, launcher): (&str, Launcher),
    metadata: &Value,
) -> Trace {
    let labels = strings(&metadata["labels"]);
    let annotations = strings(&metadata["annotations"]);
    let annotation = |key: &str| annotations.get(key).copied();
    let pod = PodAttributes {
        user,
        groups,
        namespace,
        launcher,
        claims: Claims {
            flow: annotation(Claims::FLOW),
            step: annotation(Claims::STEP),
            project: annotation(Claims::PROJECT),
            labels: &|key| labels.get(key).copied(),
        },
    };
    let decision = match rules.decide(&pod) {
        Decision::Identity(choice) => format!("class {}, account {}", choice.class, choice.name),
        Decision::ServiceAccount { name, .. } => format!("service account {name}"),
        Decision::Keep => "its pods keep the service account that they name".to_owned(),
        Decision::Deny(refusal) => format!("{}: {}", refusal.reason, refusal.message),
    };
    Trace {
        rules: rules.trace(&pod),
        decision,
    }
}

fn strings(map: &Value) -> BTreeMap<&str, &str> {
    let pairs = map.as_object().into_iter().flatten();
    pairs
        .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
        .collect()
}

// Labels and annotations of the pod; before there is one, of its template.
fn metadata(chain: &[Found]) -> Value {
    let Some(Found::Object(kind, object)) = chain.first() else {
        return Value::Null;
    };
    if matches!(kind.role, Role::Pod) {
        return serde_json::to_value(&object.metadata).unwrap_or_default();
    }
    let mut templates = TEMPLATES
        .iter()
        .filter_map(|path| object.data.pointer(path));
    templates.next().cloned().unwrap_or_default()
}
