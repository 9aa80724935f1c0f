//! Explanations of pods and Jobs: golden sessions, and what must not pass for proven.

use kube::api::DynamicObject;
use namesake_api::Validity;
use namesake_core::{KeyRing, Rules, Source};
use namesake_webhook::decide::kinds;
use serde_json::json;

use super::super::chain::{self, Found};
use super::super::facts::RunFacts;
use super::*;
use crate::answer::exit_status::ExitStatus;
use crate::answer::golden;
use crate::cluster::identities::tests::{NOW, identity};

const EPOCH: &str = "epoch-of-the-tests";
const ACCOUNT: &str = "mf-alice-aaaaaaaaaaaaaa";

fn keys() -> KeyRing {
    KeyRing::new("k1", [("k1".to_owned(), [7; 32])]).unwrap()
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn stamp(kind: &str, name: &str, user: Option<&str>) -> Stamp {
    let stamp = json!({
        "stack": "prod", "namespace": "research", "kind": kind, "object": {"name": name}, "requester": "alice@acme.com",
        "user": user, "groups": {"in": [], "out": ["admins@acme.com"]}, "bound": {"written": 1},
    });
    serde_json::from_value(stamp).unwrap()
}

fn job(name: &str, stamp: Option<&Stamp>) -> Found {
    let signed = stamp.map(|stamp| stamp.sign(&keys(), EPOCH));
    let template = json!({"metadata": {"annotations": {"metaflow/flow_name": "TrainFlow"}}, "spec": {"containers": []}});
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "name": name, "namespace": "research", "uid": "u-1", "creationTimestamp": "2026-11-29T11:57:00Z",
            "annotations": signed.map(|text| json!({"namesake.dev/stamp": text})).unwrap_or_default(),
        },
        "spec": {"template": template},
    });
    let job: DynamicObject = serde_json::from_value(job).unwrap();
    Found::Object(kinds::named("batch/Job").unwrap().0, Box::new(job))
}

// A stamp that signs what `job` runs.
fn stamp_of_job() -> Stamp {
    let Found::Object(_, job) = job("t-1", None) else {
        panic!("no object")
    };
    let text = serde_json::to_string(&*job).unwrap();
    let parts = serde_json::from_str(&text).unwrap();
    let kind = kinds::named("batch/Job").unwrap().1;
    Stamp {
        runs: kind.pods.unwrap().runs.of(&parts),
        ..stamp("batch/Job", "t-1", Some("alice@acme.com"))
    }
}

fn pod(gated: bool) -> Found {
    let resolution = json!({
        "stack": "prod", "namespace": "research", "requester": "system:serviceaccount:kube-system:job-controller",
        "credential": true, "at": 1, "ownerUid": "u-1", "serviceAccount": ACCOUNT, "identity": ACCOUNT, "user": "alice@acme.com",
        "class": "research", "rule": "everyone", "outcome": "identity", "pod": {"generateName": "t-1-"}, "containers": {},
    });
    let resolution: Resolution = serde_json::from_value(resolution).unwrap();
    let waiting = json!({"reason": "Propagating", "message": "Google applies the binding; lately half of such pods waited 3 min, \
        and 19 of 20 at most 6 min (NS2011, decision 4u2j6dq3)"});
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "t-1-x7k2p", "namespace": "research", "creationTimestamp": "2026-11-29T11:57:00Z",
            "annotations": {
                "namesake.dev/resolution": resolution.sign(&keys(), EPOCH), "metaflow/flow_name": "TrainFlow",
            },
        },
        "spec": {
            "serviceAccountName": ACCOUNT,
            "schedulingGates": if gated { json!([{"name": "namesake.dev/identity"}]) } else { json!([]) },
        },
        "status": {
            "phase": if gated { "Pending" } else { "Running" },
            "containerStatuses": [{"state": {"waiting": waiting}}],
        },
    });
    let pod: DynamicObject = serde_json::from_value(pod).unwrap();
    Found::Object(kinds::pod(), Box::new(pod))
}

fn facts(title: &str, chain: &[Found], validity: Option<&Validity>) -> RunFacts {
    let pods = chain.iter().find_map(|found| match found {
        Found::Object(kind, pod) if kind.kind == "Pod" => Some(chain::pod(pod)),
        _ => None,
    });
    let gated = pods.as_ref().is_some_and(|pod| pod.wait.is_some());
    let ready = if gated {
        identity("alice", "Verifying", "False", "Propagating")
    } else {
        identity("alice", "InUse", "True", "Ready")
    };
    RunFacts {
        title: title.to_owned(),
        links: chain
            .iter()
            .map(|found| chain::link(found, validity))
            .collect(),
        identity: pods.is_some().then(|| Box::new(ready)),
        pod: pods,
        trace: None,
        unseen: Vec::new(),
    }
}

fn rules() -> Rules {
    let text = "apiVersion: namesake.dev/v1alpha1\nkind: MappingRules\nstack: prod\n\
        cluster: projects/acme/locations/us-central1/clusters/ml\nnoMatch: keep\nusers: [{requester: \"*@acme.com\"}]\n\
        identities: [{name: research, for: {users: [\"*@acme.com\"]}, per: [user], project: acme-identities}]\n\
        rules:\n- {name: admins, match: {group: admins@acme.com}, serviceAccount: admin}\n\
        - {name: nightly, match: {user: \"*\", launcher: CronJob}, identity: research}\n\
        - {name: scoring, match: {user: \"*@acme.com\", flow: \"Score*\"}, identity: research}\n\
        - {name: everyone, match: {user: \"*@acme.com\"}, identity: research}\n";
    Rules::parse(&[Source {
        file: "rules.yaml",
        text,
    }])
    .unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn a_pod_that_waits_is_explained_from_the_person_to_the_forecast() {
    let chain = [pod(true), job("t-1", Some(&stamp_of_job()))];
    let facts = facts("Pod research/t-1-x7k2p", &chain, Some(&Validity::Valid));
    let answer = story(&facts, now()).answer();
    golden::check_as("explain", "explain pod t-1-x7k2p -n research", &answer);
    assert_eq!(answer.status, ExitStatus::Found);
    assert_eq!(answer.json["waits"]["code"], "NS2011");
    assert_eq!(answer.json["proofs"][1]["proof"], "verified");
}

#[test]
fn an_identity_that_should_not_work_is_not_something_found_on_the_pods_that_ran_as_it() {
    let chain = [pod(false), job("t-1", Some(&stamp_of_job()))];
    let mut facts = facts("Pod research/t-1-x7k2p", &chain, Some(&Validity::Valid));
    for (phase, expected) in [
        ("Draining", ExitStatus::Fine),
        ("Suspended", ExitStatus::Fine),
        ("Offboarding", ExitStatus::Fine),
        ("Gone", ExitStatus::Fine),
        ("Verifying", ExitStatus::Found),
    ] {
        facts.identity = Some(Box::new(identity("alice", phase, "False", "Offboarded")));
        let answer = story(&facts, now()).answer();
        assert_eq!(answer.status, expected, "{phase}: {}", answer.text);
        assert!(
            answer.text.contains(&format!("{phase}, not ready")),
            "{}",
            answer.text
        );
    }
}

#[test]
fn with_a_trace_each_rule_says_why_it_does_not_match() {
    let chain = [pod(false), job("t-1", Some(&stamp_of_job()))];
    let mut facts = facts("Job research/t-1", &chain, Some(&Validity::Valid));
    facts.trace = chain::trace(&rules(), "research", &chain, &facts.links);
    let answer = story(&facts, now()).answer();
    golden::check_as(
        "explain-trace",
        "explain job t-1 -n research --trace",
        &answer,
    );
    assert_eq!(answer.status, ExitStatus::Fine);
}

#[test]
fn what_nobody_verified_is_not_called_proven() {
    let chain = [pod(false), job("t-1", Some(&stamp_of_job()))];
    let mut facts = facts("Pod research/t-1-x7k2p", &chain, None);
    let why = "you may not create Jobs in research, so you cannot ask the webhook there";
    facts.unseen = vec![format!("whether the signatures are valid: {why}")];
    let answer = story(&facts, now()).answer();
    golden::check_as("explain-view", "explain t-1-x7k2p -n research", &answer);
    assert_eq!(answer.status, ExitStatus::Incomplete);
    assert!(!answer.text.contains("verified by"), "{}", answer.text);
}

#[test]
fn a_signature_that_is_not_valid_and_a_changed_job_are_found() {
    let forged = Validity::Invalid("its signature does not match".to_owned());
    let chain = [job("t-1", Some(&stamp_of_job()))];
    let answer = story(&facts("Job research/t-1", &chain, Some(&forged)), now()).answer();
    assert_eq!(answer.status, ExitStatus::Found);
    assert!(
        answer
            .text
            .contains("NOT VALID: its signature does not match")
    );
    let other = stamp("batch/Job", "t-1", Some("alice@acme.com"));
    let chain = [job("t-1", Some(&other))];
    let answer = story(
        &facts("Job research/t-1", &chain, Some(&Validity::Valid)),
        now(),
    )
    .answer();
    assert_eq!(answer.status, ExitStatus::Found);
    assert!(
        answer
            .text
            .contains("it runs something else now (NotAsSigned (NS1202))")
    );
}

#[test]
fn without_anything_signed_nothing_proves_who_asked() {
    let chain = [job("t-1", None)];
    let answer = story(&facts("Job research/t-1", &chain, None), now()).answer();
    assert_eq!(answer.status, ExitStatus::Found);
    assert!(
        answer.text.contains("NoProvenRequester (NS1201)"),
        "{}",
        answer.text
    );
    let gone = Found::Gone {
        kind: "Job".to_owned(),
        name: "t-9".to_owned(),
    };
    let answer = story(&facts("Job research/t-1", &[gone], None), now()).answer();
    assert!(answer.text.contains("Job t-9 does not exist any more"));
}

#[test]
fn a_requester_without_a_user_is_named_and_control_sequences_are_escaped() {
    let mut stamp = stamp_of_job();
    stamp.user = None;
    stamp.requester = "robot\u{1b}[2J".to_owned();
    let chain = [job("t-1", Some(&stamp))];
    let answer = story(
        &facts("Job research/t-1", &chain, Some(&Validity::Valid)),
        now(),
    )
    .answer();
    assert!(
        answer
            .text
            .contains("robot\\u{1b}[2J created batch/Job t-1"),
        "{}",
        answer.text
    );
    assert!(answer.text.contains("none: no entry of users"));
    assert_eq!(answer.json["user"], serde_json::Value::Null);
}
