//! The pods that a spec will create, and what Argo will write onto them.

use namesake_core::Json;

use crate::decide::pod_model::claims::Labels;

/// The members of a template, one of which it has if it is a template of a pod.
const KINDS: &[&str] = &["container", "containerSet", "data", "resource", "script"];
/// The beginning of an expression that Argo renders when it creates the pod; its value is not known before.
const RENDERED: &str = "{{";

/// A template in a spec.
#[derive(Clone, Copy, Debug)]
pub struct ArgoTemplate<'t, 'a> {
    /// The template.
    pub itself: &'t Json<'a>,
    /// The spec that it is in.
    spec: &'t Json<'a>,
}

impl<'t, 'a> ArgoTemplate<'t, 'a> {
    /// An annotation of its pods.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&'t str> {
        self.find("annotations", key)
    }

    // The template itself, over the spec's `podMetadata`, over the defaults of templates: as the real controller does.
    fn metadata(&self) -> [&'t Json<'a>; 3] {
        [
            self.itself.get("metadata"),
            self.spec.get("podMetadata"),
            self.spec.get("templateDefaults").get("metadata"),
        ]
    }

    fn find(&self, map: &str, key: &str) -> Option<&'t str> {
        let layers = self.metadata().into_iter();
        let mut values = layers.filter_map(|layer| match layer.get(map).get(key) {
            Json::String(value) => Some(value.as_str()),
            _ => None,
        });
        values.next()
    }

    /// Whether the metadata of its pods has something that Argo renders later, so that rules can decide only then.
    #[must_use]
    pub fn is_rendered(&self) -> bool {
        let layers = self.metadata().into_iter();
        let maps = layers.flat_map(|layer| [layer.get("annotations"), layer.get("labels")]);
        let mut pairs = maps.flat_map(Json::members);
        pairs.any(|(key, value)| {
            key.contains(RENDERED)
                || (is_read_by_rules(key)
                    && value.non_empty_str().is_some_and(|v| v.contains(RENDERED)))
        })
    }

    /// The account that Argo gives its pods.
    #[must_use]
    pub fn account(&self) -> &'t str {
        let layers = [self.itself, self.spec.get("templateDefaults"), self.spec];
        let mut named = layers
            .into_iter()
            .filter_map(|layer| layer.get("serviceAccountName").non_empty_str());
        named.next().unwrap_or("default")
    }

    /// Its name, for messages.
    #[must_use]
    pub fn name(&self) -> &'t str {
        self.itself
            .get("name")
            .non_empty_str()
            .unwrap_or("without a name")
    }

    /// Whether pods are created from it.
    #[must_use]
    pub fn makes_pods(&self) -> bool {
        KINDS
            .iter()
            .any(|kind| !matches!(self.itself.get(kind), Json::Null))
    }
}

impl Labels for ArgoTemplate<'_, '_> {
    fn label(&self, key: &str) -> Option<&str> {
        self.find("labels", key)
    }
}

// Metaflow's run id is always rendered, and no rule reads it.
fn is_read_by_rules(key: &str) -> bool {
    key != "metaflow/run_id"
}

/// All templates of a spec: listed ones, and inline ones in the steps of others.
#[must_use]
pub fn templates<'t, 'a>(spec: &'t Json<'a>) -> Vec<ArgoTemplate<'t, 'a>> {
    let mut found = Vec::new();
    let mut remaining: Vec<_> = spec.get("templates").items().iter().collect();
    remaining.reverse();
    while let Some(itself) = remaining.pop() {
        found.push(ArgoTemplate { itself, spec });
        let tasks = itself.get("dag").get("tasks").items().iter();
        let steps = itself.get("steps").items().iter().flat_map(Json::items);
        let inline = tasks.chain(steps).map(|step| step.get("inline"));
        remaining.extend(inline.filter(|template| !template.members().is_empty()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_takes_precedence_over_the_spec_and_the_spec_over_the_defaults() {
        let text = r#"{
            "serviceAccountName": "spec",
            "podMetadata": {"annotations": {"a": "spec", "b": "spec"}, "labels": {"team": "ml"}},
            "templateDefaults": {"serviceAccountName": "defaults", "metadata": {"annotations": {"a": "defaults", "c": "defaults"}}},
            "templates": [
                {"name": "one", "container": {}, "serviceAccountName": "own", "metadata": {"annotations": {"a": "own"}}},
                {"name": "two", "dag": {"tasks": [{"name": "x", "inline": {"script": {"source": "x"}}}]}},
                {"name": "three", "steps": [[{"name": "y", "inline": {"resource": {}}}]]}
            ]}"#;
        let spec: Json<'_> = serde_json::from_str(text).unwrap();
        let all = templates(&spec);
        let pods: Vec<_> = all.iter().filter(|t| t.makes_pods()).collect();
        assert_eq!((all.len(), pods.len()), (5, 3));
        assert_eq!(
            ["a", "b", "c", "d"].map(|key| pods[0].annotation(key)),
            [Some("own"), Some("spec"), Some("defaults"), None]
        );
        assert_eq!(pods[0].label("team"), Some("ml"));
        assert_eq!((pods[0].account(), pods[1].account()), ("own", "defaults"));
        assert_eq!(pods[1].annotation("a"), Some("spec"));
    }

    #[test]
    fn metadata_that_argo_renders_later_is_recognized() {
        let rendered = |metadata: &str| {
            let text = format!(
                r#"{{"podMetadata":{{"annotations":{metadata}}},"templates":[{{"container":{{}}}}]}}"#
            );
            let spec: Json<'_> = serde_json::from_str(&text).unwrap();
            templates(&spec)[0].is_rendered()
        };
        assert!(rendered(r#"{"{{workflow.parameters.q}}":"x"}"#));
        assert!(rendered(r#"{"metaflow/flow_name":"{{workflow.name}}"}"#));
        assert!(!rendered(
            r#"{"metaflow/run_id":"argo-{{workflow.name}}","metaflow/flow_name":"F"}"#
        ));
    }
}
