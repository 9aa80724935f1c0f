//! Cloud Storage: buckets, managed folders and their policies here; objects behind, in fake-gcs-server.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::request::Parts;

use crate::app::{State, read};
use crate::authorize::Caller;
use crate::call::Call;
use crate::errors::{ApiError, Shape, json_response};

mod access;
mod ask;
pub(crate) mod bucket;
pub(crate) mod folder;
mod front;
mod list_prefixes;
mod precondition;
mod resources;
mod upload;
pub(crate) mod upstream;

/// Whether the storage API serves that path. `/storage`, `/upload`, `/download` and `/batch` are its own; any other
/// path that no other API has may be the XML API's `/BUCKET/OBJECT`. A version (`v2`, `v1beta1`) begins the path of
/// another API.
pub(crate) fn is_storage(path: &str) -> bool {
    let first = path
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default();
    let named = matches!(
        first,
        "tokeninfo" | "oauth2" | "robot" | "service_accounts" | "emulator" | ""
    );
    !named && !is_version(first)
}

/// `v` and a number, with `alpha` or `beta` and a number after it or not.
fn is_version(text: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(rest) = text.strip_prefix('v') else {
        return false;
    };
    let (number, stage) = match rest.find(|letter: char| !letter.is_ascii_digit()) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let stage = stage.strip_prefix("alpha").or(stage.strip_prefix("beta"));
    is_number(number) && (rest == number || stage.is_some_and(|it| it.is_empty() || is_number(it)))
}

/// Serves one storage call: resources from the world, objects by the store behind, after IAM has been asked.
pub(crate) async fn serve(state: &State, parts: &Parts, body: Body, caller: Caller) -> Response {
    let media = parts
        .uri
        .query()
        .is_some_and(|query| query.contains("alt=media"));
    match served(state, parts, body, caller).await {
        Ok(response) => response,
        // A download's error is plain text.
        Err(error) if media => {
            let code = http::StatusCode::from_u16(error.code)
                .unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
            (
                code,
                [(http::header::CONTENT_TYPE, "text/html; charset=UTF-8")],
                error.message,
            )
                .into_response()
        }
        Err(error) => error.shaped(Shape::Storage).into_response(),
    }
}

async fn served(
    state: &State,
    parts: &Parts,
    body: Body,
    caller: Caller,
) -> Result<Response, ApiError> {
    front::check_host(parts)?;
    access::check_user_project(state, parts, &caller)?;
    match ask::parse(parts) {
        ask::Ask::Resource => {
            let body = read(body).await?;
            let call = Call::read(
                parts.method.clone(),
                &parts.uri,
                &parts.headers,
                &body,
                caller,
            )?;
            resources::empty(state, &call).await?;
            let answer = resources::dispatch(&mut state.world(), &call, &front::base(parts))?;
            Ok(match answer {
                Some(answer) => json_response(200, &answer),
                None => http::StatusCode::NO_CONTENT.into_response(),
            })
        }
        ask::Ask::Objects(ask) => front::objects(state, parts, body, &caller, ask).await,
        ask::Ask::Upload { bucket } => upload::start(state, parts, body, &caller, &bucket).await,
        ask::Ask::Session => front::session(state, parts, body).await,
        ask::Ask::NotEmulated => Err(ApiError::storage(
            501,
            "notImplemented",
            format!(
                "gcp-emulator does not emulate {} {}",
                parts.method,
                parts.uri.path()
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_other_apis_are_not_buckets() {
        for path in [
            "/v1/projects/p",
            "/v2/policies/x",
            "/v1beta1/x",
            "/v3alpha",
            "/oauth2/v3/certs",
        ] {
            assert!(!is_storage(path), "{path}");
        }
        for path in ["/storage/v1/b", "/vault/o", "/v1bucket/o", "/v/o", "/v2x/o"] {
            assert!(is_storage(path), "{path}");
        }
    }
}
