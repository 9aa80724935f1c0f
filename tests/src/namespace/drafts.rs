//! Objects as people and Metaflow write them, before the API server has seen them:
//! `metaflow_job().flow("HelloFlow").step("train")`.

use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A Job that stock Metaflow created (`run --with kubernetes`), as read from a real API server.
const RUN_JOB: &str = include_str!("../../fixtures/run-job.json");
/// What the API server, and not the client, wrote into it.
const SERVER_SIDE: [&str; 7] = [
    "/metadata/creationTimestamp",
    "/metadata/generation",
    "/metadata/name",
    "/metadata/namespace",
    "/metadata/uid",
    "/metadata/resourceVersion",
    "/spec/selector",
];

/// A Job or Pod to be created.
#[derive(Debug, Clone)]
pub struct Draft {
    value: Value,
    /// JSON pointer to the pod or pod template: empty for a pod, `/spec/template` for a Job.
    pod: &'static str,
}

/// The Job of one Metaflow task.
#[must_use]
pub fn metaflow_job() -> Draft {
    let mut value: Value = serde_json::from_str(RUN_JOB).unwrap_or_default();
    for path in SERVER_SIDE {
        remove(&mut value, path);
    }
    remove(&mut value, "/status");
    remove(&mut value, "/spec/template/metadata/namespace");
    if let Some(labels) = value
        .pointer_mut("/spec/template/metadata/labels")
        .and_then(Value::as_object_mut)
    {
        labels.retain(|key, _| !key.contains("controller-uid") && !key.contains("job-name"));
    }
    Draft {
        value,
        pod: "/spec/template",
    }
}

/// The pod of one Metaflow task without a Job: the Job's template.
#[must_use]
pub fn metaflow_pod() -> Draft {
    let template = metaflow_job().value["spec"]["template"].take();
    let mut draft = pod();
    draft.value["metadata"]["labels"] = template["metadata"]["labels"].clone();
    draft.value["metadata"]["annotations"] = template["metadata"]["annotations"].clone();
    draft.value["spec"] = template["spec"].clone();
    draft
}

/// A pod that has nothing to do with Metaflow, and names no service account.
#[must_use]
pub fn pod() -> Draft {
    let value = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "bare-"},
        "spec": {"containers": [{"name": "main", "image": "busybox"}]},
    });
    Draft { value, pod: "" }
}

impl Draft {
    /// The flow, as Metaflow annotates it.
    #[must_use]
    pub fn flow(self, flow: &str) -> Self {
        self.annotated("metaflow/flow_name", flow)
    }

    /// The step, as Metaflow annotates it.
    #[must_use]
    pub fn step(self, step: &str) -> Self {
        self.annotated("metaflow/step_name", step)
    }

    /// Claims to belong to a user, wherever a client can: in the annotation and the environment variable.
    #[must_use]
    pub fn claiming_user(mut self, user: &str) -> Self {
        self = self.annotated("metaflow/user", user);
        let env = format!("{}/spec/containers/0/env", self.pod);
        let variables = self.value.pointer_mut(&env).and_then(Value::as_array_mut);
        for variable in variables.into_iter().flatten() {
            if variable["name"] == "METAFLOW_USER" {
                variable["value"] = json!(user);
            }
        }
        self
    }

    /// An annotation on the object and on its pods.
    #[must_use]
    pub fn annotated(mut self, key: &str, value: &str) -> Self {
        self.value["metadata"]["annotations"][key] = json!(value);
        self.pod_metadata("annotations", key, value);
        self
    }

    /// A label on the object and on its pods.
    #[must_use]
    pub fn labelled(mut self, key: &str, value: &str) -> Self {
        self.value["metadata"]["labels"][key] = json!(value);
        self.pod_metadata("labels", key, value);
        self
    }

    /// Without labels and annotations.
    #[must_use]
    pub fn without_metadata(mut self) -> Self {
        for key in ["labels", "annotations"] {
            remove(&mut self.value, &format!("/metadata/{key}"));
            remove(&mut self.value, &format!("{}/metadata/{key}", self.pod));
        }
        self
    }

    /// A fixed name, or a prefix when it ends with `-`.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        let (set, unset) = if name.ends_with('-') {
            ("generateName", "/metadata/name")
        } else {
            ("name", "/metadata/generateName")
        };
        remove(&mut self.value, unset);
        self.value["metadata"][set] = json!(name);
        self
    }

    /// The service account that its pods name.
    #[must_use]
    pub fn running_as(self, account: &str) -> Self {
        self.without_account()
            .pod_field("serviceAccountName", json!(account))
    }

    /// The service account that its pods name, in the deprecated field only.
    #[must_use]
    pub fn running_as_deprecated(self, account: &str) -> Self {
        self.without_account()
            .pod_field("serviceAccount", json!(account))
    }

    /// Its pods name no service account.
    #[must_use]
    pub fn without_account(mut self) -> Self {
        for field in ["serviceAccountName", "serviceAccount"] {
            remove(&mut self.value, &format!("{}/spec/{field}", self.pod));
        }
        self
    }

    /// A field of its pods' spec.
    #[must_use]
    pub fn pod_field(mut self, field: &str, value: Value) -> Self {
        if let Some(spec) = self.value.pointer_mut(&format!("{}/spec", self.pod)) {
            spec[field] = value;
        }
        self
    }

    /// A suspended Job: its pods are created when somebody sets `suspend` to false.
    #[must_use]
    pub fn suspended(mut self) -> Self {
        self.value["spec"]["suspend"] = json!(true);
        self
    }

    /// A Job with several pods at once.
    #[must_use]
    pub fn pods(mut self, count: u32) -> Self {
        self.value["spec"]["parallelism"] = json!(count);
        self.value["spec"]["completions"] = json!(count);
        self
    }

    /// With an owner reference to a controller.
    #[must_use]
    pub fn owned_by(mut self, api_version: &str, kind: &str, name: &str, uid: &str) -> Self {
        self.value["metadata"]["ownerReferences"] = json!([{
            "apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": true, "blockOwnerDeletion": true,
        }]);
        self
    }

    /// The object as JSON.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.value
    }

    #[expect(
        clippy::expect_used,
        reason = "an invalid draft is a mistake in a test"
    )]
    fn typed<K: DeserializeOwned>(self) -> K {
        serde_json::from_value(self.value).expect("a draft is a valid object")
    }

    fn pod_metadata(&mut self, of: &str, key: &str, value: &str) {
        let path = format!("{}/metadata", self.pod);
        if let Some(metadata) = self.value.pointer_mut(&path) {
            metadata[of][key] = json!(value);
        }
    }
}

impl From<Draft> for Job {
    fn from(draft: Draft) -> Self {
        draft.typed()
    }
}

impl From<Draft> for Pod {
    fn from(draft: Draft) -> Self {
        draft.typed()
    }
}

fn remove(value: &mut Value, path: &str) {
    let Some((parent, key)) = path.rsplit_once('/') else {
        return;
    };
    if let Some(object) = value.pointer_mut(parent).and_then(Value::as_object_mut) {
        object.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metaflow_job_has_what_the_client_sent_and_nothing_from_the_server() {
        let job = metaflow_job()
            .flow("F")
            .step("s")
            .claiming_user("bob")
            .into_value();
        assert_eq!(job["metadata"]["generateName"], "t-b2bdfea8-");
        assert_eq!(job["metadata"]["uid"], Value::Null);
        assert_eq!(
            job["spec"]["template"]["metadata"]["annotations"]["metaflow/step_name"],
            "s"
        );
        let template = &job["spec"]["template"];
        for metadata in [&job["metadata"], &template["metadata"]] {
            assert_eq!(metadata["annotations"]["metaflow/user"], "bob");
        }
        let environment = template["spec"]["containers"][0]["env"].as_array();
        let user = environment
            .into_iter()
            .flatten()
            .find(|variable| variable["name"] == "METAFLOW_USER");
        assert_eq!(user.unwrap()["value"], "bob");
        assert!(!job.to_string().contains("controller-uid"), "{job}");
        let _: Job = metaflow_job().into();
        let _: Pod = metaflow_pod().running_as_deprecated("x").into();
    }
}
