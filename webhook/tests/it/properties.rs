//! For any object: the webhook does not panic, sets its own fields and changes no others, a second pass changes nothing, and the
//! final check admits the result.

use namesake_webhook::admit::Webhook;
use namesake_webhook::state::State;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

use crate::cases::{ask, job_controller, name_of, patch, patched, read, review, sign, state};

fn alice() -> State {
    let mut case =
        json!({"parents": [{"stamp": {"$stamp": {}}}], "identities": [{"user": "alice@acme.com"}]});
    sign(&mut case);
    state(&case)
}

pub(crate) fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~é/\\\\\"]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key(), inner, 0..4)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("metadata".to_owned()),
        Just("annotations".to_owned()),
        Just("labels".to_owned()),
        Just("spec".to_owned()),
        Just("ownerReferences".to_owned()),
        Just("schedulingGates".to_owned()),
        Just("name".to_owned()),
        "[a-z~/.]{1,6}",
    ]
}

fn strings() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        Just("namesake.dev/resolution".to_owned()),
        Just("namesake.dev/user".to_owned()),
        Just("namesake.dev/identity".to_owned()),
        Just("namesake.dev/stamp".to_owned()),
        "[a-z~/.]{1,8}",
    ];
    let map = prop::collection::btree_map(key, "[ -~é]{0,9}", 0..5);
    prop_oneof![
        Just(Value::Null),
        map.prop_map(|m| Value::Object(m.into_iter().map(|(k, v)| (k, v.into())).collect())),
    ]
}

// The pod of the test data with parts that a client might have written.
fn pods() -> impl Strategy<Value = Value> {
    let gates = prop_oneof![
        Just(Value::Null),
        Just(json!([])),
        Just(json!([{"name": "a"}, {"name": "namesake.dev/identity"}, {"name": "b", "more": 1}])),
    ];
    let accounts = prop_oneof![Just(Value::Null), Just(json!("metaflow")), Just(json!(""))];
    (
        strings(),
        strings(),
        gates,
        accounts.clone(),
        accounts,
        anything(),
    )
        .prop_map(|(labels, annotations, gates, name, deprecated, unknown)| {
            let mut pod: Value = serde_json::from_str(&read("objects/run-pod.json")).unwrap();
            let mut labels = labels;
            if let Some(map) = labels.as_object_mut() {
                map.insert("app.kubernetes.io/part-of".to_owned(), "metaflow".into());
            }
            pod["metadata"]["labels"] = labels;
            pod["metadata"]["annotations"] = annotations;
            pod["spec"]["schedulingGates"] = gates;
            pod["spec"]["serviceAccountName"] = name;
            pod["spec"]["serviceAccount"] = deprecated;
            pod["spec"]["containers"][0]["unknownField"] = unknown.clone();
            pod["unknownPart"] = unknown;
            pod
        })
}

// The pod without the fields that the webhook may change.
fn without_own_fields(pod: &Value) -> Value {
    let mut pod = pod.clone();
    for (part, keys) in [
        ("labels", vec!["identity", "skip-final-check"]),
        (
            "annotations",
            vec!["user", "resolution", "decision", "waiting"],
        ),
    ] {
        let map = pod["metadata"][part]
            .as_object()
            .cloned()
            .unwrap_or_default();
        let own: Vec<_> = keys.iter().map(|k| format!("namesake.dev/{k}")).collect();
        let rest: Map<_, _> = map.into_iter().filter(|(k, _)| !own.contains(k)).collect();
        pod["metadata"][part] = Value::Object(rest);
    }
    let gates = pod["spec"]["schedulingGates"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let gates = gates
        .into_iter()
        .filter(|g| g["name"] != "namesake.dev/identity");
    pod["spec"]["schedulingGates"] = gates.collect();
    let spec = pod["spec"].as_object_mut().unwrap();
    spec.remove("serviceAccount");
    spec.remove("serviceAccountName");
    pod
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_json_makes_admission_panic(object in anything(), old in anything(), job in any::<bool>(), update in any::<bool>()) {
        let runtime = Runtime::new().unwrap();
        let state = alice();
        let mut input = review(&job_controller());
        let group = if job { "batch" } else { "" };
        input["request"]["kind"] = json!({"group": group, "version": "v1", "kind": if job { "Job" } else { "Pod" }});
        input["request"]["operation"] = json!(if update { "UPDATE" } else { "CREATE" });
        input["request"]["object"] = object.clone();
        input["request"]["oldObject"] = old;
        let body = input.to_string();
        for webhook in [Webhook::Mutate, Webhook::Validate, Webhook::ValidateRules] {
            let now = std::time::Instant::now();
            let answer = runtime.block_on(namesake_webhook::admit::admit(&state, webhook, body.as_bytes(), now, now));
            if let Ok(answer) = answer {
                let answer: Value = serde_json::from_slice(&answer).unwrap();
                patched(&object, &patch(&answer["response"]));
            }
        }
    }

    #[test]
    fn a_pod_gets_the_fields_of_the_webhook_and_keeps_all_others(pod in pods()) {
        let runtime = Runtime::new().unwrap();
        let state = alice();
        // Without labels no rule matches, and the pod is refused.
        let labelled = pod["metadata"]["labels"].is_object();
        let mut input = review(&job_controller());
        input["request"]["object"] = pod.clone();
        let answer = runtime.block_on(ask(&state, Webhook::Mutate, &input));
        prop_assert_eq!(&answer["allowed"], &json!(labelled), "{}", answer);
        if !labelled {
            return Ok(());
        }
        let after = patched(&pod, &patch(&answer));
        let name = name_of("alice@acme.com");
        prop_assert_eq!(&after["spec"]["serviceAccountName"], &json!(name));
        prop_assert_eq!(&after["spec"]["serviceAccount"], &json!(name));
        prop_assert_eq!(&after["metadata"]["labels"]["namesake.dev/identity"], &json!(name));
        prop_assert_eq!(&after["metadata"]["annotations"]["namesake.dev/user"], &json!("alice@acme.com"));
        let gates = after["spec"]["schedulingGates"].as_array().unwrap();
        prop_assert_eq!(gates.iter().filter(|g| g["name"] == "namesake.dev/identity").count(), 1);
        let waits = after["metadata"]["annotations"]["namesake.dev/waiting"].as_str().unwrap();
        prop_assert!(waits.starts_with("Pending: "), "{}", waits);
        prop_assert_eq!(without_own_fields(&after), without_own_fields(&pod));
        input["request"]["object"] = after;
        let second_answer = runtime.block_on(ask(&state, Webhook::Mutate, &input));
        prop_assert_eq!(patch(&second_answer), json!([]));
        let final_check = runtime.block_on(ask(&state, Webhook::Validate, &input));
        prop_assert_eq!(&final_check["allowed"], &json!(true), "{}", final_check);
    }
}
