//! Compares an answer of Google with one of the emulator, except for what differs each time. Pure.

use serde_json::{Map, Value, json};

/// Fields whose values differ each time.
const VOLATILE: [&str; 15] = [
    "etag",
    "uniqueId",
    "oauth2ClientId",
    "expires_in",
    "expireTime",
    "exp",
    "iat",
    "azp",
    "aud",
    "sub",
    "createTime",
    "updateTime",
    "timeCreated",
    "updated",
    "selfLink",
];
/// Numbers of at least so many digits in a text differ each time.
const LONG_NUMBER: usize = 9;
const SECRET: &str = "<secret>";
const SHOWN: usize = 300;

/// The differences, each with its place.
pub(super) fn differences(google: &Value, emulator: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk("answer", &scrubbed(google), &scrubbed(emulator), &mut found);
    found
}

fn walk(place: &str, google: &Value, emulator: &Value, found: &mut Vec<String>) {
    match (google, emulator) {
        (Value::Object(google), Value::Object(emulator)) => {
            for (key, value) in google {
                let place = format!("{place}.{key}");
                match emulator.get(key) {
                    None => found.push(format!(
                        "{place}: Google: {}, emulator: absent",
                        short(value)
                    )),
                    Some(_) if VOLATILE.contains(&key.as_str()) => {}
                    Some(other) => walk(&place, value, other, found),
                }
            }
            for (key, value) in emulator
                .iter()
                .filter(|(key, _)| !google.contains_key(*key))
            {
                found.push(format!(
                    "{place}.{key}: Google: absent, emulator: {}",
                    short(value)
                ));
            }
        }
        (Value::Array(google), Value::Array(emulator)) if google.len() == emulator.len() => {
            for (index, (google, emulator)) in google.iter().zip(emulator).enumerate() {
                walk(&format!("{place}[{index}]"), google, emulator, found);
            }
        }
        (Value::String(google), Value::String(emulator))
            if google == SECRET || emulator == SECRET || masked(google) == masked(emulator) => {}
        _ if google == emulator || (is_empty(google) && is_empty(emulator)) => {}
        _ => found.push(format!(
            "{place}: Google: {}, emulator: {}",
            short(google),
            short(emulator)
        )),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(object) => object.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

/// A text without what differs each time: etags, long numbers, and sizes, which depend on the lengths of names.
fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for part in text.trim_end().split_inclusive("ETag '") {
        // What follows an opening quote ends at the closing one.
        let rest = match out.ends_with("ETag '") {
            true => part
                .find('\'')
                .and_then(|end| part.get(end..))
                .unwrap_or(part),
            false => part,
        };
        out += rest;
    }
    let mut masked = String::with_capacity(out.len());
    let mut digits = String::new();
    for character in out.chars().chain(['\n']) {
        if character.is_ascii_digit() {
            digits.push(character);
            continue;
        }
        masked += if digits.len() >= LONG_NUMBER || (masked.ends_with('(') && !digits.is_empty()) {
            "#"
        } else {
            &digits
        };
        digits.clear();
        masked.push(character);
    }
    masked
}

/// A value with a placeholder for each token, as the report has them.
pub(super) fn scrubbed(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let fields = object
                .iter()
                .map(|(key, value)| (key.clone(), scrubbed(value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Array(all) => all.iter().map(scrubbed).collect(),
        Value::String(text) => json!(scrubbed_text(text)),
        other => other.clone(),
    }
}

fn scrubbed_text(text: &str) -> String {
    // The report numbers its placeholders.
    if let Some(kind) = text
        .strip_prefix("<token ")
        .and_then(|rest| rest.split(' ').next())
    {
        return format!("<token {kind}>");
    }
    match text {
        token if token.starts_with("ya29.") => {
            format!("<token {}>", token.get(..7).unwrap_or_default())
        }
        token if token.starts_with("eyJ") && token.contains('.') => "<jwt>".to_owned(),
        other => other.to_owned(),
    }
}

/// What stands for the same thing in both answers, and is sent again later: etags and ids.
pub(super) fn pairs(google: &Value, emulator: &Value, found: &mut Vec<(String, String)>) {
    match (google, emulator) {
        (Value::Object(google), Value::Object(emulator)) => {
            for (key, value) in google {
                match (value, emulator.get(key)) {
                    (Value::String(value), Some(Value::String(other)))
                        if matches!(key.as_str(), "etag" | "uniqueId") && value != other =>
                    {
                        found.push((value.clone(), other.clone()));
                    }
                    (value, Some(other)) => pairs(value, other, found),
                    (_, None) => {}
                }
            }
        }
        (Value::Array(google), Value::Array(emulator)) => {
            for (google, emulator) in google.iter().zip(emulator) {
                pairs(google, emulator, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(message: &str) -> Value {
        json!({"error": {"code": 409, "message": message, "status": "ABORTED"}})
    }

    #[test]
    fn what_differs_each_time_is_no_difference() {
        for (google, emulator) in [
            (json!({"etag": "a"}), json!({"etag": "b"})),
            (error("the ETag 'BwX=' did"), error("the ETag 'ACAB' did")),
            (error("size (19 bytes) of"), error("size (21 bytes) of")),
            (
                error("issued at 1713260741 is"),
                error("issued at 1895967098 is"),
            ),
            (
                json!({"access_token": "<token ya29.d. 7>"}),
                json!({"access_token": "ya29.d.xyz"}),
            ),
            (json!("<jwt>"), json!("eyJh.eyJi.c")),
            (json!({}), Value::Null),
        ] {
            assert_eq!(
                differences(&google, &emulator),
                [""; 0],
                "{google} {emulator}"
            );
        }
    }

    #[test]
    fn another_text_status_or_field_is_a_difference_with_its_place() {
        for (google, emulator, place) in [
            (error("a"), error("b"), "answer.error.message"),
            (json!({"a": [1, 2]}), json!({"a": [1, 3]}), "answer.a[1]"),
            (json!({"a": [1]}), json!({"a": [1, 3]}), "answer.a"),
            (
                json!({"a": 1}),
                json!({}),
                "answer.a: Google: 1, emulator: absent",
            ),
            (
                json!({}),
                json!({"a": 1}),
                "answer.a: Google: absent, emulator: 1",
            ),
            (json!("<token ya29.c. 1>"), json!("ya29.d.x"), "answer"),
        ] {
            let found = differences(&google, &emulator);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with(place), "{found:?}");
        }
    }
}
