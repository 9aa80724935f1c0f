//! A conversation whose form was recorded from Google, reported, documented or assumed; `testdata/wire.txt` says which.

use serde_json::Value;

use crate::support::{Answer, World};

const WIRE: &str = include_str!("../../testdata/wire.txt");
/// Placeholder for text that differs each time; as the key of an object, for keys that are not compared.
const REST: &str = "<rest>";

#[tokio::test]
async fn every_answer_matches_the_golden_file() {
    let world = World::new();
    let lines = WIRE.lines().enumerate().map(|(n, line)| (n + 1, line));
    let mut answer = None;
    let mut compared = 0;
    for (number, line) in lines.filter(|(_, l)| !l.is_empty() && !l.starts_with('#')) {
        let (kind, rest) = line.split_at(2);
        match kind {
            "! " => {
                let change: Value = serde_json::from_str(rest).unwrap();
                world.change_settings(change).await;
            }
            "> " => answer = Some(send(&world, rest).await),
            "< " => {
                let (status, body) = rest.split_once(' ').unwrap();
                let wanted: Value = serde_json::from_str(body).unwrap();
                let found = answer.take().unwrap();
                assert_eq!(
                    found.status.to_string(),
                    status,
                    "line {number}: {}",
                    found.body
                );
                assert!(
                    matches(&wanted, &found.body),
                    "line {number}: wanted\n{wanted}\nfound\n{}",
                    found.body
                );
                let content = found.headers["content-type"].to_str().unwrap();
                assert_eq!(content, "application/json; charset=UTF-8", "line {number}");
                compared += 1;
            }
            other => panic!("line {number}: {other:?}"),
        }
    }
    assert!(compared > 20, "{compared}");
}

async fn send(world: &World, request: &str) -> Answer {
    let mut parts = request.splitn(3, ' ');
    let (method, uri) = (parts.next().unwrap(), parts.next().unwrap());
    let body = parts
        .next()
        .map_or(Value::Null, |body| serde_json::from_str(body).unwrap());
    world.admin.request(method, uri, body).await
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
