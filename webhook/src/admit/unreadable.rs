//! Explains to its author why an object cannot be parsed. Computed for a refusal only.

use serde_json::{Value, json};

use crate::review::refused::Refused;
use crate::review::{self, Object};

/// The refusal of an object of this kind. The position that the parser reports is in the review, which the author never sees.
pub(super) fn refused(kind: &str, body: &[u8], error: &serde_json::Error) -> Refused {
    let why = invalid_member(body).unwrap_or_else(|| message(error));
    Refused::bad_request(format!(
        "this {kind} cannot be read: {why}: fix the object and create it again"
    ))
}

// The first member that does not have its type.
fn invalid_member(body: &[u8]) -> Option<String> {
    let object = review::parse::<Value>(body).ok()?.object?;
    ["metadata", "spec"].into_iter().find_map(|part| {
        let value = object.get(part)?;
        let Some(members) = value.as_object() else {
            return parse_error(&json!({part: value})).map(|what| format!("{part}: {what}"));
        };
        members.iter().find_map(|(name, value)| {
            let what = parse_error(&json!({part: {name: value}}))?;
            Some(format!("{part}.{name}: {what}"))
        })
    })
}

fn parse_error(object: &Value) -> Option<String> {
    let text = object.to_string();
    let read = serde_json::from_str::<Object<'_>>(&text);
    read.err().map(|error| message(&error))
}

fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(what, _)| what);
    if what == "recursion limit exceeded" {
        "it is nested too deeply, over 100 levels".to_owned()
    } else {
        what.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal_of(object: &Value) -> String {
        let review = json!({"apiVersion": review::REVIEW_VERSION, "kind": review::REVIEW_KIND,
            "request": {"uid": "u-1", "object": object}});
        let body = review.to_string();
        let error = review::parse::<Object<'_>>(body.as_bytes()).unwrap_err();
        let review::Malformed::Json(error) = error else {
            panic!("{error}")
        };
        refused("Workflow", body.as_bytes(), &error).message
    }

    #[test]
    fn the_member_and_its_value_are_named() {
        for (object, says) in [
            (
                json!({"spec": {"serviceAccountName": 7}}),
                "spec.serviceAccountName: invalid type: integer `7`, expected a string",
            ),
            (
                json!({"spec": "x"}),
                "spec: invalid type: string \"x\", expected an object",
            ),
            (
                json!({"metadata": {"annotations": {"a": true}}}),
                "metadata.annotations: invalid type: boolean `true`, expected a string",
            ),
            (json!("x"), "invalid type: string \"x\""),
        ] {
            let message = refusal_of(&object);
            assert!(message.contains(says), "{message}");
            assert!(message.ends_with("create it again"), "{message}");
            assert!(!message.contains(" column "), "{message}");
        }
    }
}
