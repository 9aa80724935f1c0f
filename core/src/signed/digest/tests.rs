use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use super::*;

/// The digest of any value, in which every member counts.
pub(crate) fn digest_of(value: &Value) -> Digest {
    let mut writer = DigestWriter::new("value");
    writer.value(&node(value), &|_, _| true);
    writer.digest()
}

fn node(value: &Value) -> Json<'_> {
    Json::deserialize(value).unwrap()
}

fn of_template(template: &Value) -> Digest {
    digest_of_pod_template(&node(template))
}

/// A template as a person writes it.
fn written() -> Value {
    json!({
        "metadata": {"labels": {"team": "ml"}, "annotations": {"metaflow/step_name": "start"}},
        "spec": {
            "containers": [{
                "name": "main", "image": "python:3.12", "command": ["python", ""],
                "env": [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                "resources": {"limits": {"cpu": "1000m"}},
                "ports": [{"containerPort": 80}],
            }],
            "volumes": [{"name": "scratch", "emptyDir": {}}, {"name": "s", "secret": {"secretName": "s"}}],
            "serviceAccount": "robot",
        },
    })
}

/// The same template after the API server and the JobSet controller filled it in.
fn filled_in() -> Value {
    json!({
        "metadata": {
            "creationTimestamp": null,
            "labels": {"team": "ml", "jobset.sigs.k8s.io/jobset-name": "js"},
            "annotations": {"metaflow/step_name": "start", "jobset.sigs.k8s.io/job-index": "0",
                "alpha.jobset.sigs.k8s.io/exclusive-topology": "rack"},
        },
        "spec": {
            "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler",
            "securityContext": {}, "terminationGracePeriodSeconds": 30, "subdomain": "js", "hostNetwork": false,
            "nodeSelector": {"pool": "ml"}, "tolerations": [{"key": "gpu"}], "schedulingGates": [{"name": "kueue"}],
            "serviceAccount": "robot", "serviceAccountName": "robot",
            "containers": [{
                "name": "main", "image": "python:3.12", "command": ["python", ""], "imagePullPolicy": "IfNotPresent",
                "env": [{"name": "POD", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}],
                "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}},
                "ports": [{"containerPort": 80, "protocol": "TCP"}],
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            }],
            "volumes": [{"name": "scratch"}, {"name": "s", "secret": {"secretName": "s", "defaultMode": 420}}],
        },
    })
}

#[test]
fn what_controllers_and_defaults_fill_in_does_not_change_the_digest() {
    assert_eq!(of_template(&written()), of_template(&filled_in()));
}

#[test]
fn everything_that_is_executed_is_in_the_digest() {
    let changes = [
        ("/metadata/annotations/inject", json!("sidecar")),
        ("/metadata/labels/team", json!("other")),
        ("/spec/serviceAccountName", json!("admin")),
        ("/spec/automountServiceAccountToken", json!(false)),
        ("/spec/hostNetwork", json!(true)),
        ("/spec/initContainers", json!([{"name": "i"}])),
        ("/spec/securityContext/runAsUser", json!(0)),
        ("/spec/dnsConfig", json!({"nameservers": ["10.0.0.1"]})),
        ("/spec/hostAliases", json!([{"ip": "10.0.0.1"}])),
        ("/spec/runtimeClassName", json!("x")),
        ("/spec/fieldOfTheFuture", json!("x")),
        ("/spec/containers/0/image", json!("evil")),
        ("/spec/containers/0/command/1", json!("-c")),
        ("/spec/containers/0/env/0/value", json!("x")),
        ("/spec/volumes/0/hostPath", json!({"path": "/"})),
        ("/spec/volumes/1/secret/secretName", json!("t")),
    ];
    for (pointer, value) in changes {
        let mut changed = filled_in();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let parent = changed.pointer_mut(parent).unwrap();
        match parent {
            Value::Array(all) => all[key.parse::<usize>().unwrap()] = value,
            parent => parent[key] = value,
        }
        assert_ne!(of_template(&changed), of_template(&written()), "{pointer}");
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec(("[a-z]{1,3}", inner), 0..4)
                .prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
}

/// The same value without empty members; lists keep their length.
fn pruned(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members
                .iter()
                .map(|(key, value)| (key.clone(), pruned(value)));
            let not_empty = kept.filter(|(_, value)| !node(value).is_empty());
            Value::Object(not_empty.collect())
        }
        Value::Array(all) => all.iter().map(pruned).collect(),
        other => other.clone(),
    }
}

// The same value with null for every empty value.
fn nulls_for_empty(value: Value) -> Value {
    match value {
        Value::Object(members) if members.is_empty() => Value::Null,
        Value::Array(all) if all.is_empty() => Value::Null,
        Value::String(text) if text.is_empty() => Value::Null,
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(key, value)| (key, nulls_for_empty(value)))
                .collect(),
        ),
        Value::Array(all) => all.into_iter().map(nulls_for_empty).collect(),
        other => other,
    }
}

proptest! {
    #[test]
    fn two_values_have_the_same_digest_exactly_if_they_are_equal_but_for_empty_values(a in values(), b in values()) {
        let same = nulls_for_empty(pruned(&a)) == nulls_for_empty(pruned(&b));
        prop_assert_eq!(digest_of(&a) == digest_of(&b), same);
        prop_assert_eq!(digest_of(&a), digest_of(&pruned(&a)));
    }

    #[test]
    fn the_order_of_members_does_not_matter(all in vec(("[a-z]{1,3}", values()), 0..5)) {
        let unique: std::collections::BTreeMap<_, _> = all.into_iter().collect();
        let text = |all: Vec<(&String, &Value)>| {
            let all: Vec<_> = all.iter().map(|(k, v)| format!("{k:?}:{v}")).collect();
            format!("{{{}}}", all.join(","))
        };
        let forth: Value = serde_json::from_str(&text(unique.iter().collect())).unwrap();
        let back: Value = serde_json::from_str(&text(unique.iter().rev().collect())).unwrap();
        prop_assert_eq!(digest_of(&forth), digest_of(&back));
    }
}
