//! Fuzzing of the admission path: reviews of the corpus with random changes of their JSON and of their bytes. Whatever
//! comes, there is no panic, no hang, and no answer that the API server cannot use.
//!
//! The corpus is every case of `testdata`, and every review in `testdata/corpus`; a finding goes there. `NAMESAKE_FUZZ_SECONDS`
//! says how long (`make fuzz`: ten minutes); without it each test run tries a few hundred.

use std::time::{Duration, Instant};

use namesake_webhook::admit::{Webhook, admit};
use namesake_webhook::review;
use namesake_webhook::state::State;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::cases::{self, state, testdata};
use crate::golden::names;
use crate::properties::anything;

/// Cases between two looks at the clock.
const BATCH: u32 = 256;
/// Far more than any answer takes, and far less than for ever.
const HANG: Duration = Duration::from_secs(20);
const WEBHOOKS: [Webhook; 3] = [Webhook::Mutate, Webhook::Validate, Webhook::ValidateRules];

/// A change of a review; positions are counted over all its nodes, modulo how many there are.
#[derive(Clone, Debug)]
enum Change {
    /// Takes a node away.
    Remove(usize),
    /// Puts another value there.
    Replace(usize, Value),
    /// Adds a member.
    Insert(usize, String, Value),
    /// Puts the value of one node in the place of another.
    Copy(usize, usize),
    /// Buries a node in lists.
    Nest(usize, u8),
    /// A long text.
    Long(usize, u32),
    /// Overwrites one byte of the text.
    Byte(usize, u8),
    /// Cuts the text.
    Cut(usize),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let at = 0..10_000_usize;
    let key = prop_oneof![
        Just("namesake.dev/stamp".to_owned()),
        Just("namesake.dev/resolution".to_owned()),
        Just("workflowTemplateRef".to_owned()),
        Just("ownerReferences".to_owned()),
        Just("template".to_owned()),
        Just("spec".to_owned()),
        "[ -~é\\PC]{0,12}",
    ];
    let change = prop_oneof![
        4 => at.clone().prop_map(Change::Remove),
        6 => (at.clone(), anything()).prop_map(|(at, value)| Change::Replace(at, value)),
        4 => (at.clone(), key, anything()).prop_map(|(at, key, value)| Change::Insert(at, key, value)),
        4 => (at.clone(), at.clone()).prop_map(|(to, from)| Change::Copy(to, from)),
        1 => (at.clone(), 1..150_u8).prop_map(|(at, depth)| Change::Nest(at, depth)),
        1 => (at.clone(), 1..120_000_u32).prop_map(|(at, bytes)| Change::Long(at, bytes)),
        1 => (at.clone(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        1 => at.prop_map(Change::Cut),
    ];
    prop::collection::vec(change, 1..6)
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Object(map) => map.values().map(count).sum::<usize>(),
        Value::Array(all) => all.iter().map(count).sum(),
        _ => 0,
    }
}

/// The node at this position, in order.
fn node(value: &mut Value, at: usize) -> Option<&mut Value> {
    let mut left = at;
    find(value, &mut left)
}

fn find<'v>(value: &'v mut Value, left: &mut usize) -> Option<&'v mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Value::Object(map) => map.values_mut().find_map(|v| find(v, left)),
        Value::Array(all) => all.iter_mut().find_map(|v| find(v, left)),
        _ => None,
    }
}

fn change(review: &mut Value, change: &Change) {
    let nodes = count(review);
    let (Change::Remove(at)
    | Change::Replace(at, _)
    | Change::Insert(at, ..)
    | Change::Copy(at, _)
    | Change::Nest(at, _)
    | Change::Long(at, _)
    | Change::Byte(at, _)
    | Change::Cut(at)) = change;
    let copied = match change {
        Change::Copy(_, from) => node(review, from % nodes).cloned(),
        _ => None,
    };
    let Some(place) = node(review, at % nodes) else {
        return;
    };
    match change {
        Change::Remove(_) => *place = Value::Null,
        Change::Replace(_, value) => *place = value.clone(),
        Change::Insert(_, key, value) => {
            if let Some(map) = place.as_object_mut() {
                map.insert(key.clone(), value.clone());
            }
        }
        Change::Copy(..) => *place = copied.unwrap_or_default(),
        Change::Nest(_, depth) => {
            for _ in 0..*depth {
                *place = json!([place.take()]);
            }
        }
        Change::Long(_, bytes) => *place = "\u{1}x".repeat(*bytes as usize / 2).into(),
        Change::Byte(..) | Change::Cut(_) => {}
    }
}

fn body(review: &Value, changes: &[Change]) -> Vec<u8> {
    let mut review = review.clone();
    changes.iter().for_each(|c| change(&mut review, c));
    let mut bytes = review.to_string().into_bytes();
    for change in changes {
        let length = bytes.len().max(1);
        match change {
            Change::Byte(at, byte) => {
                if let Some(place) = bytes.get_mut(at % length) {
                    *place = *byte;
                }
            }
            Change::Cut(at) => bytes.truncate(at % length),
            _ => {}
        }
    }
    bytes
}

/// The object as the API server sent it; none if it is nested too deep to be held here. Admission does not hold it.
fn object(body: &[u8]) -> Option<Value> {
    let mut review: Value = serde_json::from_slice(body).ok()?;
    Some(review["request"]["object"].take())
}

fn check(runtime: &Runtime, state: &State, webhook: Webhook, body: &[u8]) {
    let began = Instant::now();
    let deadline = began + Duration::from_millis(200);
    let call = admit(state, webhook, body, began, deadline);
    let answer = runtime
        .block_on(async { tokio::time::timeout(HANG, call).await })
        .unwrap_or_else(|_| panic!("{webhook:?} hangs"));
    let Ok(answer) = answer else { return };
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let uid = review::parse::<IgnoredAny>(body).unwrap().uid;
    assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(answer["kind"], "AdmissionReview");
    let response = &answer["response"];
    assert_eq!(response["uid"], uid.as_str());
    let allowed = response["allowed"].as_bool().unwrap();
    let code = response["status"]["code"].as_i64();
    assert!(
        allowed == code.is_none() && code.is_none_or(|code| (400..600).contains(&code)),
        "{response}"
    );
    assert!(
        allowed || !response["status"]["message"].as_str().unwrap().is_empty(),
        "{response}"
    );
    let patch = cases::patch(response);
    if let Some(object) = object(body) {
        cases::patched(&object, &patch);
    }
}

/// What is changed: a state, and a review that it answers.
fn corpus() -> Vec<(State, Value)> {
    let mut all = Vec::new();
    for name in names() {
        let text = cases::read(&format!("{name}.input.yaml"));
        let mut case: Value = serde_saphyr::from_str(&text).unwrap();
        cases::sign(&mut case);
        all.push((state(&case), cases::review(&case["request"])));
    }
    let files = std::fs::read_dir(testdata("corpus")).unwrap();
    for file in files {
        let path = file.unwrap().path();
        let review = serde_json::from_slice(&std::fs::read(&path).unwrap())
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        all.push((state(&json!({})), review));
    }
    all
}

#[test]
fn no_review_makes_it_panic_hang_or_answer_what_the_api_server_cannot_use() {
    let seconds = std::env::var("NAMESAKE_FUZZ_SECONDS").ok();
    let seconds = seconds.map_or(0, |text| {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    });
    let end = Instant::now() + Duration::from_secs(seconds);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let corpus = corpus();
    for (state, review) in &corpus {
        for webhook in WEBHOOKS {
            check(&runtime, state, webhook, review.to_string().as_bytes());
        }
    }
    let config = Config {
        cases: BATCH,
        failure_persistence: None,
        ..Config::default()
    };
    let mut tried = 0;
    loop {
        let mut runner = TestRunner::new(config.clone());
        let strategy = (0..corpus.len(), changes());
        let outcome = runner.run(&strategy, |(which, changes)| {
            let (state, review) = &corpus[which];
            let body = body(review, &changes);
            for webhook in WEBHOOKS {
                check(&runtime, state, webhook, &body);
            }
            Ok(())
        });
        outcome.unwrap_or_else(|e| panic!("{e}"));
        tried += BATCH;
        if Instant::now() >= end {
            break;
        }
        if tried % (BATCH * 64) == 0 {
            eprintln!(
                "{tried} reviews, {} s left",
                (end - Instant::now()).as_secs()
            );
        }
    }
    eprintln!("{tried} reviews from a corpus of {}", corpus.len());
}
