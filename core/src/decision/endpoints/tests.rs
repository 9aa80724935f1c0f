use proptest::prelude::*;

use super::*;
use crate::rules::tests::fixtures::{everything, example, rules, user};

fn groups(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn each_right_includes_the_ones_before_it_and_the_highest_counts() {
    let rules = everything();
    for (name, in_groups, right) in [
        ("bob@acme.com", &[][..], Some(EndpointRight::Read)),
        ("alice@acme.com", &[], Some(EndpointRight::Write)),
        (
            "bob@acme.com",
            &["writers@acme.com"],
            Some(EndpointRight::Write),
        ),
        (
            "eve@other.com",
            &["platform@acme.com"],
            Some(EndpointRight::Admin),
        ),
        ("eve@other.com", &["others@acme.com"], None),
        ("alice@acme.com.evil", &[], None),
    ] {
        let found = rules.endpoint_right(&user(name), &groups(in_groups));
        assert_eq!(found.ok(), right, "{name} {in_groups:?}");
    }
    let reader = (user("bob@acme.com"), EndpointRight::Read);
    assert!(
        rules
            .check_endpoint_right(&reader.0, reader.1, EndpointRight::Read)
            .is_ok()
    );
    let refusal = rules
        .check_endpoint_right(&reader.0, reader.1, EndpointRight::Write)
        .unwrap_err();
    assert_eq!(refusal.reason, Reason::NoEndpointRight);
    assert!(refusal.message.contains("endpoints.write"), "{refusal}");
}

#[test]
fn without_the_section_and_after_offboarding_nobody_has_a_right() {
    let alice = user("alice@acme.com");
    let reason = |result: Result<EndpointRight, Refusal>| result.unwrap_err().reason;
    let closed = example();
    assert_eq!(closed.endpoint_mode(), EndpointMode::Enforce);
    assert_eq!(
        reason(closed.endpoint_right(&alice, &[])),
        Reason::NoEndpoints
    );
    assert_eq!(
        reason(closed.endpoint_right_of_pod(&alice)),
        Reason::NoEndpoints
    );
    let rules = everything();
    let mallory = user("mallory@acme.com");
    let admins = groups(&["platform@acme.com"]);
    assert_eq!(
        reason(rules.endpoint_right(&mallory, &admins)),
        Reason::Offboarded
    );
    assert_eq!(
        reason(rules.endpoint_right_of_pod(&mallory)),
        Reason::Offboarded
    );
    assert_eq!(rules.endpoint_mode(), EndpointMode::Shadow);
}

#[test]
fn a_pod_writes_as_its_user_and_is_never_an_admin() {
    let text = format!(
        "{}\nendpoints: {{admin: {{users: [\"*@acme.com\"]}}}}\n",
        crate::rules::tests::fixtures::EXAMPLE
    );
    let rules = rules(&text);
    let alice = user("alice@acme.com");
    assert_eq!(rules.endpoint_right(&alice, &[]), Ok(EndpointRight::Admin));
    assert_eq!(
        rules.endpoint_right_of_pod(&alice),
        Ok(EndpointRight::Write)
    );
}

#[test]
fn groups_of_endpoints_are_in_no_stamp() {
    let rules = everything();
    let both = groups(&["writers@acme.com", "release@acme.com"]);
    assert_eq!(rules.endpoint_groups(&both), ["writers@acme.com"]);
    let mentioned = rules.mentioned_groups(&both);
    assert!(mentioned.members().eq(["release@acme.com"]));
}

/// What the request does, in short.
fn what(method: &str, path: &str) -> String {
    match MetadataRequest::parse(method, path) {
        Ok(MetadataRequest::Read) => "read".to_owned(),
        Ok(MetadataRequest::RegisterFlow) => "flow".to_owned(),
        Ok(MetadataRequest::NewRun) => "run".to_owned(),
        Ok(MetadataRequest::ChangeRun(run)) => format!("change {}", run.path),
        Ok(MetadataRequest::ChangeTags(run)) => format!("tags {}", run.path),
        Err(refusal) => refusal.reason.to_string(),
    }
}

#[test]
fn every_request_of_metaflows_client_is_known() {
    let argo = "/flows/F/runs/argo-hello-x7k2p";
    for (method, path, expected) in [
        ("GET", "/ping", "read"),
        ("GET", "/flows", "read"),
        ("GET", "/flows/F", "read"),
        ("HEAD", "/flows/F/runs", "read"),
        (
            "GET",
            "/flows/F/runs/7/steps/start/tasks/1/artifacts/x/attempt/0",
            "read",
        ),
        (
            "GET",
            "/flows/F/runs/7/steps/start/tasks/1/attempt/0/artifacts",
            "read",
        ),
        ("GET", "/flows/F/runs/7/steps/start/filtered_tasks", "read"),
        ("GET", "/flows/Fl%C3%BCsse/runs", "read"),
        ("POST", "/flows/F", "flow"),
        ("POST", "/flows/F/run", "run"),
        (
            "POST",
            "/flows/F/runs/7/heartbeat",
            "change /flows/F/runs/7",
        ),
        (
            "PATCH",
            "/flows/F/runs/7/tag/mutate",
            "tags /flows/F/runs/7",
        ),
        (
            "POST",
            &format!("{argo}/steps/start/step"),
            &format!("change {argo}"),
        ),
        (
            "POST",
            &format!("{argo}/steps/start/task"),
            &format!("change {argo}"),
        ),
        (
            "POST",
            "/flows/F/runs/7/steps/_parameters/tasks/7-params/artifact",
            "change /flows/F/runs/7",
        ),
        (
            "POST",
            "/flows/F/runs/7/steps/start/tasks/1/metadata",
            "change /flows/F/runs/7",
        ),
        (
            "POST",
            "/flows/F/runs/7/steps/start/tasks/1/heartbeat",
            "change /flows/F/runs/7",
        ),
    ] {
        assert_eq!(what(method, path), expected, "{method} {path}");
    }
}

#[test]
fn what_is_not_known_or_could_be_read_in_two_ways_is_refused() {
    for (method, path) in [
        ("GET", "/auth/token"),
        ("POST", "/auth/token"),
        ("GET", "/flows/../auth/token"),
        ("GET", "/flows/%2e%2e/auth/token"),
        ("GET", "//auth/token"),
        ("GET", "/FLOWS/F"),
        ("GET", "/flowsx"),
        ("GET", "/flows/F;x=/runs"),
        ("GET", "/flows/F%3bx/runs"),
        ("GET", "/flows/F%2Fruns"),
        ("GET", "/flows/F%5cruns"),
        ("GET", "/flows/F%252fruns"),
        ("GET", "/flows/F\\runs"),
        ("GET", "/flows/F%00"),
        ("GET", "/flows/F%0"),
        ("GET", "/flows/%zz"),
        ("GET", "flows"),
        ("GET", ""),
        ("POST", "/flows//run"),
        ("POST", "/flows/F/run/"),
        ("POST", "//flows/F/run"),
        ("POST", "/flows/F/Run"),
        ("POST", "/flows/F/runs/7"),
        ("POST", "/flows/F/runs/7/tag/mutate"),
        ("PATCH", "/flows/F/runs/7/heartbeat"),
        ("POST", "/flows/F/runs/./7/heartbeat"),
        ("POST", "/flows/F/runs/7/../8/heartbeat"),
        ("POST", "/flows/F/runs/%2e%2e/heartbeat"),
        ("POST", "/flows/F/runs/7%2f..%2f8/heartbeat"),
        ("POST", "/flows/F/runs/7;8/heartbeat"),
        ("POST", "/flows/F/runs/7/steps/s/tasks/1/artifacts"),
        ("PUT", "/flows/F/run"),
        ("DELETE", "/flows/F/runs/7"),
        ("OPTIONS", "/flows/F/run"),
        ("post", "/flows/F/run"),
    ] {
        assert_eq!(what(method, path), "UnknownPath", "{method} {path}");
    }
}

#[test]
fn only_the_user_of_a_run_and_admins_change_it() {
    let Ok(MetadataRequest::ChangeRun(run)) =
        MetadataRequest::parse("POST", "/flows/F/runs/7/heartbeat")
    else {
        panic!("not a change");
    };
    let bob = user("bob@acme.com");
    for (right, owner, allowed) in [
        (EndpointRight::Write, "bob@acme.com", true),
        (EndpointRight::Admin, "alice@acme.com", true),
        (EndpointRight::Write, "alice@acme.com", false),
        (EndpointRight::Write, "Bob@acme.com", false),
        (EndpointRight::Write, "bob", false),
        (EndpointRight::Write, "", false),
    ] {
        let checked = run.check_owner(&bob, right, owner);
        assert_eq!(checked.is_ok(), allowed, "{owner} {right:?}");
    }
    let refusal = run.check_owner(&bob, EndpointRight::Write, "alice@acme.com");
    assert_eq!(
        refusal.unwrap_err().message,
        "/flows/F/runs/7 belongs to \"alice@acme.com\", and you are bob@acme.com. Only its user, the user's own pods and admins \
         may change it."
    );
}

#[test]
fn a_new_run_names_its_user_and_nobody_else() {
    let bob = user("bob@acme.com");
    let reason = |body: &str| {
        let checked = NewRun::parse(body.as_bytes()).and_then(|run| run.check(&bob));
        checked.err().map(|refusal| refusal.reason)
    };
    for body in [
        r#"{"flow_id": "F", "user_name": "bob@acme.com", "tags": [], "system_tags": ["user:bob@acme.com", "runtime:dev"], "ts_epoch": 1}"#,
        r#"{"run_number": "argo-x", "user_name": "bob@acme.com", "tags": ["mine"]}"#,
        r#"  {"user_name": "bob@acme.com", "tags": null}"#,
    ] {
        assert_eq!(reason(body), None, "{body}");
    }
    for body in [
        r#"{"user_name": "alice@acme.com"}"#,
        r#"{"user_name": "Bob@acme.com"}"#,
        r#"{"user_name": ""}"#,
        "{}",
        r#"{"user_name": null}"#,
        r#"{"user_name": "bob@acme.com", "system_tags": ["user:alice@acme.com"]}"#,
        r#"{"user_name": "bob@acme.com", "tags": ["user:alice@acme.com"]}"#,
    ] {
        assert_eq!(reason(body), Some(Reason::NamesAnotherUser), "{body}");
    }
    for body in [
        "",
        "null",
        "[]",
        r#"["bob@acme.com", [], []]"#,
        "{",
        r#"{"user_name": "alice@acme.com", "user_name": "bob@acme.com"}"#,
        r#"{"user_name": ["bob@acme.com"]}"#,
        r#"{"user_name": "bob@acme.com", "tags": [1]}"#,
        "\u{feff}{\"user_name\": \"bob@acme.com\"}",
        r#"{"user_name": "bob@acme.com"} {"user_name": "alice@acme.com"}"#,
    ] {
        assert_eq!(reason(body), Some(Reason::InvalidBody), "{body}");
    }
    let wide: Vec<u8> =
        r#"{"user_name": "bob@acme.com"}"#.encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(
        NewRun::parse(&wide).unwrap_err().reason,
        Reason::InvalidBody
    );
}

#[test]
fn the_message_about_another_name_says_what_to_set() {
    let run = NewRun::parse(br#"{"user_name": "alice@acme.com"}"#).unwrap();
    assert_eq!(
        run.check(&user("bob@acme.com")).unwrap_err().message,
        "This run says it is of \"alice@acme.com\", and you are bob@acme.com. Set METAFLOW_USER to bob@acme.com, or unset it if \
         the package metaflow-namesake is installed, which sets it."
    );
}

#[test]
fn a_tag_gives_a_run_to_nobody_else() {
    let admin = user("root@acme.com");
    let check = |body: &str| {
        TagChange::parse(body.as_bytes())
            .unwrap()
            .check(&admin, "alice@acme.com")
    };
    assert!(check(r#"{"tags_to_add": ["good", "user:alice@acme.com"], "tags_to_remove": ["user:bob@acme.com"]}"#).is_ok());
    assert!(check("{}").is_ok());
    let refusal = check(r#"{"tags_to_add": ["user:bob@acme.com"]}"#).unwrap_err();
    assert_eq!(refusal.reason, Reason::NamesAnotherUser);
}

/// The segments that a lenient server could see: unescaped, without empty ones and parameters, `.` and `..` applied.
fn lenient(path: &str) -> Vec<String> {
    let mut path = path.replace('\\', "/");
    for (escaped, plain) in [
        ("%25", "%"),
        ("%2f", "/"),
        ("%2F", "/"),
        ("%5c", "/"),
        ("%2e", "."),
        ("%3b", ";"),
    ] {
        path = path.replace(escaped, plain);
    }
    let mut seen: Vec<String> = Vec::new();
    for segment in path.split('/') {
        let segment = segment.split(';').next().unwrap_or_default();
        match segment {
            "" | "." => {}
            ".." => {
                seen.pop();
            }
            _ => seen.push(segment.to_ascii_lowercase()),
        }
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// Whatever the path looks like: if some server could take it for a write under a run, it is one of exactly this run, or it is
    /// refused.
    #[test]
    fn no_path_reaches_a_run_without_being_seen_as_a_change_of_it(
        method in prop::sample::select(&["POST", "PATCH", "PUT", "DELETE", "OPTIONS", "post", "CONNECT"][..]),
        pieces in prop::collection::vec(prop::sample::select(&[
            "flows", "F", "runs", "run", "7", "8", "steps", "start", "tasks", "1", "step", "task", "artifact", "metadata", "heartbeat",
            "tag", "mutate", "..", ".", "", "%2e%2e", ";", "7;x", "RUNS", "Flows", "%2f", "%25", "%5c", "\\", "auth", "token", "api",
        ][..]), 0..10),
        separators in prop::collection::vec(prop::sample::select(&["/", "/", "/", "/", "//", "%2f", "\\", "/./"][..]), 10),
    ) {
        let path: String = pieces.iter().zip(&separators).flat_map(|(piece, separator)| [*separator, *piece]).collect();
        let seen = lenient(&path);
        match MetadataRequest::parse(method, &path) {
            Ok(MetadataRequest::ChangeRun(run) | MetadataRequest::ChangeTags(run)) => {
                let named = format!("/{}", seen[..4].join("/"));
                prop_assert_eq!(run.path.to_ascii_lowercase(), named);
            }
            Ok(MetadataRequest::RegisterFlow) => prop_assert_eq!(seen.len(), 2),
            Ok(MetadataRequest::NewRun) => prop_assert!(seen.len() == 3 && seen[2] == "run"),
            Ok(MetadataRequest::Read) => prop_assert!(false, "{} {} is no read", method, path),
            Err(refusal) => prop_assert_eq!(refusal.reason, Reason::UnknownPath),
        }
    }
}
