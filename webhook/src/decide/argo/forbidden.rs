//! Ways in which a spec would let others than its author's containers act as the author.

use namesake_api::names::{
    ARGO_KILL_COMMAND_PREFIX, ARGO_NODE_ID_ANNOTATION, ARGO_NODE_NAME_ANNOTATION,
    ARGO_WORKFLOW_LABEL,
};
use namesake_core::Json;

use super::pods::{ArgoTemplate, templates};

/// One such way, found in a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forbidden {
    /// The member of the spec.
    pub member: String,
    /// Why it is forbidden, and what to do.
    pub why: &'static str,
}

const TEMPLATE_REF: &str = "other people's templates would run as you, and whoever may edit them could change your run: copy the \
                            template into this object";
const POD_SPEC_PATCH: &str = "it can add anything to the pod, also from parameters of whoever starts the run: write what it adds into the template";
const EXECUTOR: &str = "its token would be in the pod next to your own: remove it, the executor uses the pod's account";
const AGENT: &str = "one agent pod sends these requests for the whole Workflow, and gets no identity: send them from a container";
const PLUGINS: &str = "they run in an agent pod, which gets no identity: do it in a container";
const RESERVED: &str =
    "Argo finds the pods of a Workflow by it, or obeys it: remove it, the pods would be refused";
const ARTIFACT_GC: &str =
    "pods that collect artifacts have no proven requester and get no identity: remove its account";

/// The first of them in a spec.
#[must_use]
pub fn find(spec: &Json<'_>) -> Option<Forbidden> {
    let of_spec = || {
        let plugins = member(spec, "executorPlugins", PLUGINS);
        plugins.or_else(|| {
            inside(
                spec.get("artifactGC"),
                "artifactGC",
                "serviceAccountName",
                ARTIFACT_GC,
            )
        })
    };
    let of_templates = || templates(spec).into_iter().find_map(agent);
    let of_any = || {
        let found = anywhere(spec)?;
        let member = format!("spec{}", found.member);
        Some(Forbidden { member, ..found })
    };
    of_any()
        .or_else(of_spec)
        .or_else(of_templates)
        .or_else(|| reserved(spec))
}

// Keys that only Argo may write onto pods, where they are written out: those that come from parameters are seen on the pod only.
fn reserved(spec: &Json<'_>) -> Option<Forbidden> {
    let of_spec = [
        ("podMetadata", spec.get("podMetadata")),
        (
            "templateDefaults.metadata",
            spec.get("templateDefaults").get("metadata"),
        ),
        (
            "artifactGC.podMetadata",
            spec.get("artifactGC").get("podMetadata"),
        ),
    ];
    let found = of_spec.into_iter().find_map(|(at, metadata)| {
        let key = reserved_key(metadata)?;
        Some(format!("{key} in spec.{at}"))
    });
    let of_templates = || {
        templates(spec).into_iter().find_map(|template| {
            let key = reserved_key(template.itself.get("metadata"))?;
            Some(format!("{key} in metadata of template {}", template.name()))
        })
    };
    let member = found.or_else(of_templates)?;
    Some(Forbidden {
        member,
        why: RESERVED,
    })
}

fn reserved_key<'n>(metadata: &'n Json<'_>) -> Option<&'n str> {
    let maps = [metadata.get("labels"), metadata.get("annotations")];
    let mut keys = maps
        .into_iter()
        .flat_map(Json::members)
        .map(|(k, _)| k.as_str());
    keys.find(|key| {
        [
            ARGO_WORKFLOW_LABEL,
            ARGO_NODE_ID_ANNOTATION,
            ARGO_NODE_NAME_ANNOTATION,
        ]
        .contains(key)
            || key.starts_with(ARGO_KILL_COMMAND_PREFIX)
    })
}

fn agent(template: ArgoTemplate<'_, '_>) -> Option<Forbidden> {
    let name = template.name();
    let kinds = ["http", "plugin"];
    let kind = kinds
        .iter()
        .find(|kind| !matches!(named(template.itself, kind), Json::Null))?;
    Some(Forbidden {
        member: format!("{kind} of template {name}"),
        why: AGENT,
    })
}

fn member(node: &Json<'_>, name: &str, why: &'static str) -> Option<Forbidden> {
    let found = !named(node, name).is_empty();
    found.then(|| Forbidden {
        member: name.to_owned(),
        why,
    })
}

fn inside(node: &Json<'_>, path: &str, name: &str, why: &'static str) -> Option<Forbidden> {
    let found = member(node, name, why)?;
    Some(Forbidden {
        member: format!("{path}.{}", found.member),
        ..found
    })
}

// Argo decodes inline templates with Go's encoding/json, which accepts names in any case.
fn anywhere(node: &Json<'_>) -> Option<Forbidden> {
    let found = |name: &str, why| {
        let member = format!(".{name}");
        Some(Forbidden { member, why })
    };
    if let Some(found) = node.items().iter().find_map(anywhere) {
        return Some(found);
    }
    for (name, value) in node.members() {
        if is_same_name(name, "templateRef") && !value.members().is_empty() {
            return found(name, TEMPLATE_REF);
        }
        if is_same_name(name, "podSpecPatch") && value.non_empty_str().is_some() {
            return found(name, POD_SPEC_PATCH);
        }
        if is_same_name(name, "executor") && !named(value, "serviceAccountName").is_empty() {
            return found(&format!("{}.serviceAccountName", name.as_str()), EXECUTOR);
        }
        if let Some(inside) = anywhere(value) {
            return Some(Forbidden {
                member: step(node, name) + &inside.member,
                ..inside
            });
        }
    }
    None
}

// A path that a person can find: with the names of templates and steps, not their numbers.
fn step(node: &Json<'_>, name: &str) -> String {
    match node.get("name").non_empty_str() {
        Some(of) => format!("[{of}].{name}"),
        None => format!(".{name}"),
    }
}

fn named<'t, 'a>(node: &'t Json<'a>, name: &str) -> &'t Json<'a> {
    let found = node
        .members()
        .iter()
        .find(|(n, node)| is_same_name(n, name) && !matches!(node, Json::Null));
    found.map_or_else(|| node.get(name), |(_, node)| node)
}

// Whether Go's decoder takes one name for the other: in any case, and with the two letters outside ASCII that fold into it.
fn is_same_name(written: &str, name: &str) -> bool {
    if written.len() < name.len() {
        return false;
    }
    let folded = written.chars().map(|c| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    });
    folded.eq(name.chars().map(|c| c.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(spec: &str) -> Option<String> {
        find(&serde_json::from_str(spec).unwrap()).map(|found| found.member)
    }

    /// Each way by which a spec gets around admission, and the member that is named for it.
    const WAYS: &[(&str, &str)] = &[
        (r#"{"podSpecPatch":"{}"}"#, "spec.podSpecPatch"),
        (
            r#"{"templates":[{"name":"t","podSpecPatch":"{}"}]}"#,
            "spec.templates.podSpecPatch",
        ),
        (
            r#"{"templateDefaults":{"podSpecPatch":"{}"}}"#,
            "spec.templateDefaults.podSpecPatch",
        ),
        (
            r#"{"artifactGC":{"podSpecPatch":"{}"}}"#,
            "spec.artifactGC.podSpecPatch",
        ),
        (
            r#"{"artifactGC":{"serviceAccountName":"x"}}"#,
            "artifactGC.serviceAccountName",
        ),
        (
            r#"{"executor":{"serviceAccountName":"x"}}"#,
            "spec.executor.serviceAccountName",
        ),
        (r#"{"executorPlugins":[{"name":"x"}]}"#, "executorPlugins"),
        (
            r#"{"templates":[{"name":"t","executor":{"serviceAccountName":"x"}}]}"#,
            "spec.templates.executor.serviceAccountName",
        ),
        (
            r#"{"templates":[{"name":"t","dag":{"tasks":[{"name":"a","templateRef":{"name":"b"}}]}}]}"#,
            "spec.templates[t].dag.tasks.templateRef",
        ),
        (
            r#"{"templates":[{"name":"t","steps":[[{"name":"a","inline":{"PodſpecPatch":"{}"}}]]}]}"#,
            "spec.templates[t].steps[a].inline.PodſpecPatch",
        ),
        (
            r#"{"hooks":{"exit":{"templateRef":{"name":"b"}}}}"#,
            "spec.hooks.exit.templateRef",
        ),
        (
            r#"{"templates":[{"name":"t","http":{"url":"x"}}]}"#,
            "http of template t",
        ),
        (
            r#"{"templates":[{"name":"t","plugin":{}}]}"#,
            "plugin of template t",
        ),
        (
            r#"{"templates":[{"steps":[[{"inline":{"HTTP":{"url":"x"}}}]]}]}"#,
            "http of template without a name",
        ),
        (
            r#"{"podMetadata":{"labels":{"workflows.argoproj.io/workflow":"bobs"}}}"#,
            "workflows.argoproj.io/workflow in spec.podMetadata",
        ),
        (
            r#"{"artifactGC":{"podMetadata":{"annotations":{"workflows.argoproj.io/node-id":"x"}}}}"#,
            "workflows.argoproj.io/node-id in spec.artifactGC.podMetadata",
        ),
        (
            r#"{"templates":[{"name":"t","metadata":{"annotations":{"workflows.argoproj.io/kill-cmd-main":"x"}}}]}"#,
            "workflows.argoproj.io/kill-cmd-main in metadata of template t",
        ),
        (
            r#"{"templateDefaults":{"metadata":{"annotations":{"workflows.argoproj.io/node-name":"x"}}}}"#,
            "workflows.argoproj.io/node-name in spec.templateDefaults.metadata",
        ),
    ];

    #[test]
    fn each_forbidden_member_is_found_wherever_it_is() {
        for (spec, member) in WAYS {
            assert_eq!(found(spec).as_deref(), Some(*member), "{spec}");
        }
    }

    #[test]
    fn templates_of_stock_metaflow_are_not_refused() {
        let text = include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/testdata/objects/argo-workflowtemplate.json"
        ));
        let template: Json<'_> = serde_json::from_str(text).unwrap();
        assert_eq!(find(template.get("spec")), None);
        assert_eq!(
            found(
                r#"{"templates":[{"inputs":{"artifacts":[{"http":{"url":"x"}}]},"container":{}}]}"#
            ),
            None
        );
        assert_eq!(
            found(
                r#"{"podMetadata":{"annotations":{"templateRef":"x"}},"podSpecPatch":"","executor":{}}"#
            ),
            None
        );
    }
}
