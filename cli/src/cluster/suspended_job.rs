//! A Job by which the webhook is asked something.

use k8s_openapi::api::batch::v1::Job;
use serde_json::json;

/// A Job that never creates a pod; its name begins with `prefix`.
pub(crate) fn suspended_job(prefix: &str) -> Job {
    let container = json!({"name": "main", "image": "none", "command": ["true"]});
    let job = json!({
        "metadata": {"generateName": prefix},
        "spec": {
            "suspend": true,
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        },
    });
    serde_json::from_value(job).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_job_is_suspended() {
        let job = suspended_job("namesake-warm-");
        assert_eq!(
            job.metadata.generate_name.as_deref(),
            Some("namesake-warm-")
        );
        assert_eq!(job.spec.and_then(|spec| spec.suspend), Some(true));
    }
}
