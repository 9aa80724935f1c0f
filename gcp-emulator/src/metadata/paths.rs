//! The paths of the metadata server.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{DEFAULT_SCOPES, Server};
use crate::api::caller::split_scopes;
use crate::api::query;

fn text(value: impl Into<String>) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/text")];
    (kind, value.into()).into_response()
}

fn object(value: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, value.to_string()).into_response()
}

fn moved(location: &'static str) -> Response {
    let location = [(header::LOCATION, location)];
    (StatusCode::MOVED_PERMANENTLY, location).into_response()
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, "Not Found\n").into_response()
}

pub(super) async fn answer(State(server): State<Server>, request: Request) -> Response {
    let path = query::segments(request.uri().path());
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let query = query::query(request.uri());
    let info = &server.info;
    match path.as_slice() {
        [""] => text("computeMetadata/\n"),
        ["computeMetadata"] | ["computeMetadata", ""] => text("v1/\n"),
        ["computeMetadata", "v1", rest @ ..] => match rest {
            ["project", "project-id"] => text(&info.project_id),
            ["project", "numeric-project-id"] => text(info.project_number.to_string()),
            ["universe", "universe-domain" | "universe_domain"] => text("googleapis.com"),
            [] | [""] => text("instance/\nproject/\nuniverse/\n"),
            // Google's library for Node.js requests this path to detect a metadata server.
            ["instance"] => moved("/computeMetadata/v1/instance/"),
            ["instance", ""] => text("attributes/\nhostname\nid\nservice-accounts/\nzone\n"),
            ["project"] => moved("/computeMetadata/v1/project/"),
            ["project", ""] => text("numeric-project-id\nproject-id\n"),
            ["instance", "zone"] => text(format!(
                "projects/{}/zones/{}",
                info.project_number, info.zone
            )),
            ["instance", "hostname"] => text(&info.hostname),
            ["instance", "id"] => text(instance_id(&info.hostname)),
            ["instance", "attributes"] => {
                Redirect::permanent("/computeMetadata/v1/instance/attributes/").into_response()
            }
            ["instance", "attributes", ""] => text("cluster-location\ncluster-name\ncluster-uid\n"),
            ["instance", "attributes", "cluster-name"] => text(&info.cluster_name),
            ["instance", "attributes", "cluster-location"] => text(&info.cluster_location),
            ["instance", "attributes", "cluster-uid"] => text(instance_id(&info.cluster_name)),
            ["instance", "service-accounts", rest @ ..] => accounts(&server, rest, &query).await,
            _ => missing(),
        },
        _ => missing(),
    }
}

/// A number derived from a name.
fn instance_id(name: &str) -> String {
    let [a, b, c, d, e, f, g, h, ..]: [u8; 32] = Sha256::digest(name).into();
    (u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1).to_string()
}

async fn accounts(server: &Server, path: &[&str], query: &[(String, String)]) -> Response {
    let email = match server.identity.email().await {
        Ok(email) => email,
        Err(error) => return error.into_response(),
    };
    let recursive = query::is_true(query, "recursive");
    let about = json!({"aliases": ["default"], "email": email, "scopes": DEFAULT_SCOPES});
    let (name, rest) = match path {
        [] => {
            return Redirect::permanent("/computeMetadata/v1/instance/service-accounts/")
                .into_response();
        }
        [""] if recursive => return object(&json!({"default": about, &email: about})),
        [""] => return text(format!("default/\n{email}/\n")),
        [name, rest @ ..] => (*name, rest),
    };
    if name != "default" && name != email {
        return missing();
    }
    match rest {
        [] | [""] if recursive => object(&about),
        [] => Redirect::permanent(&format!(
            "/computeMetadata/v1/instance/service-accounts/{name}/"
        ))
        .into_response(),
        [""] => text("aliases\nemail\nidentity\nscopes\ntoken\n"),
        ["aliases"] => text("default\n"),
        ["email"] => text(email),
        ["scopes"] => text(DEFAULT_SCOPES.map(|scope| format!("{scope}\n")).concat()),
        ["token"] => token(server, query).await,
        ["identity"] => identity_token(server, query).await,
        _ => missing(),
    }
}

async fn token(server: &Server, query: &[(String, String)]) -> Response {
    let requested = query::parameter(query, "scopes").unwrap_or_default();
    let mut scopes = split_scopes(requested);
    if scopes.is_empty() {
        scopes = DEFAULT_SCOPES.map(str::to_owned).to_vec();
    }
    match server.identity.token(scopes).await {
        Ok(token) => object(&token.to_json()),
        Err(error) => error.into_response(),
    }
}

async fn identity_token(server: &Server, query: &[(String, String)]) -> Response {
    let audience = query::parameter(query, "audience").unwrap_or_default();
    if audience.is_empty() {
        let words = "non-empty audience parameter required\n";
        return (StatusCode::BAD_REQUEST, words).into_response();
    }
    match server.identity.identity_token(audience.to_owned()).await {
        Ok(token) => text(token),
        Err(error) => error.into_response(),
    }
}
