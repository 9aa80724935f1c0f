//! Pods without a controller, and Jobs that adopt them: the job controller adopts every pod that its selector matches.

use namesake_webhook::admit::Webhook;
use serde_json::{Value, json};

use super::kinds::{Kind, owner};
use super::namespace::{Namespace, PEOPLE, review};
use super::stored::{Asked, Stored};
use crate::cases::{ask, name_of};

const JOB_CONTROLLER: &str = "system:serviceaccount:kube-system:job-controller";
/// The label by which Jobs with a selector of their own find pods.
pub(super) const GROUP: &str = "model.example/group";
/// The label by which Jobs find pods where the API server chooses the selector.
const UID: &str = "batch.kubernetes.io/controller-uid";

/// The selector of a Job, and with it the labels of its template, as the API server completes them.
pub(super) fn with_selector(mut job: Value, shape: u8) -> Value {
    if shape & 32 != 0 {
        let group = format!("g{}", shape >> 7);
        job["spec"]["manualSelector"] = json!(true);
        job["spec"]["selector"] = json!({"matchLabels": {GROUP: group}});
        job["spec"]["template"]["metadata"]["labels"][GROUP] = json!(group);
    }
    job
}

/// Labels of a pod by which some Job with a selector of its own may find it.
pub(super) fn with_labels(mut pod: Value, shape: u8) -> Value {
    if shape & 32 != 0 {
        pod["metadata"]["labels"][GROUP] = json!(format!("g{}", shape >> 7));
    }
    pod
}

/// Labels a pod, or changes the selector of a Job, so that the controller of another Job takes the pod for its own.
pub(super) fn imitate(kind: Kind, object: &mut Value, other: &Value) {
    let uid = &other["metadata"]["uid"];
    let selects = object["spec"]["manualSelector"] == true;
    match kind {
        Kind::Pod => object["metadata"]["labels"][UID] = uid.clone(),
        Kind::Job if selects => {
            object["spec"]["selector"] = json!({"matchLabels": {UID: uid}});
            object["spec"]["template"]["metadata"]["labels"][UID] = uid.clone();
        }
        _ => {}
    }
}

/// An owner reference that a person writes: to the object of another, with another API group, kind or name.
pub(super) fn forged_owner(kind: Kind, parent: &Value, disguise: u8) -> Value {
    let mut owner = owner(kind, parent);
    match disguise % 4 {
        0 => owner[0]["apiVersion"] = json!("example.com/v1"),
        1 => owner[0]["kind"] = json!("ReplicaSet"),
        2 => owner[0]["name"] = json!("another"),
        _ => {}
    }
    owner
}

fn labels_of_pods(job: &Value) -> Value {
    let mut labels = job["spec"]["template"]["metadata"]["labels"].clone();
    if job["spec"]["manualSelector"] != true {
        labels[UID] = job["metadata"]["uid"].clone();
    }
    labels
}

/// Sets the labels that the job controller sets on a pod of a Job.
pub(super) fn label(pod: &mut Value, job: &Value) {
    pod["metadata"]["labels"] = labels_of_pods(job);
}

// Whether the selector of a Job finds a pod.
fn finds(job: &Value, pod: &Value) -> bool {
    let own = json!({UID: job["metadata"]["uid"]});
    let selector = match job["spec"]["manualSelector"] == true {
        true => &job["spec"]["selector"]["matchLabels"],
        false => &own,
    };
    let mut wanted = selector.as_object().into_iter().flatten();
    wanted.all(|(key, value)| pod["metadata"]["labels"][key] == *value)
}

fn controller_of(pod: &Value) -> Option<&Value> {
    let owners = pod["metadata"]["ownerReferences"].as_array()?;
    owners.iter().find(|owner| owner["controller"] == true)
}

impl Namespace {
    /// A pod loses its owners: somebody removed them, or deleted its Job and left the pods.
    pub(super) fn orphan(&mut self, object: usize) {
        let Some(at) = self.at(object) else { return };
        if self.objects[at].kind != Kind::Pod {
            return;
        }
        let (mut pod, asked) = self.objects[at].last();
        pod["metadata"]["ownerReferences"] = json!([]);
        self.changes(at, pod, asked);
    }

    /// The controller of a Job looks for pods without a controller.
    pub(super) fn claim(&mut self, object: usize) {
        let Some(at) = self.at(object) else { return };
        // Adoption is not guarded while the namespace is opted out.
        if self.objects[at].kind != Kind::Job || self.is_opted_out {
            return;
        }
        let (job, asked) = self.objects[at].last();
        for pod in 0..self.objects.len() {
            let (old, by) = self.objects[pod].last();
            let is_there = self.objects[pod].kind == Kind::Pod && self.is_there(pod);
            if !is_there || controller_of(&old).is_some() || !finds(&job, &old) {
                continue;
            }
            let mut new = old.clone();
            new["metadata"]["ownerReferences"] = owner(Kind::Job, &job);
            if self.guard_admits(&new, &old) {
                self.adopted += 1;
                self.changes(pod, new.clone(), by);
                self.assert_counts_for_its_user(&new, &job, &asked);
            } else {
                self.not_adopted += 1;
            }
        }
    }

    fn guard_admits(&self, new: &Value, old: &Value) -> bool {
        let review = review(Kind::Pod, "UPDATE", (JOB_CONTROLLER, true), (new, old));
        let answer = ask(&self.state, Webhook::Guard, &review);
        self.runtime.block_on(answer)["allowed"] == true
    }

    /// The outcome of a pod counts for the Job that is its controller by UID, whatever else the owner reference says.
    pub(super) fn assert_counts_for_own_job(&self, pod: &Value) {
        let Some(controller) = controller_of(pod) else {
            return;
        };
        let is_its = |object: &&Stored| {
            object.kind == Kind::Job && object.last().0["metadata"]["uid"] == controller["uid"]
        };
        if let Some(job) = self.objects.iter().find(is_its) {
            let (job, asked) = job.last();
            self.assert_counts_for_its_user(pod, &job, &asked);
        }
    }

    fn assert_counts_for_its_user(&self, pod: &Value, job: &Value, asked: &Asked) {
        let account = pod["spec"]["serviceAccountName"].as_str();
        let user = PEOPLE
            .into_iter()
            .find(|user| Some(name_of(user).as_str()) == account);
        assert!(
            user.is_none_or(|user| asked.contains(user)),
            "a pod of {user:?} counts for a Job of {asked:?}: {pod}, {job}"
        );
    }
}
