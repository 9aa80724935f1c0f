//! Conversations in `testdata`: requests, and what their answers must be.
//!
//! `> METHOD URI BODY` is a request of the admin, `< STATUS BODY` its answer, of which only the status is compared if the line
//! has no body; `! {…}` changes the settings of the emulator. In a request `<etag>` stands for the newest etag of the same
//! resource, and `<operation>` for the last operation. In an answer `<etag>`, `<21 digits>` and `<rest>` stand for what
//! differs each time.

use std::collections::HashMap;

use serde_json::Value;

use super::{Answer, World};

/// Placeholder for text that differs each time; as the key of an object, for keys that are not compared.
const REST: &str = "<rest>";

/// What requests refer to by a placeholder.
#[derive(Default)]
struct Seen {
    /// By the path of the resource.
    etags: HashMap<String, String>,
    operation: String,
}

/// Replays a conversation and returns the number of answers whose body was compared.
pub(crate) async fn replay(world: &World, conversation: &str) -> usize {
    let lines = conversation
        .lines()
        .enumerate()
        .map(|(n, line)| (n + 1, line));
    let (mut seen, mut answer, mut compared) = (Seen::default(), None, 0);
    for (number, line) in lines.filter(|(_, l)| !l.is_empty() && !l.starts_with('#')) {
        let (kind, rest) = line.split_at(2);
        match kind {
            "! " => {
                let change: Value = serde_json::from_str(rest).unwrap();
                world.change_settings(change).await;
            }
            "> " => answer = Some(send(world, &mut seen, rest).await),
            "< " => compared += usize::from(compare(number, rest, &answer.take().unwrap())),
            other => unreachable!("line {number}: {other:?}"),
        }
    }
    compared
}

/// Compares an answer with `wanted`; returns whether that has a body.
fn compare(number: usize, wanted: &str, found: &Answer) -> bool {
    let (status, body) = wanted.split_once(' ').unwrap_or((wanted, ""));
    assert_eq!(
        found.status.to_string(),
        status,
        "line {number}: {}",
        found.body
    );
    if body.is_empty() {
        return false;
    }
    let wanted: Value = serde_json::from_str(body).unwrap();
    assert!(
        matches(&wanted, &found.body),
        "line {number}: wanted\n{wanted}\nfound\n{}",
        found.body
    );
    let content = found.headers["content-type"].to_str().unwrap();
    assert_eq!(content, "application/json; charset=UTF-8", "line {number}");
    true
}

async fn send(world: &World, seen: &mut Seen, request: &str) -> Answer {
    let mut parts = request.splitn(3, ' ');
    let (method, uri) = (parts.next().unwrap(), parts.next().unwrap());
    let uri = uri.replace("<operation>", &seen.operation);
    let path = resource(&uri);
    let etag = seen.etags.get(&path).map_or("", String::as_str);
    let body = parts.next().map_or(Value::Null, |body| {
        serde_json::from_str(&body.replace("<etag>", etag)).unwrap()
    });
    let answer = world.admin.request(method, &uri, body).await;
    if let Some(etag) = answer.body["etag"].as_str() {
        seen.etags.insert(path, etag.to_owned());
    }
    let operation = answer.body["name"].as_str();
    if let Some(operation) = operation.filter(|name| name.starts_with("operations/")) {
        operation.clone_into(&mut seen.operation);
    }
    answer
}

/// The path of a URI without verb and query.
fn resource(uri: &str) -> String {
    let path = uri.split('?').next().unwrap_or_default();
    let path = path.trim_end_matches(":getIamPolicy");
    path.trim_end_matches(":setIamPolicy").to_owned()
}

/// Whether `found` matches `wanted`, which may have placeholders.
fn matches(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::String(wanted), _) if wanted == REST => true,
        (Value::String(wanted), Value::String(found)) => text_matches(wanted, found),
        (Value::Array(wanted), Value::Array(found)) => {
            wanted.len() == found.len() && wanted.iter().zip(found).all(|(w, f)| matches(w, f))
        }
        (Value::Object(wanted), Value::Object(found)) => {
            let is_known = |key: &String| wanted.contains_key(key) || wanted.contains_key(REST);
            let required = wanted.iter().filter(|(key, _)| *key != REST);
            found.keys().all(is_known)
                && required
                    .into_iter()
                    .all(|(key, w)| found.get(key).is_some_and(|f| matches(w, f)))
        }
        _ => wanted == found,
    }
}

fn text_matches(wanted: &str, found: &str) -> bool {
    match wanted {
        "<etag>" => data_encoding::BASE64.decode(found.as_bytes()).is_ok() && !found.is_empty(),
        "<21 digits>" => found.len() == 21 && found.bytes().all(|b| b.is_ascii_digit()),
        _ => match wanted.split_once(REST) {
            Some((begin, "")) => found.starts_with(begin),
            _ => wanted == found,
        },
    }
}

#[test]
fn a_different_answer_does_not_match() {
    use serde_json::json;
    for (wanted, found) in [
        (json!({"a": 1}), json!({"a": 1, "b": 2})),
        (json!({"a": 1, "b": 2}), json!({"a": 1})),
        (json!("<21 digits>"), json!("12345")),
        (json!("<etag>"), json!("not base64!")),
        (json!("x<rest>"), json!("y")),
        (json!([1]), json!([1, 2])),
    ] {
        assert!(!matches(&wanted, &found), "{wanted} {found}");
    }
    assert!(matches(
        &json!({"a": "x<rest>", "<rest>": ""}),
        &json!({"a": "xyz", "b": 1})
    ));
}
