//! The object store behind the emulator: plain HTTP, with streaming in both directions.

use std::collections::HashMap;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, Uri, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use parking_lot::Mutex;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::api::errors::ApiError;

/// Headers that concern one connection, and those that must not reach the store: it has no IAM, and a method override
/// would turn the request that was checked into another one.
const DROPPED_HEADERS: [HeaderName; 8] = [
    header::AUTHORIZATION,
    header::CONNECTION,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("x-http-method-override"),
];

/// A client of fake-gcs-server.
#[derive(Debug)]
pub(crate) struct ObjectStore {
    base: String,
    client: Client<HttpConnector, Body>,
    /// Buckets that it is known to have, and whether it was told to keep older versions of their objects.
    known_buckets: Mutex<HashMap<String, Option<bool>>>,
}

impl ObjectStore {
    /// A client of the store at `base`.
    ///
    /// # Errors
    /// `base` is not an http URL.
    pub(crate) fn new(base: &str) -> Result<Self, String> {
        let base = base.trim_end_matches('/').to_owned();
        let uri: Uri = base.parse().map_err(|error| format!("{base}: {error}"))?;
        if uri.scheme_str() != Some("http") || uri.host().is_none() {
            return Err(format!("{base}: must be http://HOST:PORT"));
        }
        Ok(Self {
            base,
            client: Client::builder(TokioExecutor::new()).build_http(),
            known_buckets: Mutex::default(),
        })
    }

    /// Forwards a request to `path_and_query`, with the Host header of the client, from which the store builds the URLs of
    /// upload sessions.
    ///
    /// # Errors
    /// 503 if the store cannot be reached.
    pub(crate) async fn forward(
        &self,
        method: &Method,
        headers: &HeaderMap,
        path_and_query: &str,
        body: Body,
    ) -> Result<Response, ApiError> {
        let mut request = Request::builder()
            .method(method.clone())
            .uri(format!("{}{path_and_query}", self.base))
            .body(body)
            .map_err(|error| ApiError::storage(400, "invalid", error.to_string()))?;
        for (name, value) in headers {
            if !DROPPED_HEADERS.contains(name) {
                request.headers_mut().append(name, value.clone());
            }
        }
        let mut response = self
            .client
            .request(request)
            .await
            .map_err(|error| self.unreachable(&error))?;
        response.headers_mut().remove(header::TRANSFER_ENCODING);
        response.headers_mut().remove(header::CONNECTION);
        Ok(response.map(Body::new))
    }

    /// Creates the bucket in the store if it does not exist, and sets whether it keeps older versions if `versioned` says so.
    ///
    /// # Errors
    /// 503 if the store cannot be reached or does not do it.
    pub(crate) async fn ensure_bucket(
        &self,
        bucket: &str,
        versioned: Option<bool>,
    ) -> Result<(), ApiError> {
        if self.known_buckets.lock().get(bucket) == Some(&versioned) {
            return Ok(());
        }
        let body = Body::from(json!({"name": bucket}).to_string());
        let mut status = self.send(Method::POST, "/storage/v1/b", body).await?;
        if status == StatusCode::CONFLICT {
            status = StatusCode::OK;
        }
        if let (Some(enabled), true) = (versioned, status.is_success()) {
            let path = format!("/storage/v1/b/{}", encode(bucket));
            let body = Body::from(json!({"versioning": {"enabled": enabled}}).to_string());
            status = self.send(Method::PATCH, &path, body).await?;
        }
        if !status.is_success() {
            let message = format!(
                "the object store at {} does not create bucket {bucket}: {status}",
                self.base
            );
            return Err(ApiError::storage(503, "backendError", message));
        }
        let mut known = self.known_buckets.lock();
        known.insert(bucket.to_owned(), versioned);
        Ok(())
    }

    /// Deletes the bucket, which must be empty.
    ///
    /// # Errors
    /// 409 if it is not empty, 503 if the store cannot be reached.
    pub(crate) async fn delete_bucket(&self, bucket: &str) -> Result<(), ApiError> {
        let path = format!("/storage/v1/b/{}", encode(bucket));
        let status = self.send(Method::DELETE, &path, Body::empty()).await?;
        if status.is_success() || status == StatusCode::NOT_FOUND {
            self.known_buckets.lock().remove(bucket);
            return Ok(());
        }
        Err(ApiError::storage(
            409,
            "conflict",
            "The bucket you tried to delete is not empty.",
        ))
    }

    /// Whether the object exists.
    ///
    /// # Errors
    /// 503 if the store cannot be reached.
    pub(crate) async fn has_object(&self, bucket: &str, object: &str) -> Result<bool, ApiError> {
        let path = format!("/storage/v1/b/{}/o/{}", encode(bucket), encode(object));
        Ok(self
            .send(Method::GET, &path, Body::empty())
            .await?
            .is_success())
    }

    /// The metadata of an object, or of one generation of it; `None` if it does not exist.
    ///
    /// # Errors
    /// 503 if the store cannot be reached.
    pub(crate) async fn metadata(
        &self,
        bucket: &str,
        object: &str,
        generation: Option<&str>,
    ) -> Result<Option<serde_json::Value>, ApiError> {
        let generation = generation
            .map(|it| format!("?generation={}", encode(it)))
            .unwrap_or_default();
        let path = format!(
            "/storage/v1/b/{}/o/{}{generation}",
            encode(bucket),
            encode(object)
        );
        let response = self
            .forward(&Method::GET, &HeaderMap::new(), &path, Body::empty())
            .await?;
        match response.status().is_success() {
            true => self.json(response).await.map(Some),
            false => Ok(None),
        }
    }

    async fn json(&self, response: Response) -> Result<serde_json::Value, ApiError> {
        use http_body_util::BodyExt;
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|error| self.unreachable(&error))?;
        Ok(serde_json::from_slice(&body.to_bytes()).unwrap_or_default())
    }

    /// Whether an object's name begins with `prefix`.
    ///
    /// # Errors
    /// 503 if the store cannot be reached.
    pub(crate) async fn has_prefix(&self, bucket: &str, prefix: &str) -> Result<bool, ApiError> {
        let path = format!(
            "/storage/v1/b/{}/o?prefix={}&maxResults=1",
            encode(bucket),
            encode(prefix)
        );
        let response = self
            .forward(&Method::GET, &HeaderMap::new(), &path, Body::empty())
            .await?;
        let listing = self.json(response).await?;
        Ok(listing.pointer("/items/0").is_some())
    }

    async fn send(&self, method: Method, path: &str, body: Body) -> Result<StatusCode, ApiError> {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("application/json"),
        );
        Ok(self.forward(&method, &headers, path, body).await?.status())
    }

    fn unreachable(&self, error: &dyn std::error::Error) -> ApiError {
        tracing::warn!(base = self.base, %error, "cannot reach the object store");
        let message = format!(
            "the object store at {} cannot be reached: is fake-gcs-server running there?",
            self.base
        );
        ApiError::storage(503, "backendError", message)
    }
}

/// A name, percent-encoded as one part of a path or query.
pub(crate) fn encode(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}
