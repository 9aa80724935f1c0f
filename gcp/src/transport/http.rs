//! One request by plain HTTP, for the services that the official crates do not cover.

use std::time::Duration;

use google_cloud_auth::credentials::CacheableResource;
use reqwest::{RequestBuilder, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::error::answer::Answer;
use crate::error::classify;
use crate::{AccessToken, Error, Failure, Gcp};

/// Google's answers to us are small; a policy is a few tens of KB.
const BODY_BYTES: usize = 4 << 20;

/// Whose request it is.
#[derive(Clone, Copy)]
pub(crate) enum Bearer<'a> {
    /// Our own.
    Ours,
    /// Of whom the token stands for.
    Token(&'a AccessToken),
    /// Nobody's; the secret is in the body.
    Nobody {
        /// What must not appear in an error.
        secret: &'a SecretString,
    },
}

impl Gcp {
    /// Sends one request and reads its JSON answer; an empty one is null.
    pub(crate) async fn send(
        &self,
        what: &str,
        request: RequestBuilder,
        bearer: Bearer<'_>,
    ) -> Result<Value, Error> {
        let request = match bearer {
            Bearer::Ours => request.headers(self.own_headers(what).await?),
            Bearer::Token(token) => request.bearer_auth(token.expose()),
            Bearer::Nobody { .. } => request,
        };
        let unavailable = |error: reqwest::Error| {
            Error::Unavailable(Failure {
                what: what.to_owned(),
                message: classify::source_text(&error.without_url()),
            })
        };
        let response = request.send().await.map_err(unavailable)?;
        let status = response.status();
        let wait = retry_after(&response);
        let body = read(response, what).await?;
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

    async fn own_headers(&self, what: &str) -> Result<reqwest::header::HeaderMap, Error> {
        let found = self.credentials.headers(::http::Extensions::new()).await;
        match found {
            Ok(CacheableResource::New { data, .. }) => Ok(data),
            Ok(CacheableResource::NotModified) => Ok(reqwest::header::HeaderMap::new()),
            Err(error) => Err(classify::credentials(
                what,
                &classify::source_text(&error),
                error.is_transient(),
            )),
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
    Error::Invalid(Failure {
        what: what.to_owned(),
        message: message.to_owned(),
    })
}

async fn read(mut response: Response, what: &str) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body),
            Ok(Some(chunk)) if body.len() + chunk.len() <= BODY_BYTES => {
                body.extend_from_slice(&chunk);
            }
            Ok(Some(_)) => return Err(invalid(what, "the answer is too long")),
            Err(error) => {
                return Err(Error::Unavailable(Failure {
                    what: what.to_owned(),
                    message: classify::source_text(&error.without_url()),
                }));
            }
        }
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let text = response
        .headers()
        .get(reqwest::header::RETRY_AFTER)?
        .to_str()
        .ok()?;
    text.parse().ok().map(Duration::from_secs)
}

// Google does not quote tokens, but nothing says that it never will.
fn without_secret(message: String, bearer: Bearer<'_>) -> String {
    let secret = match bearer {
        Bearer::Ours => return message,
        Bearer::Token(token) => token.expose(),
        Bearer::Nobody { secret } => secret.expose_secret(),
    };
    if secret.is_empty() {
        return message;
    }
    message.replace(secret, "[token]")
}
