//! Invalid reviews and objects: each is refused with a valid status code and a message that names the invalid part.

use namesake_webhook::admit::Webhook;
use serde_json::{Value, json};

use crate::cases::{ask, job_controller, merge, review, sign, state};

const ALICE: &str = "alice@acme.com";

/// A description, the request, what is merged into its review, and a part of the expected message.
type Row = (&'static str, Value, Value, &'static str);

fn job(over: Value) -> Value {
    merge(
        json!({"kind": "Job", "user": ALICE, "file": "run-job.json"}),
        over,
    )
}

// Objects with values of the wrong type.
fn objects() -> Vec<Row> {
    let template = |template: Value| job(json!({"object": {"spec": {"template": template}}}));
    let named = json!({"metadata": {"name": "x"}});
    vec![
        (
            "a kind that the webhook is not registered for",
            json!({"kind": "ReplicaSet", "user": ALICE, "object": named}),
            json!({}),
            "does not handle",
        ),
        (
            "a template that is a list",
            template(json!([])),
            json!({}),
            "spec.template is not an object",
        ),
        (
            "a template that is a number",
            template(json!(1)),
            json!({}),
            "spec.template is not an object",
        ),
        (
            "a spec that is a string",
            job(json!({"object": {"spec": "x"}})),
            json!({}),
            "expected an object",
        ),
        (
            "an annotation of a template that is a number",
            template(json!({"metadata": {"annotations": {"a": 1}}})),
            json!({}),
            "a is not a string",
        ),
        (
            "an annotation that is a number",
            job(json!({"object": {"metadata": {"annotations": {"a": 1}}}})),
            json!({}),
            "expected a string",
        ),
        (
            "labels that are a list",
            job(json!({"object": {"metadata": {"labels": ["a"]}}})),
            json!({}),
            "an object whose values are strings",
        ),
    ]
}

// Reviews with values of the wrong type, and objects that are too large or nested too deep.
fn reviews() -> Vec<Row> {
    let template = |template: Value| job(json!({"object": {"spec": {"template": template}}}));
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u".repeat(30_000), "controller": true});
    let nested = (0..200).fold(json!("x"), |inside, _| json!([inside]));
    vec![
        (
            "no username",
            job(json!({})),
            json!({"request": {"userInfo": {"username": null}}}),
            "",
        ),
        (
            "an empty username",
            job(json!({})),
            json!({"request": {"userInfo": {"username": ""}}}),
            "named no requester",
        ),
        (
            "an object that is a string",
            job(json!({})),
            json!({"request": {"object": "x"}}),
            "cannot be read",
        ),
        (
            "an object that is a list of its members",
            job(json!({})),
            json!({"request": {"object": [{"name": "x"}, {}]}}),
            "cannot be read",
        ),
        (
            "a pod whose owner's UID is too long to be signed",
            json!({"user": ALICE, "object": {"metadata": {"name": "x", "labels": {"app.kubernetes.io/part-of": "metaflow"}, "ownerReferences": [owner]},
                "spec": {"containers": [{"name": "c", "image": "a"}]}}}),
            json!({}),
            "shorten its name",
        ),
        (
            "deep nesting in the pod template",
            template(json!({"spec": {"containers": nested}})),
            json!({}),
            "cannot be read",
        ),
    ]
}

#[tokio::test]
async fn each_invalid_part_of_an_object_is_refused_by_name() {
    let state = state(&json!({"identities": [{"user": ALICE, "ready": true}]}));
    for (about, request, over, expected) in objects().into_iter().chain(reviews()) {
        let input = merge(review(&request), over);
        let answer = ask(&state, Webhook::Mutate, &input).await;
        assert_eq!(answer["allowed"], false, "{about}: {answer}");
        let code = answer["status"]["code"].as_u64().unwrap();
        assert!((400..=403).contains(&code), "{about}: {answer}");
        let message = answer["status"]["message"].as_str().unwrap();
        assert!(message.contains(expected), "{about}: {message}");
    }
}

#[tokio::test]
async fn a_stamp_with_control_characters_or_of_100_kb_is_not_valid() {
    for text in [
        "\u{0}\u{1b}[2J\n".to_owned(),
        "v2.k1.e.".to_owned() + &"x".repeat(100_000),
    ] {
        let mut case =
            json!({"identities": [{"user": ALICE, "ready": true}], "parents": [{"stamp": text}]});
        sign(&mut case);
        let pod = ask(&state(&case), Webhook::Mutate, &review(&job_controller())).await;
        assert_eq!(pod["allowed"], false, "{pod}");
        let message = pod["status"]["message"].as_str().unwrap();
        assert!(
            message.contains("stamp") && message.len() < 1000,
            "{message}"
        );
        let own =
            job(json!({"object": {"metadata": {"annotations": {"namesake.dev/stamp": text}}}}));
        let answer = ask(&state(&case), Webhook::Mutate, &review(&own)).await;
        assert_eq!(answer["auditAnnotations"]["user"], ALICE, "{answer}");
        assert_eq!(answer["allowed"], true, "{answer}");
    }
}

#[tokio::test]
async fn in_shadow_mode_a_pod_without_metadata_is_left_to_the_api_server() {
    let state = state(&json!({"mode": "shadow"}));
    for object in [json!({"spec": {}}), json!({"metadata": null, "spec": {}})] {
        let request = json!({"user": ALICE, "object": object});
        let answer = ask(&state, Webhook::Mutate, &review(&request)).await;
        assert_eq!(answer["allowed"], true, "{answer}");
        assert_eq!(crate::cases::patch(&answer), json!([]), "{answer}");
    }
}
