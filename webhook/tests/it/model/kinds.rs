//! The kinds of the model: what people write, what controllers make of it, what can be changed in it.

use jiff::Timestamp;
use namesake_webhook::state::{Parent, State};
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Pod,
    Job,
}

impl Kind {
    pub(crate) const ALL: [Kind; 2] = [Kind::Pod, Kind::Job];

    pub(crate) fn gvk(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Kind::Pod => ("", "v1", "Pod"),
            Kind::Job => ("batch", "v1", "Job"),
        }
    }

    /// Whether whoever writes it anew is who its pods run as from then on.
    pub(crate) fn changes_hands(self) -> bool {
        false
    }
}

/// A pod template, or the pod itself, that a person writes; `shape` says what it tries.
fn template(person: &str, shape: u8) -> Value {
    let mut template = json!({
        "metadata": {"labels": {"app.kubernetes.io/part-of": "metaflow"}, "annotations": {"metaflow/user": person}},
        "spec": {"containers": [{"name": "start", "image": format!("of-{person}")}]}});
    if shape & 1 != 0 {
        template["spec"]["serviceAccountName"] = json!("metaflow");
    }
    template
}

/// What a person creates.
pub(crate) fn new(kind: Kind, person: &str, shape: u8) -> Value {
    let metadata = if shape & 2 == 0 {
        json!({"generateName": "t-", "annotations": {}})
    } else {
        json!({"name": "shared", "annotations": {}})
    };
    match kind {
        Kind::Pod => {
            let mut pod = template(person, shape);
            pod["metadata"]["generateName"] = json!("p-");
            pod
        }
        Kind::Job => {
            json!({"metadata": metadata, "spec": {"template": template(person, shape), "suspend": false}})
        }
    }
}

/// What a kind's controller makes of an object, and who that controller is.
pub(crate) fn child(kind: Kind, parent: &Value) -> Option<(Kind, Value, &'static str)> {
    let owner = |version: &str, name: &str| {
        json!([{"apiVersion": version, "kind": name, "name": parent["metadata"]["name"],
            "uid": parent["metadata"]["uid"], "controller": true}])
    };
    match kind {
        Kind::Pod => None,
        Kind::Job => {
            let mut pod = parent["spec"]["template"].clone();
            pod["metadata"]["generateName"] = json!("p-");
            pod["metadata"]["ownerReferences"] = owner("batch/v1", "Job");
            let controller = "system:serviceaccount:kube-system:job-controller";
            Some((Kind::Pod, pod, controller))
        }
    }
}

/// The object after somebody changed it; nothing, if the API server would not let anybody.
pub(crate) fn edited(kind: Kind, old: &Value, person: &str, edit: u8) -> Option<Value> {
    let mut new = old.clone();
    match (kind, edit % 4) {
        (Kind::Pod, _) => return None,
        (_, 0) => new["metadata"]["annotations"]["namesake.dev/stamp"] = json!("v1.k1.e30.AAAA"),
        (_, 1) => new["spec"]["suspend"] = json!(edit & 4 != 0),
        (Kind::Job, 2) => {
            new["spec"]["template"]["metadata"]["annotations"]["inject"] = json!(person);
        }
        (_, _) => new["metadata"]["labels"] = json!({"edited-by": person}),
    }
    Some(new)
}

/// What an object runs.
pub(crate) fn runs(kind: Kind, object: &Value) -> &Value {
    match kind {
        Kind::Pod => &object["spec"],
        Kind::Job => &object["spec"]["template"],
    }
}

/// What the watch tells the webhook.
pub(crate) fn feed(state: &State, kind: Kind, object: &Value) {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str);
    if kind == Kind::Pod {
        return;
    }
    let parent = Parent {
        kind: "batch/Job",
        name: text("/metadata/name").unwrap_or_default().into(),
        generate_name: text("/metadata/generateName").map(Into::into),
        created: text("/metadata/creationTimestamp")
            .unwrap_or_default()
            .parse::<Timestamp>()
            .unwrap()
            .as_second(),
        stamp: text("/metadata/annotations/namesake.dev~1stamp").map(Into::into),
    };
    state.parents.apply(
        "research",
        text("/metadata/uid").unwrap_or_default(),
        parent,
    );
}
