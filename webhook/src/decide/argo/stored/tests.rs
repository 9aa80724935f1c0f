use serde_json::{Value, json};

use super::*;

fn digest_of(spec: &Value) -> String {
    let text = spec.to_string();
    digest(&serde_json::from_str(&text).unwrap(), NOT_COMPARED)
}

fn deployed() -> Value {
    json!({
        "entrypoint": "Flow", "parallelism": 100, "hooks": {}, "onExit": "",
        "arguments": {"parameters": [{"name": "q", "value": "1"}]},
        "podMetadata": {"annotations": {"metaflow/flow_name": "Flow"}},
        "templates": [{
            "name": "start", "nodeSelector": {}, "tolerations": null, "failFast": true, "metadata": {"labels": {}},
            "inputs": {"parameters": []}, "volumes": [{"name": "out", "emptyDir": {}}],
            "container": {
                "args": null, "command": ["bash", "-c", "true"], "image": "python:3.11",
                "env": [{"name": "A", "value": "", "valueFrom": null}],
                "resources": {"claims": null, "limits": {}, "requests": {"cpu": "0.5", "memory": "1000M"}}}}]
    })
}

// The same, decoded by Argo, merged with a reference and with its defaults, and written back.
fn stored() -> Value {
    json!({
        "entrypoint": "Flow", "parallelism": 50, "arguments": {"parameters": [{"name": "q", "value": "2"}]},
        "workflowTemplateRef": {"name": "flow"}, "ttlStrategy": {"secondsAfterCompletion": 60},
        "podMetadata": {"annotations": {"metaflow/flow_name": "Flow"}},
        "templates": [{
            "name": "start", "failFast": true, "inputs": {}, "outputs": {}, "metadata": {},
            "volumes": [{"name": "out", "emptyDir": {}}],
            "container": {
                "name": "", "command": ["bash", "-c", "true"], "image": "python:3.11", "env": [{"name": "A"}],
                "resources": {"requests": {"cpu": "500m", "memory": "1G"}}}}]
    })
}

#[test]
fn the_spec_that_argo_stores_means_the_same_as_the_deployed_one() {
    assert_eq!(digest_of(&deployed()), digest_of(&stored()));
}

#[test]
fn every_change_of_what_runs_changes_the_digest() {
    for (pointer, value) in [
        ("/templates/0/container/image", json!("evil")),
        ("/templates/0/container/command/2", json!("id")),
        (
            "/templates/0/container/env/0",
            json!({"name": "A", "value": "x"}),
        ),
        ("/templates/0/volumes/0", json!({"name": "out"})),
        (
            "/podMetadata/annotations",
            json!({"sidecar.istio.io/inject": "true"}),
        ),
        ("/entrypoint", json!("other")),
        ("/templates/0/failFast", json!(false)),
        ("/templates", json!([])),
    ] {
        let mut changed = stored();
        *changed.pointer_mut(pointer).unwrap() = value;
        assert_ne!(digest_of(&changed), digest_of(&stored()), "{pointer}");
    }
    for (member, value) in [
        ("executor", json!({"serviceAccountName": "powerful"})),
        ("podSpecPatch", json!("{}")),
        ("volumes", json!([{"name": "v"}])),
        ("hostNetwork", json!(true)),
        ("dnsConfig", json!({"nameservers": ["10.0.0.1"]})),
        ("templateDefaults", json!({"container": {"image": "evil"}})),
        ("onExit", json!("start")),
    ] {
        let mut changed = stored();
        changed[member] = value;
        assert_ne!(digest_of(&changed), digest_of(&stored()), "{member}");
    }
}

#[test]
fn a_value_cannot_move_into_its_neighbour() {
    let of = |spec: Value| digest_of(&json!({"templates": spec}));
    assert_ne!(of(json!(["ab", "c"])), of(json!(["a", "bc"])));
    assert_ne!(of(json!([["a"], "b"])), of(json!([["a", "b"]])));
    assert_ne!(of(json!([{"a": "b"}])), of(json!([["a", "b"]])));
    assert_ne!(
        of(json!([{"a": {"b": "c"}}])),
        of(json!([{"a": "b", "c": "d"}]))
    );
    assert_ne!(of(json!([1])), of(json!(["1"])));
    assert_ne!(of(json!([null])), of(json!([])));
}

#[test]
fn a_parameter_written_as_a_number_is_the_same_as_its_text() {
    let of = |value: Value| digest_of(&json!({"templates": [{"value": value}]}));
    assert_eq!(of(json!(3)), of(json!("3")));
    assert_eq!(of(json!(true)), of(json!("true")));
    assert_ne!(of(json!(3)), of(json!(4)));
}

#[test]
fn what_stock_metaflow_deploys_has_the_same_digest_after_argo_decodes_and_writes_it() {
    let text = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/testdata/objects/argo-workflowtemplate.json"
    ));
    let template: Value = serde_json::from_str(text).unwrap();
    let mut written = template["spec"].clone();
    drop_empty(&mut written);
    assert_ne!(written, template["spec"]);
    assert_eq!(digest_of(&written), digest_of(&template["spec"]));
}

// As Go's encoder with `omitempty` drops nulls and what is empty; `emptyDir` is a pointer.
fn drop_empty(value: &mut Value) {
    let empty = |v: &Value| {
        v.is_null()
            || v.as_str() == Some("")
            || v.as_array().is_some_and(Vec::is_empty)
            || v.as_object().is_some_and(serde_json::Map::is_empty)
    };
    match value {
        Value::Object(all) => {
            all.values_mut().for_each(drop_empty);
            all.retain(|name, v| name == "emptyDir" || !empty(v));
        }
        Value::Array(all) => all.iter_mut().for_each(drop_empty),
        _ => {}
    }
}

#[test]
fn a_merge_is_the_template_overridden_by_the_workflow_and_nothing_else() {
    let template = r#"{"entrypoint":"a","podMetadata":{"labels":{"x":"1","y":"2"}},"volumes":[{"name":"v"}],
        "templates":[{"name":"a","container":{"image":"new","args":[]}}]}"#;
    let own = r#"{"workflowTemplateRef":{"name":"t"},"podMetadata":{"labels":{"y":"3"}},"volumes":[{"name":"w"}]}"#;
    let good = r#"{"entrypoint":"a","podMetadata":{"labels":{"x":"1","y":"3"}},"volumes":[{"name":"w"},{"name":"v"}],
        "templates":[{"name":"a","inputs":{},"container":{"image":"new"}}],"workflowTemplateRef":{"name":"t"}}"#;
    let merged = |stored: &str| is_merged(&node(stored), &node(template), &node(own));
    assert!(merged(good));
    for (from, to) in [
        ("new", "old"),
        (r#""x":"1""#, r#""x":"0""#),
        (r#""y":"3""#, r#""y":"2""#),
        (r#""x":"1","#, ""),
        (r#""x":"1""#, r#""x":"1","z":"1""#),
        (r#"{"name":"w"},"#, ""),
        (r#"{"name":"v"}"#, r#"{"name":"u"}"#),
        (
            r#""entrypoint":"a""#,
            r#""entrypoint":"a","hooks":{"exit":{"template":"b"}}"#,
        ),
    ] {
        assert!(!merged(&good.replace(from, to)), "{from} -> {to}");
    }
}

fn node(text: &str) -> Json<'_> {
    serde_json::from_str(text).unwrap()
}
