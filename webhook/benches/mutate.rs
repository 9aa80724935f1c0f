//! The cost of a decision, from the bytes of a review to its answer, for the pod and the Job that Metaflow submits: its time, and
//! how often and how much it allocates.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a bench that cannot be set up is of no use"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use namesake_webhook::admit::{Webhook, admit};
use namesake_webhook::review::{self, Object};
use namesake_webhook::state::State;
use serde_json::{Map, Value, json};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::runtime::Builder;

#[path = "../tests/it/cases.rs"]
mod cases;
#[path = "load/sections.rs"]
mod sections;

use cases::{ask, job_controller, patch, patched, review as reviewed, sign, state};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

fn known_user() -> State {
    let mut case = json!({"parents": [{"stamp": {"$stamp": {}}}],
        "identities": [{"user": "alice@acme.com", "ready": true}]});
    sign(&mut case);
    state(&case)
}

// As large as etcd accepts, and changed by its user, so that both objects are read, compared and signed.
fn largest_job_set() -> Value {
    let variable = |i: usize| json!({"name": format!("VARIABLE_{i}"), "value": "x".repeat(64)});
    let spec = |image: &str| {
        let env: Vec<_> = (0..14_000).map(variable).collect();
        let template = json!({"metadata": {"labels": {"app.kubernetes.io/part-of": "metaflow"}},
            "spec": {"containers": [{"name": "main", "image": image, "env": env}]}});
        json!({"replicatedJobs": [{"name": "control", "template": {"spec": {"template": template}}}]})
    };
    let metadata = json!({"name": "js", "uid": "u", "creationTimestamp": "1970-01-01T00:33:10Z", "annotations": {
        "namesake.dev/stamp": {"$stamp": {"kind": "jobset.x-k8s.io/JobSet", "object": {"name": "js"}}}}});
    let mut request = json!({"kind": "JobSet", "operation": "UPDATE", "user": "alice@acme.com",
        "oldObject": {"metadata": metadata, "spec": spec("a")}, "object": {"metadata": metadata, "spec": spec("b")}});
    sign(&mut request);
    reviewed(&request)
}

fn decisions(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let state = known_user();
    let pod = reviewed(&job_controller());
    let job = reviewed(&json!({"kind": "Job", "file": "run-job.json", "user": "alice@acme.com"}));
    let answer = runtime.block_on(ask(&state, Webhook::Mutate, &pod));
    let mut last = pod.clone();
    last["request"]["object"] = patched(&pod["request"]["object"], &patch(&answer));
    let log = tracing_subscriber::fmt().json().flatten_event(true);
    let log = log
        .with_current_span(false)
        .with_writer(std::io::sink)
        .finish();
    let log = tracing::Dispatch::new(log);
    let mut allocations = Map::new();
    let mut run = |name: &str, webhook: Webhook, review: &Value| {
        let body = review.to_string();
        let allowed = runtime.block_on(ask(&state, webhook, review));
        assert_eq!(allowed["allowed"], true, "{allowed}");
        allocations.insert(
            name.to_owned(),
            count_allocations(|| {
                let now = Instant::now();
                let call = admit(
                    &state,
                    webhook,
                    body.as_bytes(),
                    now,
                    now + Duration::from_secs(5),
                );
                runtime.block_on(call).unwrap()
            }),
        );
        criterion.bench_function(name, |b| {
            b.iter(|| {
                let now = Instant::now();
                let call = admit(
                    &state,
                    webhook,
                    black_box(body.as_bytes()),
                    now,
                    now + Duration::from_secs(5),
                );
                runtime.block_on(call).unwrap()
            });
        });
    };
    run("pod of a known user", Webhook::Mutate, &pod);
    tracing::dispatcher::with_default(&log, || {
        run("pod of a known user, logged", Webhook::Mutate, &pod);
    });
    run("job of a known user", Webhook::Mutate, &job);
    run("final check", Webhook::Validate, &last);
    let largest = largest_job_set();
    run("update of a JobSet of 1.4 MB", Webhook::Mutate, &largest);
    sections::write("allocations", &allocations).unwrap();
    let body = pod.to_string();
    criterion.bench_function("parse alone", |b| {
        b.iter(|| review::parse::<Object<'_>>(black_box(body.as_bytes())).is_ok());
    });
}

/// How often and how many bytes a call allocates.
fn count_allocations<T>(call: impl Fn() -> T) -> Value {
    // What is allocated once, such as the labels of metrics, does not count.
    drop(call());
    let region = Region::new(ALLOCATOR);
    drop(black_box(call()));
    let used = region.change();
    json!({"allocations": used.allocations + used.reallocations, "bytes": used.bytes_allocated})
}

criterion_group!(benches, decisions);
criterion_main!(benches);
