//! Steps whose exit code a test sets in a ConfigMap.

use k8s_openapi::{
    api::core::v1::{ConfigMap, Pod},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde_json::{Value, json};

/// The exit code of the container `main` of a pod, if it has ended.
pub(super) fn main_ended(pod: &Pod) -> Option<i32> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let main = statuses.iter().find(|it| it.name == "main")?;
    Some(main.state.as_ref()?.terminated.as_ref()?.exit_code)
}

/// A ConfigMap with the exit code of a step, which the test creates while the step waits or between two attempts.
pub(super) fn exit_code_map(code: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some("outside".to_owned()),
            ..ObjectMeta::default()
        },
        data: Some([("code".to_owned(), code.to_owned())].into()),
        ..ConfigMap::default()
    }
}

/// The environment of a container that starts only when [`exit_code_map`] exists.
pub(super) fn env_from_exit_code_map() -> Value {
    json!([{"name": "CODE", "valueFrom": {"configMapKeyRef": {"name": "outside", "key": "code"}}}])
}
