//! The client against a server that records requests and returns scripted answers in the form recorded from Google.

mod accounts;
mod emulator;
mod faults;
mod policies;
mod refusals;
mod tokens;
mod world;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use google_cloud_auth::credentials::{
    CacheableResource, Credentials, CredentialsProvider, EntityTag,
};
use google_cloud_gax::error::CredentialsError;
use serde_json::{Value, json};

use crate::{Endpoints, Error, Gcp};

impl Error {
    /// The name of the error's variant, or of the refusal's, for assertions.
    pub(crate) fn kind(&self) -> String {
        let mut name = match self {
            Self::Refused { by, .. } => format!("{by:?}"),
            error => error.as_str().to_owned(),
        };
        name.truncate(name.find([' ', '(']).unwrap_or(name.len()));
        name
    }
}

/// A request as it was received.
#[derive(Clone, Debug)]
struct Seen {
    /// `METHOD /path?query`, without the query that the official crate adds to every request.
    line: String,
    body: Value,
    form: String,
    bearer: Option<String>,
}

/// A scripted answer.
enum Answer {
    Json(u16, Value),
    /// The connection ends in the middle of the answer.
    Cut,
}

#[derive(Clone)]
struct Google {
    script: Arc<Mutex<VecDeque<Answer>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Google {
    fn lines(&self) -> Vec<String> {
        self.seen
            .lock()
            .unwrap()
            .iter()
            .map(|s| s.line.clone())
            .collect()
    }

    fn seen(&self, n: usize) -> Seen {
        self.seen.lock().unwrap()[n].clone()
    }
}

fn ok(body: Value) -> Answer {
    Answer::Json(200, body)
}

fn error(code: u16, status: &str, message: &str) -> Answer {
    let body = json!({"error": {"code": code, "status": status, "message": message}});
    Answer::Json(code, body)
}

/// A client with a time limit of 20 s, and the server that it talks to.
async fn google(script: impl IntoIterator<Item = Answer>) -> (Gcp, Google) {
    // Only the first test of the process installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let google = Google {
        script: Arc::new(Mutex::new(script.into_iter().collect())),
        seen: Arc::default(),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(answer).with_state(google.clone());
    tokio::spawn(async { axum::serve(listener, app).await });
    let gcp = Gcp::connect(Endpoints::all_at(&base), ours())
        .await
        .unwrap();
    (gcp.within(Duration::from_secs(20)), google)
}

async fn answer(State(google): State<Google>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let uri = parts
        .uri
        .to_string()
        .replace("%24alt=json%3Benum-encoding%3Dint", "");
    let bearer = parts
        .headers
        .get("authorization")
        .map(|v| v.to_str().unwrap().to_owned());
    google.seen.lock().unwrap().push(Seen {
        line: format!("{} {}", parts.method, uri.trim_end_matches(['?', '&'])),
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
        form: String::from_utf8_lossy(&bytes).into_owned(),
        bearer,
    });
    let next = google.script.lock().unwrap().pop_front();
    let response = Response::builder().header("content-type", "application/json; charset=UTF-8");
    match next {
        Some(Answer::Json(code, body)) => response
            .status(code)
            .body(Body::from(body.to_string()))
            .unwrap(),
        Some(Answer::Cut) => {
            let parts = [
                Ok(bytes::Bytes::from("{")),
                Err(std::io::Error::other("cut")),
            ];
            response
                .body(Body::from_stream(futures::stream::iter(parts)))
                .unwrap()
        }
        None => response
            .status(418)
            .body(Body::from("the script has no more answers"))
            .unwrap(),
    }
}

impl Gcp {
    /// All accounts of a project, in Google's order.
    async fn list_service_accounts(
        &self,
        project: &str,
    ) -> Result<Vec<crate::ServiceAccount>, crate::Error> {
        let mut all = Vec::new();
        let mut token = Some(String::new());
        while let Some(page_token) = token {
            let (page, next) = self.service_accounts_page(project, &page_token).await?;
            all.extend(page);
            token = next;
        }
        Ok(all)
    }
}

// Compiles only if a caller can spawn these.
#[expect(dead_code, reason = "only compiled")]
fn every_future_can_move_to_another_thread(gcp: &'static Gcp, resource: &'static crate::Resource) {
    fn moves<T: Send>(_: T) {}
    moves(gcp.create_service_account("p", "i", "n", "d"));
    moves(gcp.list_service_accounts("p"));
    moves(gcp.undelete_service_account("p", "1"));
    moves(gcp.modify_policy(resource, |policy| policy.remove_member("m")));
    moves(gcp.bucket_has_uniform_access("b"));
    moves(async {
        let token = gcp.exchange(&"t".into(), "a", "s").await?;
        let token = gcp.generate_access_token(&token, "e").await?;
        gcp.test_iam_permissions(resource, &token, &["p"]).await
    });
}

/// Our own credentials in these tests: a constant token.
#[derive(Debug)]
struct Bearer(Arc<str>);

impl CredentialsProvider for Bearer {
    async fn headers(
        &self,
        _: ::http::Extensions,
    ) -> Result<CacheableResource<::http::HeaderMap>, CredentialsError> {
        let mut data = ::http::HeaderMap::new();
        let value = ::http::HeaderValue::from_str(&format!("Bearer {}", self.0)).unwrap();
        data.insert("authorization", value);
        Ok(CacheableResource::New {
            entity_tag: EntityTag::new(),
            data,
        })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}

fn ours() -> Credentials {
    Credentials::from(Bearer(Arc::from("ours")))
}
