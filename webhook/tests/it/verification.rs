//! Questions whether signed texts are valid: who asks brings the text, and learns only that.

use namesake_webhook::admit::Webhook;
use serde_json::{Value, json};

use crate::cases::{ALICE_JOB, NOW, ask, name_of, patch, review, sign, state};

fn resolution(text: &Value, account: &str) -> Value {
    json!({"of": "resolution", "text": text, "name": "t-b2bdfea8-gwtfp-x", "generateName": "t-b2bdfea8-gwtfp-", "serviceAccount": account})
}

fn stamp(text: &Value, uid: &str, created: i64) -> Value {
    json!({"of": "stamp", "text": text, "kind": "batch/Job", "name": "t-b2bdfea8-gwtfp", "generateName": "t-b2bdfea8-", "uid": uid,
        "created": created})
}

async fn response(case: &Value, question: &Value, request: &Value) -> Value {
    let mut question = question.clone();
    sign(&mut question);
    let text = question
        .as_str()
        .map_or_else(|| question.to_string(), str::to_owned);
    let mut all = json!({"kind": "Job", "user": "mallory@acme.com", "dryRun": true,
        "object": {"metadata": {"generateName": "x-", "annotations": {"namesake.dev/verify": text}}}});
    for (key, value) in request.as_object().unwrap() {
        all[key] = value.clone();
    }
    ask(&state(case), Webhook::Mutate, &review(&all)).await
}

async fn answers(case: &Value, question: &Value) -> Value {
    let response = response(case, question, &json!({})).await;
    let patch = patch(&response);
    assert_eq!(
        patch[0]["path"], "/metadata/annotations/namesake.dev~1verified",
        "{response}"
    );
    serde_json::from_str(patch[0]["value"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn each_text_is_valid_only_for_its_own_object_and_key() {
    let (signed, account) = (json!({"$resolution": {}}), name_of("alice@acme.com"));
    let of_job = json!({"$stamp": {}});
    let forged = json!({"$stamp": {"key": "other"}});
    let question = json!([
        resolution(&signed, &account),
        resolution(&signed, "mf-bob"),
        resolution(&of_job, &account),
        stamp(&of_job, ALICE_JOB, NOW - 10),
        stamp(&of_job, ALICE_JOB, NOW - 100),
        stamp(&forged, ALICE_JOB, NOW - 10),
    ]);
    let answers = answers(&json!({}), &question).await;
    let words: Vec<_> = answers
        .as_array()
        .unwrap()
        .iter()
        .map(|one| *one == "valid")
        .collect();
    assert_eq!(words, [true, false, false, true, false, false], "{answers}");
    assert!(
        answers[1]["invalid"]
            .as_str()
            .unwrap()
            .contains("service account"),
        "{answers}"
    );
}

#[tokio::test]
async fn what_was_signed_before_the_last_opt_in_is_not_valid() {
    let question = json!([resolution(
        &json!({"$resolution": {}}),
        &name_of("alice@acme.com")
    )]);
    let answers = answers(&json!({"returned": true}), &question).await;
    assert!(
        answers[0]["invalid"]
            .as_str()
            .unwrap()
            .contains("last opted in"),
        "{answers}"
    );
}

#[tokio::test]
async fn only_a_dry_run_of_a_new_job_is_a_question_and_only_a_well_formed_one_is_answered() {
    let question = json!([resolution(
        &json!({"$resolution": {}}),
        &name_of("alice@acme.com")
    )]);
    let case = json!({"identities": [{"user": "mallory@acme.com", "ready": true}]});
    let answers = |response: &Value| patch(response).to_string().contains("verified");
    assert!(answers(&response(&case, &question, &json!({})).await));
    for other in [
        json!({"dryRun": false}),
        json!({"kind": "CronJob"}),
        json!({"operation": "UPDATE"}),
    ] {
        assert!(
            !answers(&response(&case, &question, &other).await),
            "{other}"
        );
    }
    let many = json!(vec![question[0].clone(); 9]);
    for wrong in [json!("not JSON"), json!([1]), json!({}), many] {
        let response = response(&case, &wrong, &json!({})).await;
        assert_eq!(response["status"]["code"], 400, "{response}");
    }
    let elsewhere = json!({"namespaces": {"other": "prod"}});
    let response = response(&elsewhere, &question, &json!({})).await;
    assert_eq!(response["allowed"], false, "{response}");
}
