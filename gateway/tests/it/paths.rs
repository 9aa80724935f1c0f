//! Whatever the path of a write looks like.

use proptest::prelude::*;
use serde_json::Value;

use crate::setup::{ENFORCE, Gateway, new_run, person, pod};

/// Pieces of paths, some of which servers read in different ways.
const PIECES: [&str; 28] = [
    "/",
    "/",
    "/",
    "//",
    "flows",
    "F",
    "runs",
    "run",
    "1",
    "2",
    "argo-x",
    "steps",
    "start",
    "step",
    "task",
    "tasks",
    "artifact",
    "metadata",
    "heartbeat",
    "tag",
    "mutate",
    "..",
    "%2e%2e",
    "%2f",
    ";",
    "%00",
    "RUNS",
    "\\",
];

/// A valid write under a run, or pieces in any order.
fn path() -> impl Strategy<Value = String> {
    let run = prop::sample::select(
        &[
            "1", "2", "3", "4", "9", "argo-x", "01", "%31", "1;x", "1%20",
        ][..],
    );
    let below = prop::sample::select(
        &[
            "heartbeat",
            "tag/mutate",
            "steps/start/step",
            "steps/start/task",
            "steps/start/tasks/1/metadata",
            "steps/start/tasks/1/artifact",
        ][..],
    );
    prop_oneof![
        (run, below).prop_map(|(run, below)| format!("/flows/F/runs/{run}/{below}")),
        prop::collection::vec(prop::sample::select(&PIECES[..]), 1..16)
            .prop_map(|pieces| format!("/{}", pieces.concat())),
    ]
}

fn method() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["POST", "POST", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"][..])
}

/// Whether these claims may write under a run: only of its own user, or as an admin.
fn may_write(who: &str, is_pod: bool, path: &str) -> bool {
    let owner = match path
        .strip_prefix("/flows/F/runs/")
        .and_then(|rest| rest.split('/').next())
    {
        Some("1" | "%31" | "argo-x") => "alice",
        Some("2") => "bob",
        // From before the gateway, or of nobody.
        Some("3" | "4") => "",
        _ => return false,
    };
    owner == who || (who == "root" && !is_pod)
}

#[test]
fn whatever_the_path_looks_like_only_owner_admin_and_own_pods_write_under_a_run() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let gateway = runtime.block_on(Gateway::start(ENFORCE));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(2000));
    let callers = prop::sample::select(
        &[
            ("alice", false),
            ("alice", true),
            ("bob", false),
            ("bob", true),
            ("root", false),
            ("root", true),
        ][..],
    );
    let cases = (callers, method(), path());
    let result = runner.run(&cases, |((who, is_pod), method, path)| {
        let claims: Value = if is_pod { pod(who) } else { person(who) };
        let body = new_run(&format!("{who}@acme.com"));
        let answer =
            runtime.block_on(gateway.ask(&claims, method, &path.replace('\\', "%5c"), &body));
        let segments: Vec<&str> = path.split('/').collect();
        let creates =
            method == "POST" && matches!(segments[..], ["", "flows", _] | ["", "flows", _, "run"]);
        if answer.status == 200 {
            let allowed = creates || may_write(who, is_pod, &path);
            prop_assert!(allowed, "{} pod={} {} {}", who, is_pod, method, path);
        }
        Ok(())
    });
    result.unwrap();
}
