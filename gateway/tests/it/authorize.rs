//! Who may do what.

use axum::body::Body;
use axum::http::Request;
use namesake_api::{Phase, names};
use serde_json::json;

use crate::setup::{ENFORCE, Gateway, identity, new_run, person, pod, question, set_rules};

const HEARTBEAT_OF_ALICE: &str = "/flows/F/runs/1/heartbeat";

/// Who (`pod:NAME` is a pod of that user), method, path, status and reason.
const TABLE: &str = "
alice      GET   /flows/F/runs/2                     200
alice      GET   /ping                               200
alice      POST  /flows/F                            200
alice      POST  /flows/F/runs/1/heartbeat           200
alice      POST  /flows/F/runs/2/heartbeat           403 NotYourRun
alice      POST  /flows/F/runs/3/heartbeat           403 NotYourRun
alice      POST  /flows/F/runs/4/heartbeat           403 NotYourRun
alice      POST  /flows/F/runs/9/heartbeat           404 UnknownRun
alice      POST  /flows/F/runs/argo-x/steps/s/step   200
alice      GET   /auth/token                         404 UnknownPath
bob        POST  /flows/F/runs/argo-x/steps/s/step   403 NotYourRun
root       POST  /flows/F/runs/1/heartbeat           200
root       POST  /flows/F/runs/3/heartbeat           200
reader     GET   /flows                              200
reader     POST  /flows/F                            403 NoEndpointRight
nobody     GET   /ping                               403 NoEndpointRight
mallory    GET   /ping                               403 Offboarded
pod:alice  POST  /flows/F/runs/argo-x/steps/s/task   200
pod:alice  POST  /flows/F/runs/1/heartbeat           200
pod:alice  GET   /flows/F/runs/2                     200
pod:bob    POST  /flows/F/runs/1/heartbeat           403 NotYourRun
pod:root   POST  /flows/F/runs/1/heartbeat           403 NotYourRun
pod:other  GET   /ping                               403 NotServing
";

#[tokio::test]
async fn each_caller_may_do_what_the_rules_and_the_owner_of_the_run_allow() {
    let gateway = Gateway::start(ENFORCE).await;
    for line in TABLE.trim().lines() {
        let mut words = line.split_whitespace();
        let mut word = || words.next().unwrap_or_default();
        let (who, method, path, status, reason) = (word(), word(), word(), word(), word());
        let claims = who.strip_prefix("pod:").map_or_else(|| person(who), pod);
        let answer = gateway.ask(&claims, method, path, "{}").await;
        let expected = (status.parse().unwrap(), reason.to_owned());
        assert_eq!(answer.outcome(), expected, "{line}: {answer:?}");
        assert_eq!(answer.user().is_some(), answer.status == 200, "{line}");
    }
    let mut carol = person("carol");
    carol["groups"] = json!(["writers"]);
    assert_eq!(
        gateway.ask(&carol, "POST", "/flows/F", "{}").await.status,
        200
    );
}

#[tokio::test]
async fn the_user_is_in_the_answer_in_canonical_form() {
    let gateway = Gateway::start(ENFORCE).await;
    let answer = gateway.ask(&person("ALICE"), "GET", "/ping", "").await;
    assert_eq!(
        (answer.status, answer.user()),
        (200, Some("alice@acme.com"))
    );
    let answer = gateway.ask(&pod("alice"), "GET", "/ping", "").await;
    assert_eq!(answer.user(), Some("alice@acme.com"));
}

#[tokio::test]
async fn a_pod_of_another_stack_of_the_cluster_is_nobody() {
    let gateway = Gateway::start(ENFORCE).await;
    let mut of_blue = identity("alice@acme.com");
    of_blue.stack = "blue".into();
    let identities = &gateway.state.identities;
    identities.apply("research", "mf-alice", of_blue);
    let answer = gateway.ask(&pod("alice"), "GET", "/ping", "").await;
    assert_eq!(answer.status, 403, "{answer:?}");
}

#[tokio::test]
async fn a_new_run_must_name_the_user_also_of_an_admin_and_a_pod() {
    let gateway = Gateway::start(ENFORCE).await;
    for (claims, body, expected) in [
        (person("bob"), new_run("bob@acme.com"), (200, "")),
        (pod("bob"), new_run("bob@acme.com"), (200, "")),
        (
            person("bob"),
            new_run("alice@acme.com"),
            (403, "NamesAnotherUser"),
        ),
        (
            pod("bob"),
            new_run("argo-workflows"),
            (403, "NamesAnotherUser"),
        ),
        (
            person("root"),
            new_run("alice@acme.com"),
            (403, "NamesAnotherUser"),
        ),
        (person("bob"), "{}".to_owned(), (403, "NamesAnotherUser")),
        (person("bob"), String::new(), (400, "InvalidBody")),
        (person("bob"), "[]".to_owned(), (400, "InvalidBody")),
        (
            person("reader"),
            new_run("reader@acme.com"),
            (403, "NoEndpointRight"),
        ),
    ] {
        let answer = gateway.ask(&claims, "POST", "/flows/F/run", &body).await;
        let (status, reason) = expected;
        assert_eq!(
            answer.outcome(),
            (status, reason.to_owned()),
            "{claims} {body}"
        );
    }
}

#[tokio::test]
async fn who_names_another_user_is_told_what_to_set_and_a_compressed_body_is_not_read() {
    let gateway = Gateway::start(ENFORCE).await;
    let (bob, body) = (person("bob"), new_run("alice@acme.com"));
    let answer = gateway.ask(&bob, "POST", "/flows/F/run", &body).await;
    let remedy = "Set METAFLOW_USER to bob@acme.com";
    assert!(answer.body.contains(remedy), "{answer:?}");
    let mut compressed = question(
        &person("bob"),
        "api",
        "POST",
        "/flows/F/run",
        &new_run("bob@acme.com"),
    );
    compressed
        .headers_mut()
        .insert("content-encoding", "gzip".parse().unwrap());
    assert_eq!(
        gateway.send(compressed).await.outcome(),
        (400, "InvalidBody".to_owned())
    );
}

#[tokio::test]
async fn tags_of_a_run_are_changed_by_its_user_and_never_to_another_user() {
    let gateway = Gateway::start(ENFORCE).await;
    let path = "/flows/F/runs/1/tag/mutate";
    for (who, body, expected) in [
        (
            "alice",
            r#"{"tags_to_add": ["good"], "tags_to_remove": []}"#,
            (200, ""),
        ),
        (
            "alice",
            r#"{"tags_to_add": ["user:bob@acme.com"]}"#,
            (403, "NamesAnotherUser"),
        ),
        (
            "root",
            r#"{"tags_to_add": ["user:alice@acme.com"]}"#,
            (200, ""),
        ),
        (
            "root",
            r#"{"tags_to_add": ["user:root@acme.com"]}"#,
            (403, "NamesAnotherUser"),
        ),
        ("bob", r#"{"tags_to_add": ["bad"]}"#, (403, "NotYourRun")),
        ("alice", "tags", (400, "InvalidBody")),
    ] {
        let answer = gateway.ask(&person(who), "PATCH", path, body).await;
        assert_eq!(
            answer.outcome(),
            (expected.0, expected.1.to_owned()),
            "{who} {body}"
        );
    }
}

#[tokio::test]
async fn on_a_host_for_browsers_everything_is_read_and_nothing_is_changed() {
    let gateway = Gateway::start(ENFORCE).await;
    let ask = |method: &str, path: &str| question(&person("root"), "ui", method, path, "{}");
    for (method, path, expected) in [
        ("GET", "/", (200, "")),
        ("GET", "/F/1/view/timeline", (200, "")),
        ("HEAD", "/api/flows", (200, "")),
        ("GET", "/api/ws", (200, "")),
        ("GET", "/static/js/main.4f.js", (200, "")),
        ("GET", "/api/%2e%2e/auth/token", (404, "UnknownPath")),
        ("GET", "//auth/token", (404, "UnknownPath")),
        ("POST", "/flows/F", (403, "ReadOnlyHost")),
        ("POST", HEARTBEAT_OF_ALICE, (403, "ReadOnlyHost")),
        ("DELETE", "/api/flows/F", (403, "ReadOnlyHost")),
        ("OPTIONS", "/api/flows", (403, "ReadOnlyHost")),
    ] {
        let answer = gateway.send(ask(method, path)).await;
        assert_eq!(
            answer.outcome(),
            (expected.0, expected.1.to_owned()),
            "{method} {path}"
        );
    }
    let answer = gateway
        .send(question(&person("nobody"), "ui", "GET", "/", ""))
        .await;
    assert_eq!(answer.outcome(), (403, "NoEndpointRight".to_owned()));
}

#[tokio::test]
async fn a_suspended_or_offboarded_user_loses_everything_at_the_next_event() {
    let gateway = Gateway::start(ENFORCE).await;
    assert_eq!(
        gateway
            .ask(&pod("alice"), "POST", HEARTBEAT_OF_ALICE, "{}")
            .await
            .status,
        200
    );
    let mut suspended = identity("alice@acme.com");
    suspended.serves = false;
    suspended.phase = Phase::Suspended;
    gateway
        .state
        .identities
        .apply("research", "mf-alice", suspended);
    let answer = gateway
        .ask(&pod("alice"), "POST", HEARTBEAT_OF_ALICE, "{}")
        .await;
    assert_eq!(answer.outcome(), (403, "NotServing".to_owned()));
    assert!(answer.body.contains("Suspended"), "{}", answer.body);
    set_rules(
        &gateway.state,
        &ENFORCE.replace("endpoints", "returned: []\nendpoints"),
    );
    gateway
        .state
        .identities
        .apply("research", "mf-mallory", identity("mallory@acme.com"));
    let answer = gateway.ask(&pod("mallory"), "GET", "/ping", "").await;
    assert_eq!(answer.outcome(), (403, "Offboarded".to_owned()));
}

#[tokio::test]
async fn without_the_section_everybody_is_refused_and_told_what_to_add() {
    let gateway = Gateway::start("").await;
    for claims in [person("root"), person("alice"), pod("alice")] {
        let answer = gateway.ask(&claims, "GET", "/ping", "").await;
        assert_eq!(answer.outcome(), (403, "NoEndpoints".to_owned()));
        assert!(answer.body.contains("add endpoints"), "{}", answer.body);
    }
}

#[tokio::test]
async fn in_shadow_mode_what_would_be_refused_is_allowed_and_counted() {
    let gateway =
        Gateway::start(&ENFORCE.replace("endpoints:", "endpoints:\n  mode: shadow")).await;
    for (claims, method, path, body, user) in [
        (
            person("bob"),
            "POST",
            HEARTBEAT_OF_ALICE,
            "{}".to_owned(),
            Some("bob@acme.com"),
        ),
        (
            person("bob"),
            "POST",
            "/flows/F/run",
            new_run("alice"),
            Some("bob@acme.com"),
        ),
        (
            person("nobody"),
            "GET",
            "/ping",
            String::new(),
            Some("nobody@acme.com"),
        ),
        (pod("other"), "GET", "/ping", String::new(), None),
        (
            person("bob"),
            "POST",
            "/flows/F/runs/9/heartbeat",
            "{}".to_owned(),
            Some("bob@acme.com"),
        ),
    ] {
        let answer = gateway.ask(&claims, method, path, &body).await;
        assert_eq!(
            (answer.status, answer.user()),
            (200, user),
            "{method} {path}"
        );
    }
    let metrics = gateway.state.metrics.text();
    for reason in [
        "NotYourRun",
        "NamesAnotherUser",
        "NoEndpointRight",
        "NotServing",
        "UnknownRun",
    ] {
        let line = format!(
            "namesake_gateway_requests_total{{decision=\"would_be_refused\",reason=\"{reason}\",mode=\"shadow\"}} 1"
        );
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
}

#[tokio::test]
async fn shadow_mode_opens_nothing_to_tokens_that_prove_nobody_and_to_writes_from_browsers() {
    let gateway =
        Gateway::start(&ENFORCE.replace("endpoints:", "endpoints:\n  mode: shadow")).await;
    let mut expired = person("alice");
    expired["exp"] = json!(1);
    let answer = gateway.ask(&expired, "GET", "/ping", "").await;
    assert_eq!(answer.outcome(), (401, "InvalidToken".to_owned()));
    let answer = gateway
        .send(question(&person("alice"), "ui", "POST", "/flows/F", "{}"))
        .await;
    assert_eq!(answer.outcome(), (403, "ReadOnlyHost".to_owned()));
}

#[tokio::test]
async fn a_request_without_readable_claims_or_without_a_kind_of_host_is_refused() {
    let gateway = Gateway::start(ENFORCE).await;
    let request = |claims: &[&str], serves: &[&str]| {
        let mut request = Request::get(format!("{}/ping", names::AUTHORIZE_PATH));
        for value in claims {
            request = request.header(names::CLAIMS_HEADER, *value);
        }
        for value in serves {
            request = request.header(names::SERVES_HEADER, *value);
        }
        request.body(Body::empty()).unwrap()
    };
    let claims = data_encoding::BASE64URL_NOPAD.encode(person("alice").to_string().as_bytes());
    let outcome = async |claims: &[&str], serves: &[&str]| {
        gateway.send(request(claims, serves)).await.outcome()
    };
    assert_eq!(outcome(&[&claims], &["api"]).await, (200, String::new()));
    let invalid = (401, "InvalidToken".to_owned());
    for bad in [&[][..], &[""], &["garbage!"], &["e30"], &[&claims, &claims]] {
        assert_eq!(outcome(bad, &["api"]).await, invalid, "{bad:?}");
    }
    for bad in [&[][..], &[""], &["API"], &["ui, api"], &["ui", "api"]] {
        assert_eq!(outcome(&[&claims], bad).await.1, "BadRequest", "{bad:?}");
    }
}

#[tokio::test]
async fn before_there_are_rules_nothing_is_allowed() {
    let gateway = Gateway::start(ENFORCE).await;
    let state = namesake_gateway::state::State::new(
        gateway.state.config.clone(),
        namesake_gateway::state::Owners::new(&"http://127.0.0.1:9".parse().unwrap()).unwrap(),
        Box::new(|| crate::setup::NOW),
    );
    let request = question(&person("root"), "api", "GET", "/ping", "");
    let answer = tower::ServiceExt::oneshot(namesake_gateway::app(state.into()), request)
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 503);
    assert!(answer.headers().contains_key("retry-after"));
}
