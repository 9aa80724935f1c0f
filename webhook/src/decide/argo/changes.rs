//! What somebody else may do to a Workflow or a CronWorkflow: stop it. There is no status subresource, so whoever may
//! update a Workflow writes what its next pods will be: spec, status, and the labels and annotations that Argo obeys.

use namesake_core::Json;

use crate::decide::kinds::Parts;

/// How far somebody's changes may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum May {
    /// Stop it, or make it stop sooner.
    Stop,
    /// Also suspend it and let it go on: whoever started it, while it runs as its deployer.
    Suspend,
}

/// Labels in which Argo's own tools say who did something; nothing obeys them.
const SAID: &[&str] = &[
    "workflows.argoproj.io/action",
    "workflows.argoproj.io/actor",
    "workflows.argoproj.io/actor-email",
    "workflows.argoproj.io/actor-preferred-username",
];

/// The first member that differs by more than somebody may change.
#[must_use]
pub fn beyond(old: &Parts<'_>, new: &Parts<'_>, may: May) -> Option<String> {
    let marks = || {
        let labels = obeyed(&old.metadata.labels, &new.metadata.labels)
            .map(|key| format!("metadata.labels[{key}]"));
        let annotations = || obeyed(&old.metadata.annotations, &new.metadata.annotations);
        labels.or_else(|| annotations().map(|key| format!("metadata.annotations[{key}]")))
    };
    let spec = differing(&old.spec, &new.spec, |name, old, new| {
        !stops(may, name, old, new)
    });
    let spec = spec.map(|name| format!("spec.{name}"));
    let status =
        || differing(&old.status, &new.status, |_, _, _| true).map(|name| format!("status.{name}"));
    spec.or_else(status).or_else(marks)
}

fn stops(may: May, name: &str, old: &Json<'_>, new: &Json<'_>) -> bool {
    let lower = |unset: i64| {
        let old = if *old == Json::Null {
            Some(unset)
        } else {
            old.as_i64()
        };
        matches!((old, new.as_i64()), (Some(old), Some(new)) if new < old)
    };
    match name {
        "suspend" => {
            *new == Json::Bool(true) || (may == May::Suspend && !matches!(new, Json::String(_)))
        }
        "shutdown" => matches!(new.non_empty_str(), Some("Stop" | "Terminate")),
        "activeDeadlineSeconds" | "parallelism" => lower(i64::MAX),
        _ => false,
    }
}

// The first label or annotation of Argo's that differs.
fn obeyed(old: &Json<'_>, new: &Json<'_>) -> Option<String> {
    differing(old, new, |key, old, new| !is_said(key, old, new))
}

/// Whether a label or annotation, which differs, is nothing that Argo obeys.
#[must_use]
pub fn is_said(key: &str, _: &Json<'_>, _: &Json<'_>) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    let is_argos = domain == "argoproj.io" || domain.ends_with(".argoproj.io");
    !is_argos || SAID.contains(&key)
}

// The first member that differs and counts; what says nothing is as good as not there.
fn differing(
    old: &Json<'_>,
    new: &Json<'_>,
    counts: impl Fn(&str, &Json<'_>, &Json<'_>) -> bool,
) -> Option<String> {
    if old.members().is_empty()
        && new.members().is_empty()
        && old != new
        && !(old.is_empty() && new.is_empty())
    {
        return Some("itself".to_owned());
    }
    let names = old
        .members()
        .iter()
        .chain(new.members())
        .map(|(name, _)| name.as_str());
    let mut changed = names.filter(|name| {
        let (old, new) = (old.get(name), new.get(name));
        old != new && !(old.is_empty() && new.is_empty()) && counts(name, old, new)
    });
    changed.next().map(str::to_owned)
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

    fn beyond_by(pointer: &str, value: Value, may: May) -> Option<String> {
        let (old, mut new) = (running(), running());
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let name = name.replace("~1", "/");
        new.pointer_mut(parent).unwrap()[name] = value;
        let (old, new) = (old.to_string(), new.to_string());
        beyond(
            &serde_json::from_str(&old).unwrap(),
            &serde_json::from_str(&new).unwrap(),
            may,
        )
    }

    #[test]
    fn anybody_may_stop_it_and_say_so() {
        for (name, value) in [
            ("suspend", json!(true)),
            ("shutdown", json!("Stop")),
            ("shutdown", json!("Terminate")),
            ("activeDeadlineSeconds", json!(0)),
            ("parallelism", json!(1)),
            ("hooks", json!({})),
        ] {
            assert_eq!(
                beyond_by(&format!("/spec/{name}"), value.clone(), May::Stop),
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
                    May::Stop
                ),
                None,
                "{key}"
            );
        }
        assert_eq!(
            beyond_by("/metadata/annotations/note", json!("x"), May::Stop),
            None
        );
    }

    #[test]
    fn nothing_else_is_for_others() {
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
            assert_eq!(
                beyond_by(pointer, value, May::Stop).as_deref(),
                Some(member)
            );
        }
        for pointer in ["/metadata/labels", "/metadata/annotations"] {
            for key in ["phase", "completed", "pod-name-format"] {
                let key = format!("workflows.argoproj.io~1{key}");
                let member = beyond_by(&format!("{pointer}/{key}"), json!("x"), May::Stop);
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
    fn who_started_a_run_of_its_deployer_may_also_let_it_go_on_and_nothing_more() {
        let may = |name: &str, value| beyond_by(&format!("/spec/{name}"), value, May::Suspend);
        assert_eq!(may("suspend", json!(false)), None);
        assert_eq!(may("suspend", json!(true)), None);
        assert_eq!(may("suspend", json!("x")).as_deref(), Some("spec.suspend"));
        assert_eq!(
            may("podMetadata", json!({"labels": {"a": "b"}})).as_deref(),
            Some("spec.podMetadata")
        );
    }

    #[test]
    fn parts_of_the_wrong_kind_are_a_change() {
        let read = |text| serde_json::from_str::<Parts<'_>>(text).unwrap();
        let changed = |old, new| beyond(&read(old), &read(new), May::Stop);
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
