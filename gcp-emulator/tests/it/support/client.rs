//! A client of the emulator's router, and its answers.

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

/// Sends requests with one bearer token, or without any.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) router: Router,
    /// Empty: no Authorization header.
    pub(crate) token: String,
}

impl Client {
    pub(crate) async fn get(&self, uri: &str) -> Answer {
        self.request("GET", uri, Value::Null).await
    }

    pub(crate) async fn delete(&self, uri: &str) -> Answer {
        self.request("DELETE", uri, Value::Null).await
    }

    pub(crate) async fn post(&self, uri: &str, body: Value) -> Answer {
        self.request("POST", uri, body).await
    }

    pub(crate) async fn put(&self, uri: &str, body: Value) -> Answer {
        self.request("PUT", uri, body).await
    }

    pub(crate) async fn patch(&self, uri: &str, body: Value) -> Answer {
        self.request("PATCH", uri, body).await
    }

    /// A request with a JSON body, or without a body if it is null.
    pub(crate) async fn request(&self, method: &str, uri: &str, body: Value) -> Answer {
        let request = Request::builder().method(method).uri(uri);
        let request = match body {
            Value::Null => request.body(Body::empty()),
            body => request
                .header("content-type", "application/json")
                .body(Body::from(body.to_string())),
        };
        self.send(request.unwrap()).await
    }

    /// A request as it is, with the token added.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answer {
        if !self.token.is_empty() {
            let value = format!("Bearer {}", self.token).parse().unwrap();
            request.headers_mut().insert("authorization", value);
        }
        let line = format!("{} {}", request.method(), request.uri());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            line,
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes))),
        }
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Method and URI of the request.
    line: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// The JSON body; one that is not JSON as a string.
    pub(crate) body: Value,
}

impl Answer {
    /// `error.message`
    pub(crate) fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }

    /// `error.status`
    pub(crate) fn code(&self) -> &str {
        self.body["error"]["status"].as_str().unwrap_or_default()
    }

    /// The body of an answer that must have the status 200.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}: {}", self.line, self.body);
        self.body
    }

    /// The same answer, which must be an error of this status.
    #[track_caller]
    pub(crate) fn refused(self, status: u16) -> Self {
        assert!(status >= 400, "{status} is not an error");
        assert_eq!(self.status, status, "{}: {}", self.line, self.body);
        self
    }

    /// The same answer, which must have this status and this `error.status`.
    #[track_caller]
    pub(crate) fn refused_as(self, status: u16, code: &str) -> Self {
        let answer = self.refused(status);
        assert_eq!(answer.code(), code, "{}: {}", answer.line, answer.body);
        answer
    }
}
