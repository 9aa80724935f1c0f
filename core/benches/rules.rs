//! Cost of the decision for one pod with few and many pins, of deriving a name, and of signing and verifying a stamp.

#![expect(clippy::panic, reason = "a benchmark cannot return an error")]

use std::{collections::BTreeMap, hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use namesake_core::{
    Bound, Claims, IdentityName, KeyRing, Launcher, ObjectName, Per, PodAttributes,
    RequestedIdentity, Requester, Rules, SeenObject, Source, Stamp,
};

/// Number of pins in rules of the largest size (docs/rules.md, "Size").
const MOST_PINS: usize = 14_000;

/// The example rules with this many pins.
fn rules(pins: usize) -> Rules {
    let pin = |i| format!("user-{i}@acme.com: pin-{i:06}@acme-data.iam.gserviceaccount.com\n");
    let pins: String = (0..pins).map(pin).collect::<String>() + "{}";
    let pins = pins
        .strip_suffix("{}")
        .filter(|pins| !pins.is_empty())
        .unwrap_or("{}");
    let main = Source {
        file: "rules.yaml",
        text: include_str!("../testdata/example.yaml"),
    };
    Rules::parse(&[
        main,
        Source {
            file: "pins.yaml",
            text: pins,
        },
    ])
    .unwrap_or_else(|errors| panic!("{errors}"))
}

fn matching(c: &mut Criterion) {
    for pins in [10, 10_000, MOST_PINS] {
        let rules = rules(pins);
        let requester = Requester {
            username: "User-7@acme.com".to_owned(),
            groups: vec![
                "research@acme.com".to_owned(),
                "system:authenticated".to_owned(),
            ],
            has_credential_id: false,
        };
        c.bench_function(&format!("match/{pins} pins"), |b| {
            b.iter(|| {
                let user = rules.user(black_box(&requester), |_| None).ok()?;
                let groups = rules.mentioned_groups(&requester.groups);
                let labels = |key: &str| (key == "team").then_some("ml");
                let claims = Claims {
                    flow: Some("HelloFlow"),
                    step: Some("start"),
                    project: None,
                    labels: &labels,
                };
                let pod = PodAttributes {
                    user: &user,
                    groups: &groups,
                    namespace: "research",
                    launcher: Launcher::Job,
                    claims,
                };
                Some(rules.decide(&pod))
            });
        });
        let values = BTreeMap::from([(Per::User, "user-7@acme.com".to_owned())]);
        let requested = RequestedIdentity {
            namespace: "research",
            class: "research",
            user: "user-7@acme.com",
            groups: &[],
            values: &values,
        };
        c.bench_function(&format!("derive/{pins} pins"), |b| {
            b.iter(|| rules.derive_identity(black_box(&requested)));
        });
    }
}

fn names(c: &mut Criterion) {
    let cluster = "projects/acme/locations/us-central1/clusters/ml";
    let values = BTreeMap::from([(Per::User, "alice@acme.com".to_owned())]);
    c.bench_function("name", |b| {
        b.iter(|| {
            IdentityName::derive("prod", cluster, "research", "research", black_box(&values))
        });
    });
}

fn seals(c: &mut Criterion) {
    let keys =
        KeyRing::new("k", [("k".to_owned(), [7; 32])]).unwrap_or_else(|error| panic!("{error}"));
    let stamp = Stamp {
        stack: "prod".to_owned(),
        namespace: "research".to_owned(),
        kind: "batch/Job".to_owned(),
        object: ObjectName::GenerateName("t-b2bdfea8-".to_owned()),
        requester: "alice@acme.com".to_owned(),
        user: None,
        groups: rules(0).mentioned_groups(&["research@acme.com".to_owned()]),
        bound: Bound::SignedAt(0),
        root: None,
        runs: Vec::new(),
        containers: std::collections::BTreeMap::new(),
        taken_over_at: None,
        argo: None,
    };
    const EPOCH: &str = "epoch-of-the-bench";
    let seen = SeenObject {
        stack: "prod",
        namespace: "research",
        kind: "batch/Job",
        name: "t-b2bdfea8-x",
        generate_name: Some("t-b2bdfea8-"),
        uid: "",
        created: 0,
        epoch: EPOCH,
    };
    let text = stamp.sign(&keys, EPOCH);
    c.bench_function("stamp/sign", |b| {
        b.iter(|| black_box(&stamp).sign(&keys, EPOCH));
    });
    c.bench_function("stamp/verify", |b| {
        b.iter(|| Stamp::verify(black_box(&text), &keys, &seen));
    });
}

fn parse(text: &str) -> Result<Rules, namesake_core::RulesErrors> {
    Rules::parse(&[Source {
        file: "rules.yaml",
        text,
    }])
}

/// Memory of the largest rules, kept several times. Runs first, so that no freed memory of other benchmarks is used again.
#[expect(clippy::print_stdout, reason = "Criterion measures time only")]
fn memory(_: &mut Criterion) {
    let text = rules(MOST_PINS).to_yaml().to_owned();
    let before = resident();
    let kept = [(); 8].map(|()| parse(&text));
    let each = resident().saturating_sub(before) / kept.len();
    let of_text = text.len() / 1024;
    println!("memory/{MOST_PINS} pins: {each} KiB, of {of_text} KiB of text");
}

fn parsing(c: &mut Criterion) {
    for pins in [10, 10_000, MOST_PINS] {
        let text = rules(pins).to_yaml().to_owned();
        c.bench_function(&format!("parse/{pins} pins"), |b| {
            b.iter(|| parse(black_box(&text)));
        });
    }
}

/// Resident memory of this process, in KiB; 0 on systems without /proc.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.trim().parse().ok()).unwrap_or(0)
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).sample_size(20);
    targets = memory, matching, names, seals, parsing
}
criterion_main!(benches);
