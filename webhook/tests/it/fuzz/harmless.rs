//! Why an answer that lets something in does no harm. Read from the JSON anew, by the rules, without the code that decided.

use namesake_core::{
    Bound, Launcher, MAX_SEALED_BYTES, ObjectName, Requester, Resolution, Rules, SeenObject,
    SeenPod, Stamp, is_managed_name,
};
use namesake_webhook::admit::Webhook;
use serde_json::{Value, json};

use super::corpus::Case;
use crate::cases::{self, EPOCH, keys, merge, name_of};

const STAMP: &str = "namesake.dev/stamp";
const RESOLUTION: &str = "namesake.dev/resolution";
const CREDENTIAL: &str = "authentication.kubernetes.io/credential-id";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";
const LAUNCHERS: [Launcher; 4] = [
    Launcher::Job,
    Launcher::CronJob,
    Launcher::JobSet,
    Launcher::Workflow,
];

/// What is wrong with letting this in; `last` is the object with our patch.
pub(super) fn harm(case: &Case, webhook: Webhook, request: &Value, last: &Value) -> Option<String> {
    match webhook {
        Webhook::MutateNamespaces | Webhook::ValidateRules => None,
        Webhook::Guard => guarded(case, request),
        Webhook::Mutate | Webhook::Validate if case.shadow => None,
        Webhook::Mutate | Webhook::Validate if !last["metadata"].is_object() => {
            Some("an object without metadata".to_owned())
        }
        Webhook::Mutate | Webhook::Validate => {
            pod(case, request, last).or_else(|| stamped(case, request, last))
        }
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn requester(request: &Value) -> Requester {
    let info = &request["userInfo"];
    let groups = info["groups"].as_array().into_iter().flatten();
    let credential = info["extra"][CREDENTIAL].as_array();
    Requester {
        username: text(info, "username").to_owned(),
        groups: groups
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        has_credential_id: credential.is_some_and(|all| !all.is_empty()),
    }
}

// Whether whoever asks may have things run as this user.
fn entitled(case: &Case, rules: &Rules, request: &Value, user: &str) -> bool {
    let asks = requester(request);
    let annotations = &request["object"]["metadata"]["annotations"];
    let claim = |key: &str| annotations[key].as_str().map(str::to_owned);
    let is = rules
        .user(&asks, claim)
        .is_ok_and(|asker| asker.as_str() == user);
    let carries = LAUNCHERS
        .iter()
        .any(|launcher| rules.is_carrier(&asks, *launcher));
    let namespace = text(request, "namespace");
    let account = asks.username.strip_prefix("system:serviceaccount:");
    let known = account
        .and_then(|account| account.strip_prefix(namespace)?.strip_prefix(':'))
        .and_then(|name| case.state.identities.get(namespace, name));
    let acts_for = asks.has_credential_id && known.is_some_and(|known| known.user == user);
    is || acts_for
        || (carries && case.carried.contains(user))
        || rules.is_admin(&asks)
        || (rules.is_updater(&asks) && case.carried.contains(user))
}

// A pod has a managed account only by a resolution that we signed for this very request, and for one who may.
fn pod(case: &Case, request: &Value, last: &Value) -> Option<String> {
    if request["kind"]["kind"] != "Pod" {
        return None;
    }
    let spec = &last["spec"];
    let named = ["serviceAccountName", "serviceAccount"].map(|key| text(spec, key));
    let account = named
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or("default");
    if !is_managed_name(account) {
        return None;
    }
    let metadata = &last["metadata"];
    let owners = metadata["ownerReferences"].as_array().into_iter().flatten();
    let owner = owners
        .filter(|owner| owner["controller"] == true)
        .map(|owner| text(owner, "uid"))
        .next();
    let names = ["name", "generateName"].map(|key| text(metadata, key));
    let rules = case.state.rules.get()?;
    let seen = SeenPod {
        stack: rules.stack(),
        namespace: text(request, "namespace"),
        requester: text(&request["userInfo"], "username"),
        credential: requester(request).has_credential_id,
        now: case.state.now(),
        epoch: EPOCH,
        owner_uid: owner,
        service_account: account,
        name: names
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or_default(),
        generate_name: metadata["generateName"].as_str(),
    };
    let signed = Resolution::verify(text(&metadata["annotations"], RESOLUTION), &keys(), &seen);
    let user = match signed {
        Ok(resolution) => resolution
            .user
            .map_or(String::new(), |user| user.to_string()),
        Err(error) => return Some(format!("account {account} without a resolution: {error}")),
    };
    let may = entitled(case, &rules, request, &user);
    (!may).then(|| format!("account {account} as {user:?}"))
}

// What a parent's stamp says is signed, and names one who may; or it says what it said before.
fn stamped(case: &Case, request: &Value, last: &Value) -> Option<String> {
    let was = text(&request["oldObject"]["metadata"]["annotations"], STAMP);
    let now = text(&last["metadata"]["annotations"], STAMP);
    // Nobody looks at a longer one.
    let void = now.is_empty() || now.len() > MAX_SEALED_BYTES;
    if request["kind"]["kind"] == "Pod" || now == was || void {
        return None;
    }
    let Some(stamp) = Stamp::unverified(now).filter(|stamp| is_ours(stamp, now)) else {
        return Some("a stamp that nobody signed".to_owned());
    };
    let user = stamp.user?.to_string();
    let before = Stamp::unverified(was).and_then(|stamp| stamp.user);
    let rules = case.state.rules.get()?;
    let may = before.is_some_and(|before| before.as_str() == user)
        || entitled(case, &rules, request, &user);
    (!may).then(|| format!("a stamp of {user}"))
}

fn is_ours(stamp: &Stamp, text: &str) -> bool {
    let (name, generate_name) = match &stamp.object {
        ObjectName::Name(name) => (name.as_str(), None),
        ObjectName::GenerateName(beginning) => (beginning.as_str(), Some(beginning.as_str())),
    };
    let (uid, created) = match &stamp.bound {
        Bound::SignedAt(second) => ("", *second),
        Bound::Uid(uid) => (uid.as_str(), 0),
    };
    let seen = SeenObject {
        stack: &stamp.stack,
        namespace: &stamp.namespace,
        kind: &stamp.kind,
        name,
        generate_name,
        uid,
        created,
        epoch: if stamp.kind == "argoproj.io/ClusterWorkflowTemplate" {
            ""
        } else {
            EPOCH
        },
    };
    Stamp::verify(text, &keys(), &seen).is_ok()
}

// The pod that the API server has is Alice's, and so is the step that it is.
fn guarded(case: &Case, request: &Value) -> Option<String> {
    let rules = case.state.rules.get()?;
    let asks = requester(request);
    if rules.is_admin(&asks) || rules.is_carrier(&asks, Launcher::Workflow) {
        return None;
    }
    if request["operation"] == "CONNECT" {
        let claimless = rules.user(&asks, |_| None);
        let is = claimless.is_ok_and(|user| user.as_str() == "alice@acme.com")
            || asks
                .username
                .ends_with(&format!(":{}", name_of("alice@acme.com")));
        return (!is).then(|| "entered by another".to_owned());
    }
    // Who adopts a pod is not told by who asks.
    if request["kind"]["kind"] == "Pod" {
        return None;
    }
    let account = format!(
        "system:serviceaccount:research:{}",
        name_of("alice@acme.com")
    );
    let uid = request["userInfo"]["extra"][POD_UID][0].as_str();
    let is_pod = asks.username == account && asks.has_credential_id && uid == Some("u");
    (!is_pod && !case.shadow).then(|| "fed by another".to_owned())
}

#[test]
fn harm_is_seen_where_there_is_some() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let case = Case::of_alice();
    let asks = |user: &str, kind: &str| {
        json!({"kind": {"kind": kind}, "namespace": "research", "operation": "CREATE",
        "userInfo": {"username": user}})
    };
    let seen =
        |webhook, request: &Value, last: &Value| harm(&case, webhook, request, last).is_some();
    let pod = json!({"metadata": {"name": "p"}, "spec": {"serviceAccountName": name_of("alice@acme.com")}});
    assert!(seen(
        Webhook::Validate,
        &asks("alice@acme.com", "Pod"),
        &pod
    ));
    let mut stamped = json!({"metadata": {"name": "j", "annotations": {STAMP: {"$stamp": {"object": {"name": "j"}}}}}});
    cases::sign(&mut stamped);
    assert!(!seen(
        Webhook::Mutate,
        &asks("alice@acme.com", "Job"),
        &stamped
    ));
    for other in ["bob@acme.com", ""] {
        assert!(
            seen(Webhook::Mutate, &asks(other, "Job"), &stamped),
            "{other}"
        );
    }
    assert!(seen(
        Webhook::Mutate,
        &asks("alice@acme.com", "Job"),
        &json!([])
    ));
    let enters = merge(
        asks("bob@acme.com", "PodExecOptions"),
        json!({"operation": "CONNECT"}),
    );
    assert!(seen(Webhook::Guard, &enters, &json!({})));
    assert!(seen(
        Webhook::Guard,
        &asks("bob@acme.com", "WorkflowTaskResult"),
        &json!({})
    ));
}
