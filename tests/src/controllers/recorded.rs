//! Recorded requests of the real controllers and of stock Metaflow (`webhook/testdata/recorded`). Tests send them with other names.

use std::sync::LazyLock;

use serde_json::{Map, Value};

/// The requests of one scenario, in order.
pub(crate) type Recording = LazyLock<Vec<Value>>;

/// A flow with a parameter and a foreach, deployed and run by Argo: alice's, started by bob.
pub(crate) static FOREACH: Recording = LazyLock::new(|| {
    requests(include_str!(
        "../../../webhook/testdata/recorded/metaflow/foreach.jsonl"
    ))
});
/// A flow without parameters, also deployed and run by Argo.
pub(crate) static TRIGGER: Recording = LazyLock::new(|| {
    requests(include_str!(
        "../../../webhook/testdata/recorded/metaflow/create-trigger.jsonl"
    ))
});
/// A flow with a `@parallel` step, run by Argo.
pub(crate) static PARALLEL_ON_ARGO: Recording = LazyLock::new(|| {
    requests(include_str!(
        "../../../webhook/testdata/recorded/metaflow/parallel-on-argo.jsonl"
    ))
});
/// The same, run from a laptop.
pub(crate) static PARALLEL: Recording = LazyLock::new(|| {
    requests(include_str!(
        "../../../webhook/testdata/recorded/metaflow/run-parallel.jsonl"
    ))
});

/// Metadata that the API server writes, and not the client.
const SERVER_SIDE: [&str; 4] = ["uid", "creationTimestamp", "generation", "namespace"];

fn requests(text: &str) -> Vec<Value> {
    let requests = text.lines().map(serde_json::from_str);
    requests.collect::<Result<_, _>>().unwrap_or_default()
}

/// The created objects of a kind, as the API server stored them.
pub(crate) fn created<'a>(recording: &'a [Value], plural: &str) -> impl Iterator<Item = &'a Value> {
    let of_kind = recording.iter().filter(move |request| {
        request["operation"] == "CREATE" && request["resource"]["resource"] == plural
    });
    of_kind.map(|request| &request["object"])
}

/// What the first update of an object of a kind added at a JSON pointer.
pub(crate) fn first_added<'a>(recording: &'a [Value], plural: &str, path: &str) -> &'a Value {
    let is_update = |request: &&Value| {
        request["operation"] == "UPDATE" && request["resource"]["resource"] == plural
    };
    let update = recording.iter().find(is_update);
    let changes = update.and_then(|update| update["changes"].as_array());
    let mut changes = changes.into_iter().flatten();
    let added = changes.find(|change| change["path"] == path);
    added.map_or(&Value::Null, |change| &change["value"])
}

/// An object as its client sent it: without what the API server and its own admission filled in.
pub(crate) fn as_sent(object: &Value) -> Value {
    let mut sent = object.clone();
    remove(&mut sent, "", &["status"]);
    remove(&mut sent, "/metadata", &SERVER_SIDE);
    if sent["metadata"].get("generateName").is_some() {
        remove(&mut sent, "/metadata", &["name"]);
    }
    if sent["kind"] == "Pod" {
        remove(
            &mut sent,
            "/spec",
            &["serviceAccountName", "serviceAccount", "priority"],
        );
        without_token(&mut sent["spec"]);
    }
    sent
}

// Removes the volume that the API server adds for the token, and its mounts.
fn without_token(spec: &mut Value) {
    let is_token = |named: &Value| {
        let name = named["name"].as_str();
        name.is_some_and(|name| name.starts_with("kube-api-access-"))
    };
    let lists = ["containers", "initContainers"].map(|list| format!("/{list}"));
    for list in lists {
        let containers = spec.pointer_mut(&list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let mounts = container["volumeMounts"].as_array_mut();
            mounts
                .into_iter()
                .for_each(|it| it.retain(|mount| !is_token(mount)));
        }
    }
    let volumes = spec["volumes"].as_array_mut();
    volumes
        .into_iter()
        .for_each(|it| it.retain(|volume| !is_token(volume)));
}

/// Replaces names everywhere, one after the other.
pub(crate) fn renamed(value: &Value, names: &[(&str, &str)]) -> Value {
    let names = names.iter().filter(|(old, _)| !old.is_empty());
    let text = names.fold(value.to_string(), |text, (old, new)| text.replace(old, new));
    serde_json::from_str(&text).unwrap_or_default()
}

fn remove(value: &mut Value, from: &str, keys: &[&str]) {
    let map = value.pointer_mut(from).and_then(Value::as_object_mut);
    map.into_iter()
        .for_each(|map: &mut Map<_, _>| map.retain(|key, _| !keys.contains(&key.as_str())));
}
