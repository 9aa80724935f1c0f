//! The kinds of the model: what people write, what controllers make of it, what can be changed in it.

use jiff::Timestamp;
use namesake_webhook::state::{Parent, State};
use serde_json::{Value, json};

pub(crate) const JOB_SET_CONTROLLER: &str =
    "system:serviceaccount:jobset-system:jobset-controller-manager";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Pod,
    Job,
    CronJob,
    JobSet,
}

impl Kind {
    pub(crate) const ALL: [Kind; 4] = [Kind::Pod, Kind::Job, Kind::CronJob, Kind::JobSet];

    pub(crate) fn gvk(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Kind::Pod => ("", "v1", "Pod"),
            Kind::Job => ("batch", "v1", "Job"),
            Kind::CronJob => ("batch", "v1", "CronJob"),
            Kind::JobSet => ("jobset.x-k8s.io", "v1alpha2", "JobSet"),
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
        Kind::CronJob => {
            let job = json!({"spec": {"template": template(person, shape)}});
            json!({"metadata": metadata, "spec": {"jobTemplate": job, "suspend": false}})
        }
        Kind::JobSet => {
            let job = json!({"spec": {"template": template(person, shape)}});
            json!({"metadata": metadata, "spec": {"replicatedJobs": [{"template": job}], "suspend": false}})
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
        Kind::CronJob | Kind::JobSet => {
            let (_, version, name) = kind.gvk();
            let (group, controller) = if kind == Kind::CronJob {
                (
                    "batch",
                    "system:serviceaccount:kube-system:cronjob-controller",
                )
            } else {
                ("jobset.x-k8s.io", JOB_SET_CONTROLLER)
            };
            let mut metadata = json!({"generateName": "j-", "annotations": {}});
            metadata["ownerReferences"] = owner(&format!("{group}/{version}"), name);
            let mut template = runs(kind, parent).clone();
            if kind == Kind::JobSet {
                template["metadata"]["labels"]["jobset.sigs.k8s.io/jobset-name"] = json!("js");
            }
            let job =
                json!({"metadata": metadata, "spec": {"template": template, "suspend": false}});
            Some((Kind::Job, job, controller))
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
        (Kind::CronJob | Kind::JobSet, 2) => {
            let template = new.pointer_mut(template_of(kind))?;
            template["spec"]["containers"][0]["image"] = json!(format!("{edit}-of-{person}"));
        }
        (Kind::Job, 2) => {
            new["spec"]["template"]["metadata"]["annotations"]["inject"] = json!(person);
        }
        (_, _) => new["metadata"]["labels"] = json!({"edited-by": person}),
    }
    Some(new)
}

/// What an object runs.
pub(crate) fn runs(kind: Kind, object: &Value) -> &Value {
    object.pointer(template_of(kind)).unwrap()
}

fn template_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Pod => "/spec",
        Kind::Job => "/spec/template",
        Kind::CronJob => "/spec/jobTemplate/spec/template",
        Kind::JobSet => "/spec/replicatedJobs/0/template/spec/template",
    }
}

/// What the watch tells the webhook.
pub(crate) fn feed(state: &State, kind: Kind, object: &Value) {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str);
    if kind == Kind::Pod {
        return;
    }
    let parent = Parent {
        kind: match kind {
            Kind::CronJob => "batch/CronJob",
            Kind::JobSet => "jobset.x-k8s.io/JobSet",
            Kind::Pod | Kind::Job => "batch/Job",
        },
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
