//! The kinds of the model: what people create, what controllers create from it, and how it can be changed.

use jiff::Timestamp;
use namesake_core::{Json, digest_of_job_template};
use namesake_webhook::decide::kinds::Scope;
use namesake_webhook::decide::known::KnownParent;
use namesake_webhook::state::State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{argo, orphans};

pub(crate) const JOB_SET_CONTROLLER: &str =
    "system:serviceaccount:jobset-system:jobset-controller-manager";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Pod,
    Job,
    CronJob,
    JobSet,
    WorkflowTemplate,
    ClusterWorkflowTemplate,
    CronWorkflow,
    Workflow,
}

impl Kind {
    pub(crate) const ALL: [Kind; 8] = [
        Kind::Pod,
        Kind::Job,
        Kind::CronJob,
        Kind::JobSet,
        Kind::WorkflowTemplate,
        Kind::ClusterWorkflowTemplate,
        Kind::CronWorkflow,
        Kind::Workflow,
    ];

    pub(crate) fn gvk(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Kind::Pod => ("", "v1", "Pod"),
            Kind::Job => ("batch", "v1", "Job"),
            Kind::CronJob => ("batch", "v1", "CronJob"),
            Kind::JobSet => ("jobset.x-k8s.io", "v1alpha2", "JobSet"),
            Kind::WorkflowTemplate => ("argoproj.io", "v1alpha1", "WorkflowTemplate"),
            Kind::ClusterWorkflowTemplate => ("argoproj.io", "v1alpha1", "ClusterWorkflowTemplate"),
            Kind::CronWorkflow => ("argoproj.io", "v1alpha1", "CronWorkflow"),
            Kind::Workflow => ("argoproj.io", "v1alpha1", "Workflow"),
        }
    }

    pub(crate) fn plural(self) -> String {
        format!("{}s", self.gvk().2.to_lowercase())
    }

    pub(crate) fn is_argos(self) -> bool {
        self.gvk().0 == "argoproj.io"
    }

    /// The kind of template that a spec refers to.
    pub(crate) fn referred(cluster_scope: bool) -> Self {
        if cluster_scope {
            Kind::ClusterWorkflowTemplate
        } else {
            Kind::WorkflowTemplate
        }
    }

    /// Whether its pods run as whoever changed it last.
    pub(crate) fn belongs_to_last_writer(self) -> bool {
        matches!(self, Kind::WorkflowTemplate | Kind::ClusterWorkflowTemplate)
    }
}

/// A pod template, or the pod itself, that a person writes; the bits of `shape` select variants.
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
            orphans::with_labels(pod, shape)
        }
        Kind::Job => {
            let spec = json!({"template": template(person, shape), "suspend": false});
            orphans::with_selector(json!({"metadata": metadata, "spec": spec}), shape)
        }
        Kind::CronJob => {
            let job = json!({"spec": {"template": template(person, shape)}});
            json!({"metadata": metadata, "spec": {"jobTemplate": job, "suspend": false}})
        }
        Kind::JobSet => {
            let job = json!({"spec": {"template": template(person, shape)}});
            json!({"metadata": metadata, "spec": {"replicatedJobs": [{"template": job}], "suspend": false}})
        }
        argos => argo::new(argos, person, shape),
    }
}

/// The owner reference that an object's controller writes.
pub(crate) fn owner(kind: Kind, parent: &Value) -> Value {
    let (group, version, name) = kind.gvk();
    json!([{"apiVersion": format!("{group}/{version}"), "kind": name, "name": parent["metadata"]["name"],
        "uid": parent["metadata"]["uid"], "controller": true}])
}

/// Whether an object's controller is of a kind that the webhook knows, not only of one with the same name.
pub(crate) fn has_a_parent(object: &Value) -> bool {
    let owner = &object["metadata"]["ownerReferences"][0];
    Kind::ALL.iter().any(|kind| {
        let (group, _, name) = kind.gvk();
        let of_group = owner["apiVersion"].as_str().unwrap_or_default();
        owner["kind"] == name && of_group.split_once('/').map_or("", |(group, _)| group) == group
    })
}

/// What the controller of a kind creates from an object, and who that controller is. `number` has not been used before.
pub(crate) fn child(
    kind: Kind,
    parent: &Value,
    number: usize,
) -> Option<(Kind, Value, &'static str)> {
    match kind {
        Kind::Pod | Kind::WorkflowTemplate | Kind::ClusterWorkflowTemplate => None,
        Kind::Workflow => Some((
            Kind::Pod,
            argo::pod(parent, &runs(kind, parent)),
            argo::CONTROLLER,
        )),
        Kind::CronWorkflow => Some((
            Kind::Workflow,
            argo::scheduled_workflow(parent, number),
            argo::CONTROLLER,
        )),
        Kind::Job => {
            let mut pod = parent["spec"]["template"].clone();
            pod["metadata"]["generateName"] = json!("p-");
            pod["metadata"]["ownerReferences"] = owner(kind, parent);
            orphans::label(&mut pod, parent);
            let controller = "system:serviceaccount:kube-system:job-controller";
            Some((Kind::Pod, pod, controller))
        }
        Kind::CronJob | Kind::JobSet => {
            let controller = if kind == Kind::CronJob {
                "system:serviceaccount:kube-system:cronjob-controller"
            } else {
                JOB_SET_CONTROLLER
            };
            let mut metadata = json!({"generateName": "j-", "annotations": {}});
            metadata["ownerReferences"] = owner(kind, parent);
            let mut template = runs(kind, parent);
            if kind == Kind::JobSet {
                template["metadata"]["labels"]["jobset.sigs.k8s.io/jobset-name"] = json!("js");
            }
            let job =
                json!({"metadata": metadata, "spec": {"template": template, "suspend": false}});
            Some((Kind::Job, job, controller))
        }
    }
}

/// The object after a change; nothing, if the API server allows no change of its kind.
pub(crate) fn edited(kind: Kind, old: &Value, person: &str, edit: u8) -> Option<Value> {
    let mut new = old.clone();
    match (kind, edit % 4) {
        (Kind::Pod, _) => return None,
        (_, 0) => new["metadata"]["annotations"]["namesake.dev/stamp"] = json!("v2.k1.e.e30.AAAA"),
        (_, 1) => new["spec"]["suspend"] = json!(edit & 4 != 0),
        (Kind::CronJob | Kind::JobSet, 2) => {
            let template = new.pointer_mut(template_of(kind))?;
            template["spec"]["containers"][0]["image"] = json!(format!("{edit}-of-{person}"));
        }
        (Kind::Job, 2) => {
            new["spec"]["template"]["metadata"]["annotations"]["inject"] = json!(person);
        }
        (argos, 2) => argo::edited(argos, &mut new, person, edit),
        (_, _) => new["metadata"]["labels"] = json!({"edited-by": person}),
    }
    Some(new)
}

/// What an object runs.
pub(crate) fn runs(kind: Kind, object: &Value) -> Value {
    if kind.is_argos() {
        return argo::runs(kind, object);
    }
    object.pointer(template_of(kind)).unwrap().clone()
}

fn template_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Job => "/spec/template",
        Kind::CronJob => "/spec/jobTemplate/spec/template",
        Kind::JobSet => "/spec/replicatedJobs/0/template/spec/template",
        _ => "/spec",
    }
}

/// The watch of the webhook reports an object.
pub(crate) fn watch_reports(state: &State, kind: Kind, object: &Value) {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str);
    let (group, _, name) = kind.gvk();
    let name = format!("{group}/{name}");
    let mut kinds = namesake_webhook::decide::kinds::parents();
    let Some((kind, _)) = kinds.find(|(k, _)| k.name == name && k.scope == Scope::Namespaced)
    else {
        return;
    };
    let parent = KnownParent {
        kind: kind.name,
        name: text("/metadata/name").unwrap_or_default().into(),
        generate_name: text("/metadata/generateName").map(Into::into),
        created: text("/metadata/creationTimestamp")
            .unwrap_or_default()
            .parse::<Timestamp>()
            .unwrap()
            .as_second(),
        stamp: text("/metadata/annotations/namesake.dev~1stamp").map(Into::into),
        runs: (kind.name == "batch/Job").then(|| {
            let template = &object["spec"]["template"];
            digest_of_job_template(&Json::deserialize(template).unwrap())
        }),
        is_child: false,
        has_ended: false,
    };
    let uid = text("/metadata/uid").unwrap_or_default();
    state.parents.apply("research", uid, parent);
}
