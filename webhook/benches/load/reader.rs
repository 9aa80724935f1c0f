//! What every webhook has to do that changes pods and logs what it did: read the pod, write a line, answer with the patch. Nothing is
//! decided: the answer is a constant. How far it is from the floor shows how near a webhook that decides can come.

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use namesake_webhook::review::{self, Object, Request};

/// Answers every pod on `POST /mutate` with this answer.
pub(crate) fn app(answer: Bytes) -> Router {
    let read = move |body: Bytes| {
        let answer = answer.clone();
        async move { read(&body, answer) }
    };
    Router::new().route("/mutate", post(read))
}

fn read(body: &[u8], answer: Bytes) -> Response {
    match review::parse::<Object<'_>>(body) {
        Ok(request) => {
            log(&request);
            ([(CONTENT_TYPE, "application/json")], answer).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

// As many fields as the webhook logs, and about as long.
fn log(request: &Request<'_>) {
    let metadata = request.object.as_ref().map(|object| &object.metadata);
    let owner = metadata.and_then(|metadata| metadata.controller());
    tracing::info!(
        webhook = "mutate",
        operation = request.operation.as_str(),
        kind = request.kind.kind.as_str(),
        namespace = request.namespace.as_str(),
        decision = "bjttb7hr",
        uid = request.uid.as_str(),
        generate_name = metadata.and_then(|metadata| metadata.generate_name.as_deref()),
        owner_kind = owner.map(|owner| owner.kind.as_str()),
        owner_name = owner.map(|owner| owner.name.as_str()),
        owner_uid = owner.map(|owner| owner.uid.as_str()),
        rules = "7ec19c6ea3c2",
        requester = request.user_info.username.as_str(),
        user = "alice@acme.com",
        rule = "metaflow",
        class = "research",
        service_account = "mf-alice-4k72lwgc2tsmxd",
        outcome = "identity",
        micros = 22,
        "decision"
    );
}
