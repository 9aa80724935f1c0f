//! The page for people.

use axum::http::{Request, Response};
use kube::client::Body;
use namesake_api::{Phase, UnprovenParent, UnprovenReport, names};
use namesake_gateway::caller::NotReady;
use namesake_gateway::state::{Cluster, State};
use serde_json::{Value, json};

use crate::setup::{ENFORCE, Gateway, identity, person, pod, question, visit};

const HTML: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

/// What the webhook reports.
fn report() -> UnprovenReport {
    UnprovenReport::new(vec![UnprovenParent {
        namespace: "research".to_owned(),
        kind: "batch/Job".into(),
        name: "nightly-1".to_owned(),
        why: "it has no <stamp>".to_owned(),
    }])
}

/// An API server with two pods at a gate, one that is not, and a quota, and a parent without a proven requester.
fn cluster() -> Cluster {
    let answer = |path: &str| {
        let pod = |name: &str, account: &str, gates: Value| {
            json!({"metadata": {"name": name, "namespace": "research", "creationTimestamp": "2026-01-01T00:00:00Z"},
                "spec": {"containers": [], "serviceAccountName": account, "schedulingGates": gates}})
        };
        let gate = json!([{"name": names::GATE}]);
        match path {
            "/api/v1/namespaces/research/pods" => (
                200,
                json!({"metadata": {}, "items": [
                pod("t-alice", "mf-alice", gate.clone()), pod("t-bob", "mf-bob", gate.clone()),
                pod("t-other", "mf-alice", json!([{"name": "other"}])), pod("t-unknown", "default", gate)]}),
            ),
            "/api/v1/namespaces/namesake-system/configmaps/namesake-quota" => (
                200,
                json!({"metadata": {}, "data": {"google_accounts.acme": "82 of 100"}}),
            ),
            "/api/v1/namespaces/namesake-system/configmaps/namesake-unproven" => (
                200,
                json!({"metadata": {}, "data": report().to_data().unwrap()}),
            ),
            _ => (
                403,
                json!({"status": "Failure", "message": "not allowed", "reason": "Forbidden", "code": 403}),
            ),
        }
    };
    let service = tower::service_fn(move |request: Request<Body>| {
        let (status, body) = answer(request.uri().path());
        let answer = Response::builder()
            .status(status)
            .body(Body::from(body.to_string().into_bytes()));
        async move { answer }
    });
    Cluster::new(kube::Client::new(service, "default"), "namesake-system")
}

async fn gateway() -> Gateway {
    let mut gateway = Gateway::start(ENFORCE).await;
    let mut alice = identity("alice@acme.com");
    alice.phase = Phase::Verifying;
    alice.not_ready = Some(Box::new(NotReady {
        reason: "Propagating".to_owned(),
        message: "Google is distributing a change".to_owned(),
    }));
    gateway
        .state
        .identities
        .apply("research", "mf-alice", alice);
    let state = std::sync::Arc::get_mut(&mut gateway.state).unwrap();
    let owners =
        namesake_gateway::state::Owners::new(&"http://127.0.0.1:9".parse().unwrap()).unwrap();
    let empty = State::new(state.config.clone(), owners, Box::new(|| crate::setup::NOW));
    let with_cluster = std::mem::replace(state, empty).with_cluster(cluster());
    *state = with_cluster;
    gateway
}

async fn status(gateway: &Gateway, claims: &Value) -> Value {
    let answer = gateway.send(visit(claims, names::STATUS_PATH, "*/*")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

fn names_of(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap();
    list.iter()
        .map(|item| item["name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn whoami_says_user_requester_groups_and_rights() {
    let gateway = gateway().await;
    let mut claims = person("Carol");
    claims["groups"] = json!(["writers", "others"]);
    let answer = gateway
        .send(visit(&claims, names::WHOAMI_PATH, "*/*"))
        .await;
    let expected = json!({"user": "carol@acme.com", "requester": "Carol@acme.com", "groups": ["writers"], "isPod": false,
        "read": true, "write": true, "admin": false});
    assert_eq!(
        serde_json::from_str::<Value>(&answer.body).unwrap(),
        expected
    );
    let answer = gateway
        .send(visit(&pod("alice"), names::WHOAMI_PATH, "*/*"))
        .await;
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        (&body["user"], &body["isPod"], &body["write"]),
        (&json!("alice@acme.com"), &json!(true), &json!(true))
    );
    let answer = gateway
        .send(visit(&person("nobody"), names::WHOAMI_PATH, "*/*"))
        .await;
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status, &body["read"]), (200, &json!(false)));
    assert!(
        body["refusal"].as_str().unwrap().contains("endpoints.read"),
        "{body}"
    );
    let answer = gateway
        .send(visit(&pod("other"), names::WHOAMI_PATH, "*/*"))
        .await;
    assert_eq!(answer.outcome(), (403, "NotServing".to_owned()));
}

#[tokio::test]
async fn people_see_their_own_identities_and_waiting_pods_and_no_others() {
    let gateway = gateway().await;
    let status = status(&gateway, &person("alice")).await;
    assert_eq!(names_of(&status["identities"]), ["mf-alice"]);
    assert_eq!(status["identities"][0]["reason"], "Propagating");
    assert_eq!(names_of(&status["waiting"]), ["t-alice"]);
    assert_eq!(
        status["waiting"][0]["why"],
        "Propagating: Google is distributing a change"
    );
    assert!(status.get("quotas").is_none() && status.get("unproven").is_none());
    assert_eq!(status["problems"], json!([]));
    let answer = gateway
        .send(visit(&person("alice"), "/namesake/", HTML))
        .await;
    assert!(
        answer.body.contains("t-alice") && answer.body.contains("Propagating"),
        "{}",
        answer.body
    );
    assert!(!answer.body.contains("bob"), "{}", answer.body);
}

#[tokio::test]
async fn admins_see_all_with_what_does_not_work_first_quotas_and_unproven_parents() {
    let gateway = gateway().await;
    let status = status(&gateway, &person("root")).await;
    assert_eq!(
        names_of(&status["identities"]),
        ["mf-alice", "mf-bob", "mf-root"]
    );
    assert_eq!(names_of(&status["waiting"]), ["t-alice", "t-bob"]);
    assert_eq!(
        status["quotas"],
        json!({"google_accounts.acme": "82 of 100"})
    );
    assert_eq!(status["unproven"], serde_json::to_value(report()).unwrap());
    let answer = gateway
        .send(visit(&person("root"), "/namesake", HTML))
        .await;
    assert!(
        answer.body.contains("nightly-1") && answer.body.contains("it has no &lt;stamp&gt;"),
        "{}",
        answer.body
    );
    assert!(
        answer.body.contains("82 of 100") && answer.body.contains("bob@acme.com"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn what_the_gateway_may_not_read_is_said() {
    let gateway = gateway().await;
    gateway
        .state
        .identities
        .apply("closed", "mf-alice", identity("alice@acme.com"));
    let status = status(&gateway, &person("alice")).await;
    assert_eq!(
        status["problems"],
        json!(["The pods of namespace closed cannot be read: not allowed"])
    );
    assert_eq!(names_of(&status["waiting"]), ["t-alice"]);
}

#[tokio::test]
async fn hostile_names_are_escaped() {
    let gateway = gateway().await;
    let hostile = "<script>alert(1)</script>\"'&@acme.com";
    let mut known = identity("alice@acme.com");
    known.class = hostile.into();
    known.google_account = Some(hostile.into());
    known.not_ready = Some(Box::new(NotReady {
        reason: hostile.to_owned(),
        message: hostile.to_owned(),
    }));
    gateway.state.identities.apply(hostile, hostile, known);
    let mut claims = person("alice");
    claims["groups"] = json!([hostile]);
    let answer = gateway.send(visit(&claims, "/namesake/", HTML)).await;
    assert!(
        answer.body.contains("&lt;script&gt;alert(1)"),
        "{}",
        answer.body
    );
    assert!(!answer.body.contains("<script"), "{}", answer.body);
    let unknown = gateway.send(visit(&pod("<b>"), "/namesake/", HTML)).await;
    assert_eq!(unknown.status, 403);
    assert!(
        unknown.body.contains("mf-&lt;b&gt;") && !unknown.body.contains("<b>"),
        "{}",
        unknown.body
    );
}

#[tokio::test]
async fn the_page_allows_nothing_but_its_own_style_sheet() {
    let gateway = gateway().await;
    let answer = gateway
        .send(visit(&person("alice"), "/namesake/", HTML))
        .await;
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    let style = answer
        .body
        .split("<style>")
        .nth(1)
        .unwrap()
        .split("</style>")
        .next()
        .unwrap();
    let digest = data_encoding::BASE64.encode(&<sha2::Sha256 as sha2::Digest>::digest(style));
    assert_eq!(
        policy,
        format!(
            "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
    );
    for text in ["<script", "http://", "https://", " style=", " onclick"] {
        assert!(!answer.body.contains(text), "{text}");
    }
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
}

#[tokio::test]
async fn who_logged_in_in_a_browser_can_log_out() {
    let gateway = gateway().await;
    for (serves, can) in [("ui", true), ("api", false)] {
        let mut visit = visit(&person("alice"), "/namesake/", HTML);
        let serves = serves.parse().unwrap();
        visit.headers_mut().insert(names::SERVES_HEADER, serves);
        let answer = gateway.send(visit).await;
        assert_eq!(answer.body.contains("href=\"/namesake/logout\""), can);
    }
}

#[tokio::test]
async fn json_is_for_programs_and_html_for_browsers() {
    let gateway = gateway().await;
    for (accept, is_json) in [(HTML, false), ("*/*", false), ("application/json", true)] {
        let answer = gateway
            .send(visit(&person("alice"), "/namesake/", accept))
            .await;
        assert_eq!(answer.body.starts_with('{'), is_json, "{accept}");
    }
}

#[tokio::test]
async fn everybody_with_a_token_reaches_the_page_and_nothing_else_of_it() {
    let gateway = gateway().await;
    for (claims, method, path, expected) in [
        (person("nobody"), "GET", "/namesake/", 200),
        (pod("other"), "GET", "/namesake/whoami", 200),
        (person("nobody"), "GET", "/namesakes", 403),
        (person("nobody"), "POST", "/namesake/", 403),
        (person("nobody"), "GET", "/namesake/%2e%2e/api/flows", 403),
    ] {
        let answer = gateway
            .send(question(&claims, "ui", method, path, ""))
            .await;
        assert_eq!(answer.status, expected, "{method} {path}: {answer:?}");
    }
    // The page looks at the claims itself.
    let answer = gateway.send(visit(&json!({}), "/namesake/", HTML)).await;
    assert_eq!(answer.status, 401);
    assert!(
        answer.body.contains("You are not known here"),
        "{}",
        answer.body
    );
}
