//! Others may only stop a Workflow or a CronWorkflow. Neither has a status subresource, so whoever may update a Workflow can also
//! write what determines its next pods: spec, status, and the labels and annotations that Argo obeys.

use namesake_core::Json;

use crate::decide::kinds::Parts;
use crate::decide::kinds::stopping::{DEADLINE, SUSPEND, Stop, first_change, is_lower, is_stop};

const SHUTDOWN: Stop = Stop {
    member: "shutdown",
    stops: |_, new| matches!(new.non_empty_str(), Some("Stop" | "Terminate")),
};
const PARALLELISM: Stop = Stop {
    member: "parallelism",
    stops: |old, new| is_lower(old, new, i64::MAX),
};
const SUSPEND_OR_RESUME: Stop = Stop {
    member: "suspend",
    stops: |_, new| !matches!(new, Json::String(_)),
};

/// Changes of the spec by which anybody may stop it.
pub const STOPS: &[Stop] = &[SUSPEND, DEADLINE, SHUTDOWN, PARALLELISM];

/// Stopping, suspending and resuming: for whoever started it, while it runs as its deployer.
pub const STOPS_AND_RESUMES: &[Stop] = &[SUSPEND_OR_RESUME, DEADLINE, SHUTDOWN, PARALLELISM];

/// Labels in which Argo's own tools record who did something; nothing depends on them.
const INFORMATIVE: &[&str] = &[
    "workflows.argoproj.io/action",
    "workflows.argoproj.io/actor",
    "workflows.argoproj.io/actor-email",
    "workflows.argoproj.io/actor-preferred-username",
];

/// The first change that goes beyond stopping the object.
#[must_use]
pub fn beyond(old: &Parts<'_>, new: &Parts<'_>, stops: &[Stop]) -> Option<String> {
    let obeyed = |old, new| {
        first_change(old, new, |key, old, new| {
            say_nothing(old, new) || !is_obeyed(key)
        })
    };
    let spec = first_change(&old.spec, &new.spec, |member, old, new| {
        say_nothing(old, new) || is_stop(stops, member, old, new)
    });
    let status = || {
        first_change(&old.status, &new.status, |_, old, new| {
            say_nothing(old, new)
        })
    };
    let labels = || obeyed(&old.metadata.labels, &new.metadata.labels);
    let annotations = || obeyed(&old.metadata.annotations, &new.metadata.annotations);
    let spec = spec.map(|name| format!("spec.{name}"));
    spec.or_else(|| status().map(|name| format!("status.{name}")))
        .or_else(|| labels().map(|key| format!("metadata.labels[{key}]")))
        .or_else(|| annotations().map(|key| format!("metadata.annotations[{key}]")))
}

/// Whether two values are both empty: an empty value means the same as no value.
#[must_use]
pub fn say_nothing(old: &Json<'_>, new: &Json<'_>) -> bool {
    old.is_empty() && new.is_empty()
}

/// Whether Argo obeys a label or annotation with this key.
#[must_use]
pub fn is_obeyed(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    let is_argos = domain == "argoproj.io" || domain.ends_with(".argoproj.io");
    is_argos && !INFORMATIVE.contains(&key)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn running() -> Value {
        json!({
            "metadata": {"labels": {"team": "ml", "workflows.argoproj.io/phase": "Running"}, "annotations": {}},
            "spec": {"workflowTemplateRef": {"name": "flow"}, "arguments": {}},
            "status": {"phase": "Running", "storedWorkflowTemplateSpec": {"entrypoint": "Flow"}, "nodes": {"n": {"phase": "Running"}}},
        })
    }

    const STORED: &str = "/status/storedWorkflowTemplateSpec";

    fn beyond_by(pointer: &str, value: Value, stops: &[Stop]) -> Option<String> {
        let (old, mut new) = (running(), running());
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let name = name.replace("~1", "/");
        new.pointer_mut(parent).unwrap()[name] = value;
        let (old, new) = (old.to_string(), new.to_string());
        beyond(
            &serde_json::from_str(&old).unwrap(),
            &serde_json::from_str(&new).unwrap(),
            stops,
        )
    }

    #[test]
    fn anybody_may_stop_it_and_record_who_did() {
        for (name, value) in [
            ("suspend", json!(true)),
            ("shutdown", json!("Stop")),
            ("shutdown", json!("Terminate")),
            ("activeDeadlineSeconds", json!(0)),
            ("parallelism", json!(1)),
            ("hooks", json!({})),
        ] {
            assert_eq!(
                beyond_by(&format!("/spec/{name}"), value.clone(), STOPS),
                None,
                "{name} {value}"
            );
        }
        for key in [
            "team",
            "workflows.argoproj.io/actor",
            "workflows.argoproj.io/action",
        ] {
            assert_eq!(
                beyond_by(
                    &format!("/metadata/labels/{}", key.replace('/', "~1")),
                    json!("bob"),
                    STOPS
                ),
                None,
                "{key}"
            );
        }
        assert_eq!(
            beyond_by("/metadata/annotations/note", json!("x"), STOPS),
            None
        );
    }

    #[test]
    fn others_may_change_nothing_else() {
        for (pointer, value, member) in [
            ("/spec/suspend", json!(false), "spec.suspend"),
            ("/spec/shutdown", json!("x"), "spec.shutdown"),
            ("/spec/parallelism", json!("1"), "spec.parallelism"),
            (
                "/spec/serviceAccountName",
                json!("x"),
                "spec.serviceAccountName",
            ),
            (
                "/spec/arguments",
                json!({"parameters": [{"name": "a"}]}),
                "spec.arguments",
            ),
            (
                STORED,
                json!({"entrypoint": "evil"}),
                "status.storedWorkflowTemplateSpec",
            ),
            (
                "/status/storedTemplates",
                json!({"x": {"a": "b"}}),
                "status.storedTemplates",
            ),
            (
                "/status/nodes/n",
                json!({"phase": "Succeeded"}),
                "status.nodes",
            ),
            (
                "/status/nodes/n/outputs",
                json!({"result": "$(id)"}),
                "status.nodes",
            ),
            ("/status/phase", json!("Failed"), "status.phase"),
        ] {
            assert_eq!(beyond_by(pointer, value, STOPS).as_deref(), Some(member));
        }
        for pointer in ["/metadata/labels", "/metadata/annotations"] {
            for key in ["phase", "completed", "pod-name-format"] {
                let key = format!("workflows.argoproj.io~1{key}");
                let member = beyond_by(&format!("{pointer}/{key}"), json!("x"), STOPS);
                let shown = format!(
                    "{}[{}]",
                    &pointer[1..].replace('/', "."),
                    key.replace("~1", "/")
                );
                assert_eq!(member, Some(shown));
            }
        }
    }

    #[test]
    fn the_starter_of_a_run_of_its_deployer_may_also_resume_it() {
        let may = |name: &str, value| beyond_by(&format!("/spec/{name}"), value, STOPS_AND_RESUMES);
        assert_eq!(may("suspend", json!(false)), None);
        assert_eq!(may("suspend", json!(true)), None);
        assert_eq!(may("suspend", json!("x")).as_deref(), Some("spec.suspend"));
        assert_eq!(
            may("podMetadata", json!({"labels": {"a": "b"}})).as_deref(),
            Some("spec.podMetadata")
        );
    }

    #[test]
    fn a_change_between_values_that_are_not_objects_is_a_change() {
        let read = |text| serde_json::from_str::<Parts<'_>>(text).unwrap();
        let changed = |old, new| beyond(&read(old), &read(new), STOPS);
        assert_eq!(
            changed(r#"{"spec":"a"}"#, r#"{"spec":"b"}"#).as_deref(),
            Some("spec.itself")
        );
        assert_eq!(
            changed(r#"{"status":[1]}"#, r#"{"status":null}"#).as_deref(),
            Some("status.itself")
        );
        assert_eq!(changed(r#"{"spec":null}"#, r#"{}"#), None);
    }
}
