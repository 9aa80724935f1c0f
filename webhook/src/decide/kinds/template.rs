//! Pod templates in parents, as early evaluation reads them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use namesake_core::Json;
use thiserror::Error;

/// Labels or annotations.
pub type StringMap<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

/// The pod template of a parent, as far as admission needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template<'a> {
    /// Path in the object, for messages.
    pub path: String,
    /// Labels.
    pub labels: StringMap<'a>,
    /// Annotations.
    pub annotations: StringMap<'a>,
    /// The KSA that they name; `default` when they name none.
    pub account: Cow<'a, str>,
    /// Whether they use the network of their node.
    pub host_network: bool,
    /// Labels that their node must have.
    pub node_selector: StringMap<'a>,
    /// The names of their volumes.
    pub volumes: Vec<&'a str>,
    /// The folders at which their containers mount volumes.
    pub mount_paths: Vec<&'a str>,
}

/// A part of an object that does not have its JSON type.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{path} {what}")]
pub struct TemplateError {
    path: String,
    what: &'static str,
}

impl TemplateError {
    /// The error and its place.
    #[must_use]
    pub fn new(path: impl Into<String>, what: &'static str) -> TemplateError {
        TemplateError {
            path: path.into(),
            what,
        }
    }
}

/// The pod template at a path of members, if there is one; `base` is what the value itself is called in messages.
///
/// # Errors
/// When something on the path, or in the template, does not have its type.
pub fn read<'n>(
    value: &'n Json<'_>,
    path: &[&str],
    base: &str,
) -> Result<Option<Template<'n>>, TemplateError> {
    let mut full_path = base.to_owned();
    let mut template = object(value, &full_path)?;
    for member in path {
        full_path = format!("{full_path}.{member}");
        template = object(template.get(member), &full_path)?;
    }
    if matches!(template, Json::Null) {
        return Ok(None);
    }
    let metadata_path = format!("{full_path}.metadata");
    let spec_path = format!("{full_path}.spec");
    let metadata = object(template.get("metadata"), &metadata_path)?;
    let spec = object(template.get("spec"), &spec_path)?;
    Ok(Some(Template {
        labels: strings(metadata, "labels", &metadata_path)?,
        annotations: strings(metadata, "annotations", &metadata_path)?,
        account: account(spec, &spec_path)?,
        host_network: host_network(spec, &spec_path)?,
        node_selector: strings(spec, "nodeSelector", &spec_path)?,
        volumes: texts(spec.get("volumes"), "name").collect(),
        mount_paths: mount_paths(spec),
        path: full_path,
    }))
}

fn object<'n, 'a>(value: &'n Json<'a>, path: &str) -> Result<&'n Json<'a>, TemplateError> {
    match value {
        Json::Null | Json::Object(_) => Ok(value),
        _ => Err(TemplateError::new(path, "is not an object")),
    }
}

// A member whose values are all strings.
fn strings<'n>(
    parent: &'n Json<'_>,
    member: &str,
    path: &str,
) -> Result<StringMap<'n>, TemplateError> {
    let path = format!("{path}.{member}");
    let found = object(parent.get(member), &path)?;
    let strings = found.members().iter().map(|(key, value)| match value {
        Json::String(text) => Ok((Cow::from(key.as_str()), Cow::from(text.as_str()))),
        _ => Err(TemplateError::new(
            format!("{path}.{}", key.as_str()),
            "is not a string",
        )),
    });
    strings.collect()
}

fn account<'n>(spec: &'n Json<'_>, path: &str) -> Result<Cow<'n, str>, TemplateError> {
    for member in ["serviceAccountName", "serviceAccount"] {
        match spec.get(member) {
            Json::Null => {}
            Json::String(name) if name.is_empty() => {}
            Json::String(name) => return Ok(Cow::from(name.as_str())),
            _ => {
                return Err(TemplateError::new(
                    format!("{path}.{member}"),
                    "is not a string",
                ));
            }
        }
    }
    Ok(Cow::from("default"))
}

fn host_network(spec: &Json<'_>, path: &str) -> Result<bool, TemplateError> {
    match spec.get("hostNetwork") {
        Json::Null => Ok(false),
        Json::Bool(yes) => Ok(*yes),
        _ => Err(TemplateError::new(
            format!("{path}.hostNetwork"),
            "is not a boolean",
        )),
    }
}

// What is not a string here, the API server refuses.
fn texts<'n>(list: &'n Json<'_>, member: &'static str) -> impl Iterator<Item = &'n str> {
    let items = list.items().iter();
    items.filter_map(move |item| item.get(member).non_empty_str())
}

fn mount_paths<'n>(spec: &'n Json<'_>) -> Vec<&'n str> {
    let lists = ["initContainers", "containers"].map(|list| spec.get(list).items());
    let containers = lists.into_iter().flatten();
    let mounts = containers.flat_map(|container| texts(container.get("volumeMounts"), "mountPath"));
    mounts.collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_template_is_found_at_its_path_only() {
        let spec = json!({"jobTemplate": {"spec": {"template": {
            "metadata": {"labels": {"a": "b"}, "annotations": null}, "spec": {"serviceAccount": "x"}}}}});
        let spec = Json::deserialize(&spec).unwrap();
        let found = read(&spec, &["jobTemplate", "spec", "template"], "spec");
        let found = found.unwrap().unwrap();
        assert_eq!(found.path, "spec.jobTemplate.spec.template");
        assert_eq!(
            (found.labels.get("a"), &*found.account),
            (Some(&"b".into()), "x")
        );
        assert_eq!(
            read(&Json::Object(Vec::new()), &["template"], "spec"),
            Ok(None)
        );
        assert_eq!(read(&Json::Null, &["template"], "spec"), Ok(None));
        let empty = json!({"template": {}});
        assert_eq!(
            &*read(&Json::deserialize(&empty).unwrap(), &["template"], "spec")
                .unwrap()
                .unwrap()
                .account,
            "default"
        );
    }

    #[test]
    fn an_error_names_the_part_of_the_wrong_type() {
        for (spec, message) in [
            (json!([]), "spec is not an object"),
            (json!({"template": "x"}), "spec.template is not an object"),
            (
                json!({"template": {"metadata": 1}}),
                "spec.template.metadata is not an object",
            ),
            (
                json!({"template": {"metadata": {"labels": []}}}),
                "spec.template.metadata.labels is not an object",
            ),
            (
                json!({"template": {"metadata": {"annotations": {"k": 1}}}}),
                "spec.template.metadata.annotations.k is not a string",
            ),
            (
                json!({"template": {"spec": {"serviceAccountName": {}}}}),
                "spec.template.spec.serviceAccountName is not a string",
            ),
        ] {
            assert_eq!(
                read(&Json::deserialize(&spec).unwrap(), &["template"], "spec")
                    .unwrap_err()
                    .to_string(),
                message
            );
        }
    }
}
