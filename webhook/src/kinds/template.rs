//! Pod templates inside parents: what early evaluation reads of them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};
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

/// The pod template at a JSON pointer, if one is there; `base` is what the value itself is called.
///
/// # Errors
/// When something on the way, or in it, is not of its type.
pub fn read<'a>(value: &'a Value, pointer: &str, base: &str) -> Result<Option<Template<'a>>, Odd> {
    let mut at = base.to_owned();
    let mut here = object(value, &at)?;
    for member in pointer.split('/').skip(1) {
        let Some(members) = here else { return Ok(None) };
        at = format!("{at}.{member}");
        here = member_of(members, member, &at)?;
    }
    let Some(template) = here else {
        return Ok(None);
    };
    let (metadata, spec) = (format!("{at}.metadata"), format!("{at}.spec"));
    let named = member_of(template, "metadata", &metadata)?;
    let spec_members = member_of(template, "spec", &spec)?;
    Ok(Some(Template {
        labels: texts(named, "labels", &metadata)?,
        annotations: texts(named, "annotations", &metadata)?,
        account: account(spec_members, &spec)?,
        host_network: host_network(spec_members, &spec)?,
        node_selector: texts(spec_members, "nodeSelector", &spec)?,
        at,
    }))
}

fn object<'a>(value: &'a Value, at: &str) -> Result<Option<&'a Map<String, Value>>, Odd> {
    match value {
        Value::Null => Ok(None),
        Value::Object(members) => Ok(Some(members)),
        _ => Err(Odd::new(at, "is not an object")),
    }
}

fn member_of<'a>(
    members: &'a Map<String, Value>,
    member: &str,
    at: &str,
) -> Result<Option<&'a Map<String, Value>>, Odd> {
    members
        .get(member)
        .map_or(Ok(None), |value| object(value, at))
}

/// Labels or annotations in an object's metadata.
///
/// # Errors
/// What is no object of strings.
pub fn texts<'a>(
    metadata: Option<&'a Map<String, Value>>,
    member: &str,
    at: &str,
) -> Result<Texts<'a>, Odd> {
    let at = format!("{at}.{member}");
    let found = metadata.map_or(Ok(None), |metadata| member_of(metadata, member, &at))?;
    let text = |(key, value): (&'a String, &'a Value)| match value {
        Value::String(text) => Ok((Cow::from(key.as_str()), Cow::from(text.as_str()))),
        _ => Err(Odd::new(format!("{at}.{key}"), "is not a string")),
    };
    found.into_iter().flatten().map(text).collect()
}

fn account<'a>(spec: Option<&'a Map<String, Value>>, at: &str) -> Result<Cow<'a, str>, Odd> {
    for member in ["serviceAccountName", "serviceAccount"] {
        match spec.and_then(|spec| spec.get(member)) {
            None | Some(Value::Null) => {}
            Some(Value::String(name)) if name.is_empty() => {}
            Some(Value::String(name)) => return Ok(Cow::from(name.as_str())),
            Some(_) => return Err(Odd::new(format!("{at}.{member}"), "is not a string")),
        }
    }
    Ok(Cow::from("default"))
}

fn host_network(spec: Option<&Map<String, Value>>, at: &str) -> Result<bool, Odd> {
    match spec.and_then(|spec| spec.get("hostNetwork")) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(yes)) => Ok(*yes),
        Some(_) => Err(Odd::new(format!("{at}.hostNetwork"), "is not a boolean")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_template_is_found_where_it_is_and_nowhere_else() {
        let spec = json!({"jobTemplate": {"spec": {"template": {
            "metadata": {"labels": {"a": "b"}, "annotations": null}, "spec": {"serviceAccount": "x"}}}}});
        let found = read(&spec, "/jobTemplate/spec/template", "spec");
        let found = found.unwrap().unwrap();
        assert_eq!(found.at, "spec.jobTemplate.spec.template");
        assert_eq!(
            (found.labels.get("a"), &*found.account),
            (Some(&"b".into()), "x")
        );
        assert_eq!(read(&json!({}), "/template", "spec"), Ok(None));
        assert_eq!(read(&Value::Null, "/template", "spec"), Ok(None));
        let empty = json!({"template": {}});
        assert_eq!(
            &*read(&empty, "/template", "spec").unwrap().unwrap().account,
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
                read(&spec, "/template", "spec").unwrap_err().to_string(),
                said
            );
        }
    }
}
