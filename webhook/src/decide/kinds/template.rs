//! Pod templates inside parents: what early evaluation reads of them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use namesake_core::Json;
use thiserror::Error;

/// Labels or annotations.
pub type Texts<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

/// What a parent says about pods that it would make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template<'a> {
    /// Where in the object, for messages.
    pub at: String,
    /// Labels.
    pub labels: Texts<'a>,
    /// Annotations.
    pub annotations: Texts<'a>,
    /// The KSA that they name; `default` when they name none.
    pub account: Cow<'a, str>,
    /// Whether they are on the network of their node.
    pub host_network: bool,
    /// Labels that their node must have.
    pub node_selector: Texts<'a>,
}

/// A part of an object that is not of its JSON type.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{at} {what}")]
pub struct Odd {
    at: String,
    what: &'static str,
}

impl Odd {
    /// What is wrong, and where.
    #[must_use]
    pub fn new(at: impl Into<String>, what: &'static str) -> Odd {
        Odd {
            at: at.into(),
            what,
        }
    }
}

/// The pod template that a path of members shows, if one is there; `base` is what the value itself is called.
///
/// # Errors
/// When something on the way, or in it, is not of its type.
pub fn read<'n>(
    value: &'n Json<'_>,
    path: &[&str],
    base: &str,
) -> Result<Option<Template<'n>>, Odd> {
    let mut at = base.to_owned();
    let mut here = object(value, &at)?;
    for member in path {
        at = format!("{at}.{member}");
        here = object(here.get(member), &at)?;
    }
    if matches!(here, Json::Null) {
        return Ok(None);
    }
    let (metadata, spec) = (format!("{at}.metadata"), format!("{at}.spec"));
    let named = object(here.get("metadata"), &metadata)?;
    let pods = object(here.get("spec"), &spec)?;
    Ok(Some(Template {
        labels: texts(named, "labels", &metadata)?,
        annotations: texts(named, "annotations", &metadata)?,
        account: account(pods, &spec)?,
        host_network: host_network(pods, &spec)?,
        node_selector: texts(pods, "nodeSelector", &spec)?,
        at,
    }))
}

fn object<'n, 'a>(value: &'n Json<'a>, at: &str) -> Result<&'n Json<'a>, Odd> {
    match value {
        Json::Null | Json::Object(_) => Ok(value),
        _ => Err(Odd::new(at, "is not an object")),
    }
}

// Labels or annotations in an object's metadata.
fn texts<'n>(metadata: &'n Json<'_>, member: &str, at: &str) -> Result<Texts<'n>, Odd> {
    let at = format!("{at}.{member}");
    let found = object(metadata.get(member), &at)?;
    let texts = found.members().iter().map(|(key, value)| match value {
        Json::String(text) => Ok((Cow::from(key.as_str()), Cow::from(text.as_str()))),
        _ => Err(Odd::new(
            format!("{at}.{}", key.as_str()),
            "is not a string",
        )),
    });
    texts.collect()
}

fn account<'n>(spec: &'n Json<'_>, at: &str) -> Result<Cow<'n, str>, Odd> {
    for member in ["serviceAccountName", "serviceAccount"] {
        match spec.get(member) {
            Json::Null => {}
            Json::String(name) if name.is_empty() => {}
            Json::String(name) => return Ok(Cow::from(name.as_str())),
            _ => return Err(Odd::new(format!("{at}.{member}"), "is not a string")),
        }
    }
    Ok(Cow::from("default"))
}

fn host_network(spec: &Json<'_>, at: &str) -> Result<bool, Odd> {
    match spec.get("hostNetwork") {
        Json::Null => Ok(false),
        Json::Bool(yes) => Ok(*yes),
        _ => Err(Odd::new(format!("{at}.hostNetwork"), "is not a boolean")),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_template_is_found_where_it_is_and_nowhere_else() {
        let spec = json!({"jobTemplate": {"spec": {"template": {
            "metadata": {"labels": {"a": "b"}, "annotations": null}, "spec": {"serviceAccount": "x"}}}}});
        let spec = Json::deserialize(&spec).unwrap();
        let found = read(&spec, &["jobTemplate", "spec", "template"], "spec");
        let found = found.unwrap().unwrap();
        assert_eq!(found.at, "spec.jobTemplate.spec.template");
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
    fn a_part_of_the_wrong_type_is_named() {
        for (spec, said) in [
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
                said
            );
        }
    }
}
