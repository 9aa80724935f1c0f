use std::io::Cursor;

use serde_json::{Value, json};

use super::*;
use crate::rules::tests::fixtures::{EXAMPLE, example, rules};

const JOB: &str = r#"{"metadata": {"generateName": "t-"}, "spec": {"template": {"metadata":
    {"labels": {"team": "ml"}, "annotations": {"metaflow/flow_name": "F"}}, "spec": {"containers": [{"name": "main"}]}}}}"#;

fn event(requester: &str, resource: &str, object: &Value) -> Value {
    let group = if resource == "pods" { "" } else { "batch" };
    json!({"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Request", "auditID": "a-1",
        "stage": "ResponseComplete", "requestURI": "/apis/batch/v1/namespaces/research/jobs", "verb": "create",
        "user": {"username": requester, "groups": ["system:authenticated"]}, "sourceIPs": ["10.0.0.1"],
        "objectRef": {"resource": resource, "namespace": "research", "apiGroup": group, "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": 201}, "requestObject": object,
        "annotations": {"mutate.namesake.dev/outcome": "stamped", "mutate.namesake.dev/user": "alice@acme.com"}})
}

fn job(requester: &str) -> Value {
    event(requester, "jobs", &serde_json::from_str(JOB).unwrap())
}

fn replay(new: &Rules, lines: &[String]) -> ReplayReport {
    let old = example();
    let mut replay = Replay::new(&old, new, false);
    let mut bytes = 0;
    let log = lines.join("\n");
    replay
        .read(Cursor::new(&log), |read| bytes += read)
        .unwrap();
    assert_eq!(bytes, log.len() as u64);
    replay.finish()
}

fn edited(from: &str, to: &str) -> Rules {
    assert!(EXAMPLE.contains(from), "{from}");
    rules(&EXAMPLE.replace(from, to))
}

fn changes(report: &ReplayReport) -> Vec<String> {
    let line = |c: &ReplayChange| {
        format!(
            "{} {} {} {}: {} -> {}",
            c.count, c.requester, c.effect, c.namespace, c.before, c.after
        )
    };
    report.changes.iter().map(line).collect()
}

#[test]
fn the_same_rules_change_nothing() {
    let lines =
        ["alice@acme.com", "bob@acme.com", "mallory@acme.com"].map(|one| job(one).to_string());
    let report = replay(&example(), &lines);
    assert_eq!((report.decided, report.unchanged), (3, 3));
    assert_eq!((report.changes, report.new_identities), (vec![], vec![]));
    assert_eq!(report.draining_identities, []);
}

#[test]
fn an_edit_shows_who_loses_who_changes_account_and_which_identities_are_new_or_drain() {
    let alice = || job("alice@acme.com").to_string();
    let lines = [alice(), alice(), job("bob@acme.com").to_string()];
    let offboarded = edited(
        "offboarded: [mallory",
        "offboarded: [alice@acme.com, mallory",
    );
    let report = replay(&offboarded, &lines);
    assert_eq!(
        changes(&report),
        [
            "2 alice@acme.com loses research: identity research (rule everyone) -> refused: Offboarded"
        ]
    );
    assert_eq!(report.unchanged, 1);
    assert_eq!(report.draining_identities.len(), 1);
    assert_eq!(report.draining_identities[0].user, "alice@acme.com");

    let moved = edited("project: acme-identities", "project: acme-others");
    let report = replay(&moved, &lines);
    // Bob's account is pinned, so the project does not matter.
    assert_eq!(
        changes(&report),
        [
            "2 alice@acme.com changes research: identity research (rule everyone) -> identity research (rule everyone)"
        ]
    );
    assert_eq!(report.new_identities, []);

    let per_flow = rules(
        &EXAMPLE
            .replace("- name: research\n", "- name: by-flow\n")
            .replace("per: [user] ", "per: [flow] ")
            .replace("identity: research", "identity: by-flow"),
    );
    let report = replay(&per_flow, &lines);
    assert_eq!(
        (
            report.new_identities.len(),
            report.draining_identities.len()
        ),
        (1, 2)
    );
    assert_eq!(report.changes.len(), 2);
    assert_eq!(report.changes[0].effect, "changes");
}

#[test]
fn what_a_rule_needs_is_found_in_every_kind_of_object() {
    let metadata = json!({"labels": {"team": "ml"}});
    let template = json!({"metadata": metadata});
    let job = json!({"spec": {"template": template}});
    let new = edited("team: ml", "team: other");
    for (resource, group, object) in [
        ("pods", "", json!({"metadata": metadata})),
        ("jobs", "batch", job.clone()),
        ("cronjobs", "batch", json!({"spec": {"jobTemplate": job}})),
        (
            "jobsets",
            "jobset.x-k8s.io",
            json!({"spec": {"replicatedJobs": [{"template": job}]}}),
        ),
        (
            "workflows",
            "argoproj.io",
            json!({"spec": {"templates": [template]}}),
        ),
        (
            "workflows",
            "argoproj.io",
            json!({"spec": {"podMetadata": metadata, "templates": [{"name": "a"}]}}),
        ),
    ] {
        let mut event = event("alice@acme.com", resource, &object);
        event["objectRef"]["apiGroup"] = json!(group);
        let report = replay(&new, &[event.to_string()]);
        assert_eq!(report.changes.len(), 1, "{resource}: {report:?}");
        assert_eq!(report.changes[0].effect, "loses", "{resource}");
    }
}

#[test]
fn what_is_no_decision_of_namesake_is_not_decided() {
    let change = |change: fn(&mut Value)| {
        let mut event = job("alice@acme.com");
        change(&mut event);
        event.to_string()
    };
    let lines = [
        change(|e| e["stage"] = json!("RequestReceived")),
        change(|e| e["verb"] = json!("list")),
        change(|e| e["objectRef"]["subresource"] = json!("status")),
        change(|e| e["objectRef"]["resource"] = json!("secrets")),
        change(|e| e["requestURI"] = json!("/apis/batch/v1/jobs?dryRun=All")),
        change(|e| e["annotations"] = json!({})),
        change(|e| {
            e["user"]["username"] = json!("system:serviceaccount:kube-system:job-controller");
        }),
    ];
    let report = replay(&example(), &lines);
    assert_eq!((report.lines, report.decided, report.broken), (7, 0, 0));
    assert_eq!((report.not_opted_in, report.by_controllers), (1, 1));
    let old = example();
    let mut everywhere = Replay::new(&old, &old, true);
    everywhere.add(lines[5].as_bytes());
    assert_eq!(everywhere.finish().decided, 1);
}

#[test]
fn broken_lines_are_counted_and_skipped() {
    let good = job("alice@acme.com").to_string();
    let long = format!("{{\"x\": \"{}\"}}", "x".repeat(9 << 20));
    let lines = [
        good.clone(),
        good[..good.len() / 2].to_owned(),
        String::new(),
        "[1, 2]".to_owned(),
        json!({"kind": "Pod"}).to_string(),
        json!({"kind": "Status", "stage": "", "verb": ""}).to_string(),
        long,
        good.replace("\"labels\":{", "\"labels\":{\"a\":1,"),
        good,
    ];
    let report = replay(&example(), &lines);
    assert_eq!((report.lines, report.decided), (9, 2));
    assert_eq!(
        (report.broken, report.first_broken),
        (6, vec![2, 4, 5, 6, 7, 8])
    );
}

#[test]
fn what_a_task_pod_sends_belongs_to_the_user_in_the_log_and_an_impersonated_user_counts() {
    let new = edited(
        "offboarded: [mallory",
        "offboarded: [alice@acme.com, mallory",
    );
    let mut by_pod = job("system:serviceaccount:research:mf-alice-4k72lwgc2tsmxd");
    let report = replay(&new, &[by_pod.to_string()]);
    assert_eq!(report.changes[0].after, "refused: Offboarded");
    by_pod["annotations"]["mutate.namesake.dev/user"] = json!("bob@acme.com");
    assert_eq!(replay(&new, &[by_pod.to_string()]).changes, []);
    let mut impersonated = job("admin@acme.com");
    impersonated["impersonatedUser"] = json!({"username": "alice@acme.com"});
    assert_eq!(
        replay(&new, &[impersonated.to_string()]).changes[0].requester,
        "alice@acme.com"
    );
}

#[test]
fn without_the_object_a_request_is_decided_by_what_is_known() {
    let mut event = job("alice@acme.com");
    event.as_object_mut().unwrap().remove("requestObject");
    let report = replay(&example(), &[event.to_string()]);
    assert_eq!((report.decided, report.without_object), (1, 1));
}

#[test]
fn a_log_of_another_cluster_shows_by_the_names_of_its_identities() {
    let mut event = job("alice@acme.com");
    event["annotations"]["mutate.namesake.dev/class"] = json!("research");
    event["annotations"]["mutate.namesake.dev/service-account"] = json!("mf-alice-aaaaaaaaaaaaaa");
    let report = replay(&example(), &[event.to_string()]);
    assert_eq!((report.decided, report.other_names), (1, 1));
    let name = &report.kept_identities[0].name;
    event["annotations"]["mutate.namesake.dev/service-account"] = json!(name);
    assert_eq!(replay(&example(), &[event.to_string()]).other_names, 0);
    event["annotations"]["mutate.namesake.dev/service-account"] = json!("shared");
    assert_eq!(replay(&example(), &[event.to_string()]).other_names, 0);
}

#[test]
fn an_event_without_a_requester_is_counted_and_not_decided() {
    let mut event = job("alice@acme.com");
    event["user"] = json!({});
    let report = replay(&example(), &[event.to_string()]);
    assert_eq!((report.decided, report.without_requester), (0, 1));
}

#[test]
fn an_object_that_exists_is_decided_for_its_proven_user() {
    let new = edited("offboarded: [mallory", "offboarded: [bob@acme.com, mallory");
    let old = example();
    let mut replay = Replay::new(&old, &new, false);
    let mut add = |user: &str, job: &str| {
        let user = User::exact(user).unwrap();
        let place = ("research", Launcher::Job);
        replay.add_object((&user, &Groups::default()), place, job.as_bytes())
    };
    assert_eq!(add("alice@acme.com", JOB), EditEffect::Keeps);
    assert_eq!(add("bob@acme.com", JOB), EditEffect::Loses);
    assert_eq!(add("bob@acme.com", "{}"), EditEffect::Keeps);
    assert_eq!(add("bob@acme.com", "["), EditEffect::Keeps);
    let report = replay.finish();
    assert_eq!((report.decided, report.broken, report.unchanged), (3, 1, 1));
    assert_eq!(report.changes[0].requester, "bob@acme.com");
    assert_eq!(report.kept_identities.len(), 1);
}
