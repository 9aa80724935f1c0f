//! A Workflow that only names a template and gives it arguments, as stock Metaflow's triggers, schedules and sensors create it.

use namesake_core::Json;

/// The template that a Workflow runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference<'t> {
    /// Its name.
    pub name: &'t str,
    /// Whether it is a ClusterWorkflowTemplate.
    pub cluster_scope: bool,
}

/// The template that a spec runs unchanged: nothing else in the spec has a value. Labels and annotations of a Workflow never
/// reach its pods.
#[must_use]
pub fn pure<'t>(spec: &'t Json<'_>) -> Option<Reference<'t>> {
    let allowed = ["workflowTemplateRef", "arguments"];
    let mut others = spec
        .members()
        .iter()
        .filter(|(name, _)| !allowed.contains(&name.as_str()));
    let reference = named(spec)?;
    others.all(|(_, node)| node.is_empty()).then_some(reference)
}

/// The template that a spec names, whatever else it contains.
#[must_use]
pub fn named<'t>(spec: &'t Json<'_>) -> Option<Reference<'t>> {
    let reference = spec.get("workflowTemplateRef");
    Some(Reference {
        name: reference.get("name").non_empty_str()?,
        cluster_scope: *reference.get("clusterScope") == Json::Bool(true),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_pure(spec: &str) -> bool {
        pure(&serde_json::from_str(spec).unwrap()).is_some()
    }

    #[test]
    fn specs_of_stock_metaflow_and_argo_are_pure() {
        for spec in [
            r#"{"workflowTemplateRef":{"name":"flow"}}"#,
            r#"{"workflowTemplateRef":{"name":"flow"},"arguments":{"parameters":[{"name":"a","value":"1"}]}}"#,
            r#"{"arguments":{},"workflowTemplateRef":{"name":"flow","clusterScope":true},"entrypoint":"","templates":null,"hooks":{}}"#,
        ] {
            assert!(is_pure(spec), "{spec}");
        }
    }

    #[test]
    fn a_spec_that_says_anything_else_is_not_pure() {
        for more in [
            r#""serviceAccountName":"powerful""#,
            r#""podMetadata":{"annotations":{"a":"b"}}"#,
            r#""PodMetadata":{"annotations":{"a":"b"}}"#,
            r#""entrypoint":"other""#,
            r#""suspend":false"#,
            r#""volumes":[{"name":"v"}]"#,
            r#""hooks":{"exit":{"template":"t"}}"#,
            r#""parallelism":0"#,
        ] {
            assert!(
                !is_pure(&format!(
                    r#"{{"workflowTemplateRef":{{"name":"flow"}},{more}}}"#
                )),
                "{more}"
            );
        }
        for spec in [
            r#"{}"#,
            r#"{"arguments":{}}"#,
            r#"{"workflowTemplateRef":{"name":""}}"#,
            r#"{"workflowTemplateRef":"flow"}"#,
            "[]",
        ] {
            assert!(!is_pure(spec), "{spec}");
        }
    }
}
