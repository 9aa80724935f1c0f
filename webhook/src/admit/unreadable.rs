//! What is wrong with an object that cannot be read, in words for whoever wrote it. Only a refusal costs this.

use serde_json::{Value, json};

use crate::review::verdict::Refused;
use crate::review::{self, Object};

/// The refusal of an object of this kind. The parser's own place is in the review, which its author never sees.
pub(super) fn refused(kind: &str, body: &[u8], error: &serde_json::Error) -> Refused {
    let why = culprit(body).unwrap_or_else(|| said(error));
    Refused::bad_request(format!(
        "this {kind} cannot be read: {why}: mend the object and create it again"
    ))
}

// The first member that is not of its type.
fn culprit(body: &[u8]) -> Option<String> {
    let object = review::parse::<Value>(body).ok()?.object?;
    ["metadata", "spec"].into_iter().find_map(|part| {
        let value = object.get(part)?;
        let Some(members) = value.as_object() else {
            return odd(&json!({part: value})).map(|what| format!("{part}: {what}"));
        };
        members.iter().find_map(|(name, value)| {
            let what = odd(&json!({part: {name: value}}))?;
            Some(format!("{part}.{name}: {what}"))
        })
    })
}

fn odd(object: &Value) -> Option<String> {
    let text = object.to_string();
    let read = serde_json::from_str::<Object<'_>>(&text);
    read.err().map(|error| said(&error))
}

fn said(error: &serde_json::Error) -> String {
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

    fn told(object: &Value) -> String {
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
    fn the_member_and_what_it_is_are_named() {
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
            let message = told(&object);
            assert!(message.contains(says), "{message}");
            assert!(message.ends_with("create it again"), "{message}");
            assert!(!message.contains(" column "), "{message}");
        }
    }
}
