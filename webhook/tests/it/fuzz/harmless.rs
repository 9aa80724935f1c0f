//! Checks that an answer that admits something does no harm, from the JSON and the rules, without the code that decided.

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

/// What harm it does to admit this; `last` is the patched object.
pub(super) fn harm(case: &Case, webhook: Webhook, request: &Value, last: &Value) -> Option<String> {
    match webhook {
        Webhook::MutateLabels | Webhook::MutateNamespaces | Webhook::ValidateRules => None,
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

// Whether the requester may run something as this user.
fn may_run_as(case: &Case, rules: &Rules, request: &Value, user: &str) -> bool {
    let requester = requester(request);
    let annotations = &request["object"]["metadata"]["annotations"];
    let claim = |key: &str| annotations[key].as_str().map(str::to_owned);
    let is = rules
        .user(&requester, claim)
        .is_ok_and(|own| own.as_str() == user);
    let carries = LAUNCHERS
        .iter()
        .any(|launcher| rules.is_carrier(&requester, *launcher));
    let namespace = text(request, "namespace");
    let account = requester.username.strip_prefix("system:serviceaccount:");
    let known = account
        .and_then(|account| account.strip_prefix(namespace)?.strip_prefix(':'))
        .and_then(|name| case.state.identities.get(namespace, name));
    let acts_for = requester.has_credential_id && known.is_some_and(|known| *known.user == *user);
    is || acts_for
        || (carries && case.carried.contains(user))
        || rules.is_admin(&requester)
        || (rules.is_updater(&requester) && case.carried.contains(user))
}

// A pod has a managed account only with a resolution that was signed for this request, and for a user that the requester may act
// for.
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
        credential: self::requester(request).has_credential_id,
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
    let may = may_run_as(case, &rules, request, &user);
    (!may).then(|| format!("account {account} as {user:?}"))
}

// The stamp of a parent is unchanged, or it is signed and names a user that the requester may act for.
fn stamped(case: &Case, request: &Value, last: &Value) -> Option<String> {
    let old_stamp = text(&request["oldObject"]["metadata"]["annotations"], STAMP);
    let new_stamp = text(&last["metadata"]["annotations"], STAMP);
    // A longer one is ignored everywhere.
    let ignored = new_stamp.is_empty() || new_stamp.len() > MAX_SEALED_BYTES;
    if request["kind"]["kind"] == "Pod" || new_stamp == old_stamp || ignored {
        return None;
    }
    let Some(stamp) = Stamp::unverified(new_stamp).filter(|stamp| is_signed(stamp, new_stamp))
    else {
        return Some("a stamp that is not signed".to_owned());
    };
    let user = stamp.user?.to_string();
    let before = Stamp::unverified(old_stamp).and_then(|stamp| stamp.user);
    let rules = case.state.rules.get()?;
    let may = before.is_some_and(|before| before.as_str() == user)
        || may_run_as(case, &rules, request, &user);
    (!may).then(|| format!("a stamp of {user}"))
}

fn is_signed(stamp: &Stamp, text: &str) -> bool {
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

// The pod in the API server is Alice's, and so is its step.
fn guarded(case: &Case, request: &Value) -> Option<String> {
    let rules = case.state.rules.get()?;
    let requester = requester(request);
    if rules.is_admin(&requester) || rules.is_carrier(&requester, Launcher::Workflow) {
        return None;
    }
    if request["operation"] == "CONNECT" {
        let claimless = rules.user(&requester, |_| None);
        let is = claimless.is_ok_and(|user| user.as_str() == "alice@acme.com")
            || requester
                .username
                .ends_with(&format!(":{}", name_of("alice@acme.com")));
        return (!is).then(|| "entered by another user".to_owned());
    }
    // The requester does not show who adopts a pod.
    if request["kind"]["kind"] == "Pod" {
        return None;
    }
    let account = format!(
        "system:serviceaccount:research:{}",
        name_of("alice@acme.com")
    );
    let uid = request["userInfo"]["extra"][POD_UID][0].as_str();
    let is_pod = requester.username == account && requester.has_credential_id && uid == Some("u");
    (!is_pod && !case.shadow).then(|| "results written by another user".to_owned())
}

#[test]
fn harm_is_found_where_there_is_some() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let case = Case::of_alice();
    let request = |user: &str, kind: &str| {
        json!({"kind": {"kind": kind}, "namespace": "research", "operation": "CREATE",
        "userInfo": {"username": user}})
    };
    let is_harm =
        |webhook, request: &Value, last: &Value| harm(&case, webhook, request, last).is_some();
    let pod = json!({"metadata": {"name": "p"}, "spec": {"serviceAccountName": name_of("alice@acme.com")}});
    assert!(is_harm(
        Webhook::Validate,
        &request("alice@acme.com", "Pod"),
        &pod
    ));
    let mut stamped = json!({"metadata": {"name": "j", "annotations": {STAMP: {"$stamp": {"object": {"name": "j"}}}}}});
    cases::sign(&mut stamped);
    assert!(!is_harm(
        Webhook::Mutate,
        &request("alice@acme.com", "Job"),
        &stamped
    ));
    for other in ["bob@acme.com", ""] {
        assert!(
            is_harm(Webhook::Mutate, &request(other, "Job"), &stamped),
            "{other}"
        );
    }
    assert!(is_harm(
        Webhook::Mutate,
        &request("alice@acme.com", "Job"),
        &json!([])
    ));
    let enters = merge(
        request("bob@acme.com", "PodExecOptions"),
        json!({"operation": "CONNECT"}),
    );
    assert!(is_harm(Webhook::Guard, &enters, &json!({})));
    assert!(is_harm(
        Webhook::Guard,
        &request("bob@acme.com", "WorkflowTaskResult"),
        &json!({})
    ));
}
