//! One request by plain HTTP, for the services that the official crate does not cover.

use std::time::Duration;

use google_cloud_auth::credentials::CacheableResource;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::error::answer::Answer;
use crate::error::classify::{self, source_text};
use crate::{Error, Failure, Gcp};

/// Largest body that is read. Google's answers are small: a policy has a few tens of KB.
const MAX_BODY_BYTES: usize = 4 << 20;

/// How a request is authenticated.
#[derive(Clone, Copy)]
pub(crate) enum Bearer<'a> {
    /// With our own credentials.
    Ours,
    /// With this token in the header.
    Token(&'a SecretString),
    /// By this secret in the body.
    InBody(&'a SecretString),
}

impl Gcp {
    /// Sends one request and reads its JSON answer; an empty answer is null.
    pub(crate) async fn send(
        &self,
        what: &str,
        request: RequestBuilder,
        bearer: Bearer<'_>,
    ) -> Result<Value, Error> {
        let request = match bearer {
            Bearer::Ours => request.headers(self.own_headers(what).await?),
            Bearer::Token(token) => request.bearer_auth(token.expose_secret()),
            Bearer::InBody(_) => request,
        };
        let response = request.send().await.map_err(|e| unavailable(what, e))?;
        let status = response.status();
        let wait = retry_after(&response);
        let body = read_body(response, what).await?;
        if !status.is_success() {
            let mut answer = Answer::parse(status.as_u16(), &body, wait);
            answer.change_texts(|text| without_secret(text, bearer));
            return Err(answer.error(what));
        }
        if body.is_empty() {
            return Ok(Value::Null);
        }
        // The parser's error would quote the answer, which may be a token.
        serde_json::from_slice(&body).map_err(|_| invalid(what, "the answer is not JSON"))
    }

    async fn own_headers(&self, what: &str) -> Result<HeaderMap, Error> {
        let found = self.credentials.headers(::http::Extensions::new()).await;
        match found {
            Ok(CacheableResource::New { data, .. }) => Ok(data),
            Ok(CacheableResource::NotModified) => Ok(HeaderMap::new()),
            Err(error) => {
                let text = source_text(&error);
                Err(classify::credentials(what, &text, error.is_transient()))
            }
        }
    }
}

/// `base` with these parts appended, each percent-encoded as one part of the path.
pub(crate) fn url(base: &str, parts: &[&str]) -> Result<Url, Error> {
    let failed = || invalid(&format!("endpoint {base:?}"), "not an http URL");
    let mut url = Url::parse(base).map_err(|_| failed())?;
    url.path_segments_mut()
        .map_err(|()| failed())?
        .pop_if_empty()
        .extend(parts);
    Ok(url)
}

pub(crate) fn invalid(what: &str, message: &str) -> Error {
    Error::Invalid(Failure::new(what, message))
}

fn unavailable(what: &str, error: reqwest::Error) -> Error {
    Error::Unavailable(Failure::new(what, source_text(&error.without_url())))
}

async fn read_body(mut response: Response, what: &str) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| unavailable(what, e))? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(invalid(what, "the answer is too long"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    text.parse().ok().map(Duration::from_secs)
}

// Google does not quote tokens, but does not promise that either.
fn without_secret(message: String, bearer: Bearer<'_>) -> String {
    let secret = match bearer {
        Bearer::Ours => return message,
        Bearer::Token(secret) | Bearer::InBody(secret) => secret.expose_secret(),
    };
    match secret.is_empty() {
        true => message,
        false => message.replace(secret, "[token]"),
    }
}
