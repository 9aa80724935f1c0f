//! Copies parts of another user's object onto one's own, so that it looks like that object.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::kinds::Kind;
use super::namespace::{ADOPT_FOR, Namespace, PEOPLE};
use super::orphans;
use crate::cases::name_of;

/// The keys of the webhook, and the claim of a user.
const COPIED: [&str; 5] = [
    "namesake.dev/stamp",
    "namesake.dev/resolution",
    "namesake.dev/user",
    "metaflow/user",
    ADOPT_FOR,
];
/// Where an object says which containers its pods have.
const CONTAINERS: [&str; 4] = [
    "/spec/containers",
    "/spec/template/spec/containers",
    "/spec/jobTemplate/spec/template/spec/containers",
    "/spec/replicatedJobs/0/template/spec/template/spec/containers",
];
/// Argo's keys on pods: their Workflow, their node, whether they have completed, and the command that stops them.
pub(super) const WORKFLOW: &str = "workflows.argoproj.io/workflow";
pub(super) const NODE_ID: &str = "workflows.argoproj.io/node-id";
pub(super) const NODE_NAME: &str = "workflows.argoproj.io/node-name";
const COMPLETED: &str = "workflows.argoproj.io/completed";
const KILL: &str = "workflows.argoproj.io/kill-cmd-main";

const ARGOS: &str = "workflows.argoproj.io/";
/// A parameter of a Workflow with that value.
const PARAMETER: &str = "{{workflow.parameters.argos}}";

/// The object that another one imitates.
#[derive(Clone, Copy, Debug)]
pub(super) struct Like {
    pub(super) object: usize,
    /// Bits: which of Argo's keys are written onto its pods, naming the object, if that is a Workflow; whether the containers are
    /// the object's (32), whether Argo renders the keys (64), and whether one template only has them (128).
    pub(super) keys: u8,
}

pub(super) fn like(object: impl Strategy<Value = usize>) -> impl Strategy<Value = Like> {
    let keys = prop_oneof![2 => Just(0), 1 => any::<u8>()];
    (object, keys).prop_map(|(object, keys)| Like { object, keys })
}

/// The metadata that an object gives to its pods: to all of them, or to those of one template of Argo.
fn metadata_of_pods(kind: Kind, object: &mut Value, of_a_template: bool) -> Option<&mut Value> {
    let spec = match kind {
        Kind::Pod => return Some(&mut object["metadata"]),
        Kind::Job => return Some(&mut object["spec"]["template"]["metadata"]),
        Kind::CronJob => {
            return object.pointer_mut("/spec/jobTemplate/spec/template/metadata");
        }
        Kind::JobSet => {
            return object.pointer_mut("/spec/replicatedJobs/0/template/spec/template/metadata");
        }
        Kind::CronWorkflow => &mut object["spec"]["workflowSpec"],
        Kind::Workflow | Kind::WorkflowTemplate | Kind::ClusterWorkflowTemplate => {
            &mut object["spec"]
        }
    };
    if of_a_template {
        return spec.pointer_mut("/templates/0/metadata");
    }
    Some(&mut spec["podMetadata"])
}

/// Writes some of Argo's keys onto the pods of an object, naming a Workflow: as they are, or as Argo renders them.
fn write_argos(kind: Kind, object: &mut Value, workflow: &Value, keys: u8) {
    let name = &workflow["metadata"]["name"];
    let is_rendered = kind.is_argos() && keys & 64 != 0;
    let of_a_template = keys & 128 != 0;
    let Some(metadata) = metadata_of_pods(kind, object, of_a_template) else {
        return;
    };
    let all = [
        ("labels", WORKFLOW, name.clone()),
        ("annotations", NODE_ID, name.clone()),
        ("annotations", NODE_NAME, name.clone()),
        ("labels", COMPLETED, json!("true")),
        ("annotations", KILL, json!("[\"sh\"]")),
    ];
    let all = all.into_iter().enumerate();
    for (_, (map, key, value)) in all.filter(|(bit, _)| keys & (1 << bit) != 0) {
        if is_rendered {
            metadata[map][key.replace(ARGOS, PARAMETER)] = value;
        } else {
            metadata[map][key] = value;
        }
    }
}

/// Metadata as Argo renders it.
pub(super) fn rendered(metadata: &Value) -> Value {
    let text = metadata.to_string().replace(PARAMETER, ARGOS);
    serde_json::from_str(&text).unwrap()
}

impl Namespace {
    pub(super) fn imitate(&self, kind: Kind, object: &mut Value, like: Option<Like>) {
        let Some((other, like)) = like.and_then(|like| Some((self.at(like.object)?, like))) else {
            return;
        };
        let (of, (other, _)) = (self.objects[other].kind, self.objects[other].last());
        for key in COPIED {
            let value = &other["metadata"]["annotations"][key];
            if value.is_string() {
                object["metadata"]["annotations"][key] = value.clone();
                // Argo copies these to the Workflows that it creates or runs.
                if kind.is_argos() && kind != Kind::Workflow {
                    object["spec"]["workflowMetadata"]["annotations"][key] = value.clone();
                }
            }
        }
        if like.keys & 32 != 0 {
            self.copy_containers(kind, object, &other);
        }
        if of == Kind::Workflow && like.keys & !32 != 0 {
            write_argos(kind, object, &other, like.keys);
        }
        orphans::imitate(kind, object, &other);
        let account = &other["spec"]["serviceAccountName"];
        if account.is_string() && object["spec"]["containers"].is_array() {
            object["spec"]["serviceAccountName"] = account.clone();
        }
    }

    // Copies the containers, but not what is around them.
    fn copy_containers(&self, kind: Kind, object: &mut Value, other: &Value) {
        let containers = CONTAINERS.iter().find_map(|path| other.pointer(path));
        let own = CONTAINERS
            .iter()
            .find(|path| object.pointer(path).is_some());
        let (Some(containers), Some(own)) = (containers, own) else {
            return;
        };
        if let Some(own) = object.pointer_mut(own) {
            *own = containers.clone();
        }
        if let Some(metadata) = metadata_of_pods(kind, object, false) {
            metadata["annotations"]["inject"] = json!(self.objects.len().to_string());
        }
    }

    /// Argo takes a pod for one of the Workflow that it runs for, and of no other.
    pub(super) fn assert_names_own_workflow(&self, pod: &Value) {
        let metadata = &pod["metadata"];
        let label = metadata["labels"][WORKFLOW].as_str();
        let nodes = [NODE_ID, NODE_NAME].map(|key| metadata["annotations"][key].as_str());
        assert!(
            metadata["annotations"][KILL].is_null(),
            "Argo would execute what somebody wrote on this pod: {pod}"
        );
        let owner = &metadata["ownerReferences"][0];
        let owner = self.objects.iter().find(|object| {
            object.kind == Kind::Workflow && object.last().0["metadata"]["uid"] == owner["uid"]
        });
        // Its user may name it as the owner of a pod that has none of Argo's keys.
        let is_named = label.is_some() || nodes != [None; 2];
        if let Some(owner) = owner.filter(|_| is_named) {
            let (owner, _) = owner.last();
            let own = owner["metadata"]["name"].as_str();
            assert_eq!(label, own, "a pod of another Workflow than it runs: {pod}");
            assert_eq!(nodes, [own; 2], "another node than it runs: {pod}");
            return;
        }
        assert_eq!(
            nodes, [None; 2],
            "claims to be a node, but belongs to no Workflow: {pod}"
        );
        let Some(label) = label else { return };
        let account = pod["spec"]["serviceAccountName"].as_str();
        let user = PEOPLE
            .into_iter()
            .find(|user| Some(name_of(user).as_str()) == account);
        let mut named = self.objects.iter().filter(|object| {
            object.is_there
                && object.kind == Kind::Workflow
                && object.last().0["metadata"]["name"] == label
        });
        let is_theirs =
            named.any(|workflow| user.is_some_and(|user| workflow.last().1.contains(user)));
        assert!(
            is_theirs,
            "a pod of {user:?} names the Workflow {label} of another: {pod}"
        );
    }
}
