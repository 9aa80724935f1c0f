//! The pods that a spec will make, and what Argo will write on them.

use namesake_core::Json;

/// Members of a template that make it a template of a pod.
const KINDS: &[&str] = &["container", "containerSet", "data", "resource", "script"];
/// What Argo renders when it makes the pod; until then nobody knows what it says.
const RENDERED: &str = "{{";

/// A template of a spec, with what lies under it.
#[derive(Clone, Copy, Debug)]
pub struct Template<'t, 'a> {
    /// The template.
    pub itself: &'t Json<'a>,
    /// The spec that it is in.
    spec: &'t Json<'a>,
}

impl<'t, 'a> Template<'t, 'a> {
    /// An annotation of its pods.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&'t str> {
        self.metadata("annotations", key)
    }

    /// A label of its pods.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&'t str> {
        self.metadata("labels", key)
    }

    // The template itself, over the spec's `podMetadata`, over the defaults of templates: run against the real controller.
    fn metadata(&self, map: &str, key: &str) -> Option<&'t str> {
        let layers = [
            self.itself.get("metadata"),
            self.spec.get("podMetadata"),
            self.spec.get("templateDefaults").get("metadata"),
        ];
        layers
            .into_iter()
            .find_map(|layer| match layer.get(map).get(key) {
                Json::String(value) => Some(value.as_str()),
                _ => None,
            })
    }

    /// Whether something that Argo fills in later stands in the metadata of its pods, so that rules can decide only then.
    #[must_use]
    pub fn is_rendered(&self) -> bool {
        let layers = [
            self.itself.get("metadata"),
            self.spec.get("podMetadata"),
            self.spec.get("templateDefaults").get("metadata"),
        ];
        let maps = layers
            .into_iter()
            .flat_map(|layer| [layer.get("annotations"), layer.get("labels")]);
        let mut pairs = maps.flat_map(Json::members);
        pairs.any(|(key, value)| {
            key.contains(RENDERED)
                || (counts(key) && value.non_empty_str().is_some_and(|v| v.contains(RENDERED)))
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

    /// Whether it makes pods of its own.
    #[must_use]
    pub fn makes_pods(&self) -> bool {
        KINDS
            .iter()
            .any(|kind| !matches!(self.itself.get(kind), Json::Null))
    }
}

// Metaflow's run id is always rendered, and no rule reads it.
fn counts(key: &str) -> bool {
    key != "metaflow/run_id"
}

/// All templates of a spec: listed ones, and those that stand inside the steps of others.
#[must_use]
pub fn templates<'t, 'a>(spec: &'t Json<'a>) -> Vec<Template<'t, 'a>> {
    let mut found = Vec::new();
    let mut open: Vec<_> = spec.get("templates").items().iter().collect();
    open.reverse();
    while let Some(itself) = open.pop() {
        found.push(Template { itself, spec });
        let tasks = itself.get("dag").get("tasks").items().iter();
        let steps = itself.get("steps").items().iter().flat_map(Json::items);
        let inline = tasks.chain(steps).map(|step| step.get("inline"));
        open.extend(inline.filter(|template| !template.members().is_empty()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_wins_over_the_spec_and_the_spec_over_the_defaults() {
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
    fn what_is_rendered_later_is_not_decided_now() {
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
