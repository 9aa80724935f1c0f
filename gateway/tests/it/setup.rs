//! A gateway with rules, identities and a metadata service on loopback, and requests as Envoy sends them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use axum::body::Body;
use axum::extract::{Path, State as Extract};
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use data_encoding::BASE64URL_NOPAD;
use http_body_util::BodyExt;
use namesake_api::names;
use namesake_gateway::app;
use namesake_gateway::caller::KnownIdentity;
use namesake_gateway::config::Config;
use namesake_gateway::state::{Owners, State};
use namesake_service::RulesFiles;
use serde_json::{Value, json};
use tokio::task::AbortHandle;
use tower::ServiceExt;

pub(crate) const NOW: i64 = 1_800_000_000;

/// alice and bob write, root is an admin, reader reads, mallory is offboarded. `ENDPOINTS` stands for the section.
const RULES: &str = r#"
apiVersion: namesake.dev/v1alpha1
kind: MappingRules
stack: prod
cluster: projects/acme/locations/us-central1/clusters/ml
users: [{requester: "*@acme.com"}]
offboarded: [mallory@acme.com]
ENDPOINTS"#;

pub(crate) const ENFORCE: &str = r#"
endpoints:
  read: {users: [reader@acme.com]}
  write: {users: [alice@acme.com, bob@acme.com, mallory@acme.com], groups: [writers]}
  admin: {users: [root@acme.com]}
"#;

/// What the metadata service of a test answers.
pub(crate) struct MetadataService {
    /// 0: the run; otherwise this status.
    pub(crate) status: AtomicU16,
    /// How often it was asked.
    pub(crate) asked: AtomicUsize,
    /// Answers only while it is allowed to.
    pub(crate) gate: tokio::sync::Semaphore,
}

/// A gateway and its metadata service.
pub(crate) struct Gateway {
    pub(crate) state: Arc<State>,
    pub(crate) service: Arc<MetadataService>,
    server: AbortHandle,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The runs of the metadata service: 1 of alice, 2 of bob, 3 from before the gateway, `argo-x` of alice, 4 of nobody.
async fn run(
    Extract(service): Extract<Arc<MetadataService>>,
    Path((flow, run)): Path<(String, String)>,
) -> Response {
    service.asked.fetch_add(1, Ordering::SeqCst);
    let _allowed = service.gate.acquire().await;
    let status = service.status.load(Ordering::SeqCst);
    if status != 0 {
        return StatusCode::from_u16(status).unwrap().into_response();
    }
    let user = match run.as_str() {
        "1" | "argo-x" => json!("alice@acme.com"),
        "2" => json!("bob@acme.com"),
        "3" => json!("alice"),
        "4" => Value::Null,
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    Json(json!({"flow_id": flow, "run_number": run, "user_name": user, "tags": ["user:mallory@acme.com"]})).into_response()
}

fn config() -> Config {
    let config = json!({
        "apiVersion": "namesake.dev/v1alpha1", "kind": "GatewayConfig", "hosts": [],
        "issuers": [{"name": "google", "issuer": "https://issuer", "audiences": ["web"], "groups": {"claim": "groups"},
            "login": {"type": "oidc", "clientId": "web", "secretName": "login"}}],
        "cluster": {"audience": "namesake-gateway", "issuer": "https://cluster"},
    });
    serde_json::from_value(config).unwrap()
}

impl Gateway {
    /// With this section of the rules.
    pub(crate) async fn start(endpoints: &str) -> Gateway {
        // Another test may have installed it.
        let _ = namesake_service::install_crypto_provider();
        let service = Arc::new(MetadataService {
            status: AtomicU16::new(0),
            asked: AtomicUsize::new(0),
            gate: tokio::sync::Semaphore::new(1000),
        });
        let routes = Router::new()
            .route("/flows/{flow}/runs/{run}", get(run))
            .with_state(service.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, routes).await });
        let owners = Owners::new(&url.parse().unwrap()).unwrap();
        let state = State::new(config(), owners, Box::new(|| NOW));
        set_rules(&state, endpoints);
        state
            .identities
            .apply("research", "mf-alice", identity("alice@acme.com"));
        state
            .identities
            .apply("research", "mf-bob", identity("bob@acme.com"));
        state
            .identities
            .apply("research", "mf-root", identity("root@acme.com"));
        Gateway {
            state: Arc::new(state),
            service,
            server: server.abort_handle(),
        }
    }

    /// Sends a request to a route of the socket.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let answer = app(self.state.clone()).oneshot(request).await.unwrap();
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// Asks as Envoy asks for a host for programs.
    pub(crate) async fn ask(&self, claims: &Value, method: &str, path: &str, body: &str) -> Answer {
        self.send(question(claims, "api", method, path, body)).await
    }
}

/// Puts rules with this section in force.
pub(crate) fn set_rules(state: &State, endpoints: &str) {
    let text = RULES.replace("ENDPOINTS", endpoints);
    let files = RulesFiles::from([(names::RULES_KEY.to_owned(), text)]);
    let effect = state.rules.set_current(Some(files));
    assert!(
        matches!(effect, namesake_service::RulesEffect::InForce { .. }),
        "{effect:?}"
    );
}

/// An identity of a user that serves; the UID of its account is `uid-USER`.
pub(crate) fn identity(user: &str) -> KnownIdentity {
    KnownIdentity {
        stack: "prod".into(),
        user: user.into(),
        class: "research".into(),
        google_account: Some("mf@acme.iam.gserviceaccount.com".into()),
        service_account_uid: Some(format!("uid-{user}").into()),
        phase: namesake_api::Phase::InUse,
        serves: true,
        not_ready: None,
    }
}

/// The claims of a person.
pub(crate) fn person(name: &str) -> Value {
    json!({"iss": "https://issuer", "aud": "web", "sub": "1", "exp": NOW + 60, "email": format!("{name}@acme.com"), "email_verified": true})
}

/// The claims of a pod in `research` with the account `mf-NAME`.
pub(crate) fn pod(name: &str) -> Value {
    json!({"iss": "https://cluster", "aud": ["namesake-gateway"], "exp": NOW + 60,
        "sub": format!("system:serviceaccount:research:mf-{name}"),
        "kubernetes.io": {"namespace": "research", "pod": {"name": "t-1", "uid": "p"},
            "serviceaccount": {"name": format!("mf-{name}"), "uid": format!("uid-{name}@acme.com")}}})
}

/// The question of Envoy about a request with these claims.
pub(crate) fn question(
    claims: &Value,
    serves: &str,
    method: &str,
    path: &str,
    body: &str,
) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(format!("{}{path}", names::AUTHORIZE_PATH))
        .header(
            names::CLAIMS_HEADER,
            BASE64URL_NOPAD.encode(claims.to_string().as_bytes()),
        )
        .header(names::SERVES_HEADER, serves)
        .body(Body::from(body.to_owned()))
        .unwrap()
}

/// A request that Envoy passes to the page.
pub(crate) fn visit(claims: &Value, path: &str, accept: &str) -> Request<Body> {
    Request::get(path)
        .header(
            names::CLAIMS_HEADER,
            BASE64URL_NOPAD.encode(claims.to_string().as_bytes()),
        )
        .header("accept", accept)
        .body(Body::empty())
        .unwrap()
}

/// The body of a new run.
pub(crate) fn new_run(user: &str) -> String {
    json!({"flow_id": "F", "user_name": user, "tags": [], "system_tags": [format!("user:{user}"), "runtime:dev"]}).to_string()
}

/// An answer of the socket.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// The user that Envoy adds to the request.
    pub(crate) fn user(&self) -> Option<&str> {
        self.headers.get(names::USER_HEADER)?.to_str().ok()
    }

    /// The status, and the reason if there is one, which has its own code.
    pub(crate) fn outcome(&self) -> (u16, String) {
        let body: BTreeMap<String, String> = serde_json::from_str(&self.body).unwrap_or_default();
        let reason = body.get("reason").cloned().unwrap_or_default();
        let known = reason.parse::<namesake_core::Reason>().ok();
        let code = known.map(namesake_core::Reason::code);
        assert_eq!(body.get("code").map(String::as_str), code, "{reason}");
        (self.status, reason)
    }
}
