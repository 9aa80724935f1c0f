//! Fuzzing of the admission path: reviews of the corpus with random changes of their JSON and of their bytes. In no case does the
//! webhook panic, hang, give an answer that the API server cannot use, or admit an object as another user.
//!
//! The corpus is every case of `testdata`, every review in `testdata/corpus` (former findings), and what `corpus.rs`
//! adds. `NAMESAKE_FUZZ_SECONDS` is the duration (`make fuzz`: ten minutes); without it a test run tries a few hundred reviews.

mod changes;
mod corpus;
mod harmless;

use std::time::{Duration, Instant};

use namesake_api::names::SKIP_FINAL_CHECK_LABEL;
use namesake_webhook::admit::{Webhook, admit};
use namesake_webhook::review;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde::de::IgnoredAny;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::cases;
use changes::{body, changes};
use corpus::{Case, corpus};

/// Cases of one round; the time is checked after each.
const BATCH: u32 = 256;
/// Far longer than any answer takes.
const HANG: Duration = Duration::from_secs(20);
/// Longest warning, and all warnings of an answer together, in bytes: the API server shortens or drops longer ones.
const MAX_WARNING: usize = 120;
const MAX_WARNINGS: usize = 4096;
const WEBHOOKS: [Webhook; 6] = [
    Webhook::Mutate,
    Webhook::MutateLabels,
    Webhook::Validate,
    Webhook::MutateNamespaces,
    Webhook::ValidateRules,
    Webhook::Guard,
];

fn check(runtime: &Runtime, case: &Case, webhook: Webhook, body: &[u8]) {
    let began = Instant::now();
    let deadline = began + Duration::from_millis(200);
    let call = admit(&case.state, webhook, body, began, deadline);
    let answer = runtime
        .block_on(async { tokio::time::timeout(HANG, call).await })
        .unwrap_or_else(|_| panic!("{webhook:?} hangs"));
    assert!(began.elapsed() < HANG, "{webhook:?} hangs");
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
    warnings(response);
    let patch = cases::patch(response);
    // An object that is nested too deep for `Value` is not checked further. Admission does not build a `Value` of it.
    let Ok(input) = serde_json::from_slice::<Value>(body) else {
        return;
    };
    let last = cases::patched(&input["request"]["object"], &patch);
    if allowed {
        let harm = harmless::harm(case, webhook, &input["request"], &last);
        assert_eq!(harm, None, "{webhook:?} of {input}: {response}");
        if webhook == Webhook::Mutate && !case.shadow && is_skipped(&last) {
            let answer = runtime.block_on(final_check(case, &input, &last));
            assert_eq!(answer["allowed"], true, "skipped: {last}: {answer}");
        }
    }
}

/// Whether the API server would not call the final check of this pod.
fn is_skipped(pod: &Value) -> bool {
    pod["metadata"]["labels"][SKIP_FINAL_CHECK_LABEL] == "prod"
}

/// The answer of the final check to an object that is stored as the mutating webhook changed it.
async fn final_check(case: &Case, input: &Value, last: &Value) -> Value {
    let mut review = input.clone();
    review["request"]["object"] = last.clone();
    cases::ask(&case.state, Webhook::Validate, &review).await
}

fn warnings(response: &Value) {
    let all = response["warnings"].as_array().into_iter().flatten();
    let all: Vec<&str> = all.map(|warning| warning.as_str().unwrap()).collect();
    let fits = |text: &&str| text.len() <= MAX_WARNING && !text.chars().any(char::is_control);
    assert!(all.iter().all(fits), "{all:?}");
    assert!(
        all.iter().map(|text| text.len()).sum::<usize>() <= MAX_WARNINGS,
        "{all:?}"
    );
}

#[test]
fn no_review_makes_it_panic_hang_or_answer_what_the_api_server_cannot_use() {
    let seconds = std::env::var("NAMESAKE_FUZZ_SECONDS").ok();
    let seconds = seconds.map_or(0, |text| {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    });
    let end = Instant::now() + Duration::from_secs(seconds);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let corpus = corpus();
    for case in &corpus {
        for webhook in WEBHOOKS {
            check(&runtime, case, webhook, case.review.to_string().as_bytes());
        }
    }
    let config = Config {
        cases: BATCH,
        failure_persistence: None,
        ..Config::default()
    };
    let mut tried = 0;
    loop {
        // A test run tries the same reviews each time, and fuzzing new ones.
        let mut runner = if seconds == 0 {
            TestRunner::new_with_rng(
                config.clone(),
                TestRng::deterministic_rng(RngAlgorithm::ChaCha),
            )
        } else {
            TestRunner::new(config.clone())
        };
        let strategy = (0..corpus.len(), changes());
        let outcome = runner.run(&strategy, |(which, changes)| {
            let case = &corpus[which];
            let body = body(&case.review, &changes);
            for webhook in WEBHOOKS {
                check(&runtime, case, webhook, &body);
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
