//! Cloud Storage. Buckets, managed folders and their policies are emulated here; fake-gcs-server keeps the objects.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::request::Parts;

use self::request::StorageRequest;
use crate::api::body::read_body;
use crate::api::call::Call;
use crate::api::caller::Caller;
use crate::api::errors::{ApiError, ErrorFormat, json_response};
use crate::world::state::State;

mod access;
mod buckets;
mod json_body;
mod list_prefixes;
pub(crate) mod managed_folders;
mod objects;
mod policies;
mod preconditions;
mod request;
mod upload;

/// Serves a storage call: buckets, folders and policies from the emulated state, objects by the object store after a check
/// with IAM.
pub(crate) async fn serve(state: &State, parts: &Parts, body: Body, caller: Caller) -> Response {
    let media = parts
        .uri
        .query()
        .is_some_and(|query| query.contains("alt=media"));
    match try_serve(state, parts, body, caller).await {
        Ok(response) => response,
        // The error of a download is plain text.
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
        Err(error) => error.in_format(ErrorFormat::Storage).into_response(),
    }
}

async fn try_serve(
    state: &State,
    parts: &Parts,
    body: Body,
    caller: Caller,
) -> Result<Response, ApiError> {
    objects::check_host(parts)?;
    access::check_user_project(state, parts, &caller)?;
    match request::parse(parts) {
        StorageRequest::Resource => {
            let body = read_body(body).await?;
            let call = Call::read(
                parts.method.clone(),
                &parts.uri,
                &parts.headers,
                &body,
                caller,
            )?;
            buckets::check_empty(state, &call).await?;
            let answer = buckets::dispatch(&mut state.world(), &call, &objects::base(parts))?;
            Ok(match answer {
                Some(answer) => json_response(200, &answer),
                None => http::StatusCode::NO_CONTENT.into_response(),
            })
        }
        StorageRequest::Objects(request) => {
            objects::serve(state, parts, body, &caller, request).await
        }
        StorageRequest::Upload { bucket } => {
            upload::start(state, parts, body, &caller, &bucket).await
        }
        StorageRequest::Session => objects::session(state, parts, body).await,
        StorageRequest::NotEmulated => Err(ApiError::storage(
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
