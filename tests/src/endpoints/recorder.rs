//! What Envoy asks the authorizer.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE},
};
use data_encoding::BASE64URL_NOPAD;
use namesake_api::names::{AUTHORIZE_PATH, CLAIMS_HEADER, USER_HEADER};
use serde_json::Value;
use tokio::net::UnixListener;

/// One question.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The method of the request.
    pub method: String,
    /// Its path and query.
    pub path: String,
    /// What the authorizer gets of its headers.
    pub headers: HeaderMap,
    /// The claims of the verified token.
    pub claims: Value,
    /// Size of its body, in bytes.
    pub body: usize,
}

/// Paths that it refuses with 403.
pub const REFUSED: &str = "/flows/Refused";
/// What it says then.
pub const REFUSAL: &str = r#"{"message": "this run is bob's", "reason": "NotYourRun"}"#;
/// Paths about which it says nothing.
pub const SILENT: &str = "/flows/Silent";

/// Allows everything else, as the user of the claim `email`, and remembers it.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Vec<Asked>>>);

impl Recorder {
    /// Starts it on a Unix socket, in a thread of its own: it outlives the runtime of the test that starts it.
    pub(super) fn start(socket: &Path) -> Result<Self> {
        let recorder = Self::default();
        let router = Router::new().fallback(answer).with_state(recorder.clone());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = {
            let _entered = runtime.enter();
            UnixListener::bind(socket)
                .with_context(|| format!("cannot listen on {}", socket.display()))?
        };
        std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || runtime.block_on(async { axum::serve(listener, router).await }))?;
        Ok(recorder)
    }

    /// The questions about paths that begin with this.
    #[must_use]
    pub fn asked(&self, path: &str) -> Vec<Asked> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .filter(|asked| asked.path.starts_with(path))
            .cloned()
            .collect()
    }
}

async fn answer(State(recorder): State<Recorder>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX)
        .await
        .map_or(0, |body| body.len());
    let claims = parts.headers.get(CLAIMS_HEADER).and_then(|claims| {
        let json = BASE64URL_NOPAD.decode(claims.as_bytes()).ok()?;
        serde_json::from_slice::<Value>(&json).ok()
    });
    let claims = claims.unwrap_or_default();
    let user = claims["email"]
        .as_str()
        .and_then(|user| HeaderValue::from_str(user).ok());
    let mut response = Response::new(Body::empty());
    if let Some(user) = user {
        response.headers_mut().insert(USER_HEADER, user);
    }
    let path = parts
        .uri
        .path_and_query()
        .map(ToString::to_string)
        .unwrap_or_default();
    let asked = Asked {
        method: parts.method.to_string(),
        path: path
            .strip_prefix(AUTHORIZE_PATH)
            .unwrap_or(&path)
            .to_owned(),
        headers: parts.headers,
        claims,
        body,
    };
    let (refuse, ignore) = (
        asked.path.starts_with(REFUSED),
        asked.path.starts_with(SILENT),
    );
    recorder
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(asked);
    if ignore {
        std::future::pending::<()>().await;
    }
    if refuse {
        *response.status_mut() = StatusCode::FORBIDDEN;
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *response.body_mut() = Body::from(REFUSAL);
    }
    response
}
