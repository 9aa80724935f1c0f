//! Cloud Storage: buckets, managed folders and their policies here; objects behind, in fake-gcs-server.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::request::Parts;

use self::request::Ask;
use crate::api::body::read_body;
use crate::api::call::Call;
use crate::api::caller::Caller;
use crate::api::errors::{ApiError, Shape, json_response};
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
    objects::check_host(parts)?;
    access::check_user_project(state, parts, &caller)?;
    match request::parse(parts) {
        Ask::Resource => {
            let body = read_body(body).await?;
            let call = Call::read(
                parts.method.clone(),
                &parts.uri,
                &parts.headers,
                &body,
                caller,
            )?;
            buckets::empty(state, &call).await?;
            let answer = buckets::dispatch(&mut state.world(), &call, &objects::base(parts))?;
            Ok(match answer {
                Some(answer) => json_response(200, &answer),
                None => http::StatusCode::NO_CONTENT.into_response(),
            })
        }
        Ask::Objects(ask) => objects::objects(state, parts, body, &caller, ask).await,
        Ask::Upload { bucket } => upload::start(state, parts, body, &caller, &bucket).await,
        Ask::Session => objects::session(state, parts, body).await,
        Ask::NotEmulated => Err(ApiError::storage(
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
