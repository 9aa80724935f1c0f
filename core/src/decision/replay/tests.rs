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
    assert_eq!((report.entries, report.decided, report.broken), (7, 0, 0));
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
    assert_eq!((report.entries, report.decided), (8, 2));
    assert_eq!(
        (report.broken, report.first_broken),
        (6, vec![2, 3, 4, 5, 6, 7])
    );
}

#[test]
fn a_list_that_is_broken_says_up_to_which_entry_it_was_read() {
    let good = job("alice@acme.com").to_string();
    let read = |log: &str| {
        let old = example();
        let mut replay = Replay::new(&old, &old, false);
        replay.read(log.as_bytes(), |_| ()).unwrap();
        let report = replay.finish();
        (report.decided, report.broken, report.read_up_to)
    };
    assert_eq!(read(&format!("[{good}, {good}]")), (2, 0, None));
    assert_eq!(read(&format!("[{good}, x, {good}]")), (1, 0, Some(1)));
    assert_eq!(read(&format!("[{good}, 1, {good}]")), (2, 1, None));
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

// As Cloud Logging has an event of GKE's API server. https://cloud.google.com/kubernetes-engine/docs/how-to/audit-logging
fn entry(requester: &str, resource: &str, object: &Value) -> Value {
    json!({"logName": "projects/acme/logs/cloudaudit.googleapis.com%2Factivity", "timestamp": "2026-11-29T12:00:00Z",
        "resource": {"type": "k8s_cluster", "labels": {"cluster_name": "ml"}},
        "operation": {"id": "a-1", "producer": "k8s.io", "first": true, "last": true},
        "labels": {"authorization.k8s.io/decision": "allow", "mutate.namesake.dev/outcome": "stamped",
            "mutate.namesake.dev/user": "alice@acme.com"},
        "protoPayload": {"@type": "type.googleapis.com/google.cloud.audit.AuditLog", "serviceName": "k8s.io",
            "methodName": "io.k8s.batch.v1.jobs.create", "resourceName": resource, "status": {},
            "authenticationInfo": {"principalEmail": requester}, "request": object}})
}

#[test]
fn a_list_of_cloud_logging_is_decided_as_the_log_of_the_api_server() {
    let new = edited(
        "offboarded: [mallory",
        "offboarded: [alice@acme.com, mallory",
    );
    let job: Value = serde_json::from_str(JOB).unwrap();
    let all: Vec<_> = ["alice@acme.com", "bob@acme.com"]
        .into_iter()
        .flat_map(|one| {
            ["", "/t-1"].map(|name| {
                let resource = format!("batch/v1/namespaces/research/jobs{name}");
                entry(one, &resource, &job)
            })
        })
        .collect();
    let list = serde_json::to_string_pretty(&all).unwrap();
    let old = example();
    let mut replay = Replay::new(&old, &new, false);
    replay.read(list.as_bytes(), |_| ()).unwrap();
    let found = replay.finish();
    assert_eq!((found.entries, found.broken, found.decided), (4, 0, 4));
    assert_eq!((found.without_groups, found.without_object), (4, 0));
    let same = self::replay(
        &new,
        &[self::event("alice@acme.com", "jobs", &job).to_string()],
    );
    assert_eq!(found.changes[0].before, same.changes[0].before);
    assert_eq!(
        (
            found.changes[0].requester.as_str(),
            found.changes[0].effect,
            found.changes[0].count
        ),
        ("alice@acme.com", "loses", 2)
    );
}

#[test]
fn an_entry_of_cloud_logging_counts_once_and_only_for_a_creation() {
    let job: Value = serde_json::from_str(JOB).unwrap();
    let read = |change: fn(&mut Value)| {
        let mut entry = entry(
            "alice@acme.com",
            "batch/v1/namespaces/research/jobs/t",
            &job,
        );
        change(&mut entry);
        replay(&example(), &[entry.to_string()])
    };
    assert_eq!(read(|_| ()).decided, 1);
    for other in [
        |e: &mut Value| e["operation"]["last"] = json!(false),
        |e: &mut Value| e["protoPayload"]["methodName"] = json!("io.k8s.batch.v1.jobs.patch"),
        |e: &mut Value| {
            e["protoPayload"]["resourceName"] = json!("batch/v1/namespaces/research/jobs/t/status");
        },
        |e: &mut Value| e["protoPayload"]["resourceName"] = json!("core/v1/namespaces/research"),
    ] {
        let report = read(other);
        assert_eq!((report.decided, report.broken), (0, 0));
    }
    let other = read(|e| e["protoPayload"]["serviceName"] = json!("storage.googleapis.com"));
    assert_eq!((other.decided, other.broken), (0, 1));
    let foreign = read(|e| e["labels"] = json!({}));
    assert_eq!((foreign.decided, foreign.not_opted_in), (0, 1));
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
