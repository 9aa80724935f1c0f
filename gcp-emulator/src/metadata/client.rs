//! A plain HTTP client of the emulator.

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::MetadataError;

const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// A client of one emulator.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    base_url: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// Status and JSON body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Http {
    pub(crate) fn new(base_url: &str) -> Self {
        Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// POSTs JSON.
    ///
    /// # Errors
    /// 500 if there is no answer.
    pub(crate) async fn post(
        &self,
        path: &str,
        bearer: Option<&SecretString>,
        body: &Value,
    ) -> Result<Answer, MetadataError> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}{path}", self.base_url))
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(bearer) = bearer {
            request = request.header(
                header::AUTHORIZATION,
                format!("Bearer {}", bearer.expose_secret()),
            );
        }
        let unreachable = |error: String| {
            MetadataError::internal(format!("cannot reach {}: {error}", self.base_url))
        };
        let request = request
            .body(Full::from(body.to_string()))
            .map_err(|error| unreachable(error.to_string()))?;
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES)
            .collect()
            .await
            .map_err(|error| unreachable(error.to_string()))?
            .to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Ok(Answer { status, body })
    }
}

impl Answer {
    /// A text field of the body.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.body
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The error message in the body: `error.message`, or OAuth's two fields.
    pub(crate) fn error(&self) -> String {
        let message = self.body.pointer("/error/message").and_then(Value::as_str);
        match message {
            Some(message) => message.to_owned(),
            None => format!("{}: {}", self.text("error"), self.text("error_description")),
        }
    }

    /// The status line, such as `404 Not Found`.
    pub(crate) fn status_line(&self) -> String {
        let reason = http::StatusCode::from_u16(self.status).ok();
        let reason = reason
            .and_then(|status| status.canonical_reason())
            .unwrap_or_default();
        format!("{} {reason}", self.status)
    }
}
