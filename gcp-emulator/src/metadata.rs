//! A GKE-like metadata server: one per pod, or one for a person's workstation.
//!
//! It is a client of the emulator like any other: TokenRequest → STS → generateAccessToken, over HTTP.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::api::call;

mod client;
mod identity;
mod pod;
mod workstation;

pub use identity::{AccessToken, Identity, MetadataError};
pub use pod::{Pod, PodAccount, SourceError, TokenSource};
pub use workstation::Workstation;

const FLAVOR: &str = "metadata-flavor";
/// Scopes of a token when none are asked for, as GKE's metadata server lists them.
const DEFAULT_SCOPES: [&str; 2] = [
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/userinfo.email",
];

/// What the server says about where it is.
#[derive(Clone, Debug)]
pub struct Place {
    /// Project of the cluster.
    pub project_id: String,
    /// Its number.
    pub project_number: u64,
    /// `ml`
    pub cluster_name: String,
    /// `us-central1`
    pub cluster_location: String,
    /// `us-central1-a`
    pub zone: String,
    /// Host name of the pod or the workstation.
    pub hostname: String,
}

#[derive(Clone)]
struct Server {
    place: Arc<Place>,
    identity: Arc<dyn Identity>,
}

/// Serves the metadata server on `listener` until `stop` is cancelled.
pub async fn serve(
    listener: TcpListener,
    place: Place,
    identity: Arc<dyn Identity>,
    stop: CancellationToken,
) {
    crate::emulator::listener::serve(listener, router(place, identity), stop).await;
}

/// The same as a router.
pub fn router(place: Place, identity: Arc<dyn Identity>) -> Router {
    let server = Server {
        place: Arc::new(place),
        identity,
    };
    Router::new()
        .fallback(answer)
        .layer(middleware::from_fn(flavor))
        .with_state(server)
}

/// Asks for the header that a browser cannot be tricked into sending, and answers with it.
async fn flavor(request: Request, next: Next) -> Response {
    let asked = request
        .headers()
        .get(FLAVOR)
        .is_some_and(|flavor| flavor == "Google");
    let forwarded = request.headers().contains_key("x-forwarded-for");
    let mut response = match request.uri().path() {
        _ if forwarded => refused("Request with X-Forwarded-For header is not allowed."),
        "/" => next.run(request).await,
        _ if asked => next.run(request).await,
        _ => refused("Missing Metadata-Flavor:Google header."),
    };
    response
        .headers_mut()
        .insert(FLAVOR, HeaderValue::from_static("Google"));
    response.headers_mut().insert(
        header::SERVER,
        HeaderValue::from_static("GKE Metadata Server"),
    );
    response
}

fn refused(why: &'static str) -> Response {
    (StatusCode::FORBIDDEN, format!("{why}\n")).into_response()
}

fn text(value: impl Into<String>) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/text")];
    (kind, value.into()).into_response()
}

fn object(value: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, value.to_string()).into_response()
}

fn moved(place: &'static str) -> Response {
    let place = [(header::LOCATION, place)];
    (StatusCode::MOVED_PERMANENTLY, place).into_response()
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, "Not Found\n").into_response()
}

async fn answer(State(server): State<Server>, request: Request) -> Response {
    let path = call::segments(request.uri().path());
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let query = call::query(request.uri());
    let place = &server.place;
    match path.as_slice() {
        [""] => text("computeMetadata/\n"),
        ["computeMetadata"] | ["computeMetadata", ""] => text("v1/\n"),
        ["computeMetadata", "v1", rest @ ..] => match rest {
            ["project", "project-id"] => text(&place.project_id),
            ["project", "numeric-project-id"] => text(place.project_number.to_string()),
            ["universe", "universe-domain" | "universe_domain"] => text("googleapis.com"),
            [] | [""] => text("instance/\nproject/\nuniverse/\n"),
            // Node's library asks for exactly this to learn whether there is a metadata server.
            ["instance"] => moved("/computeMetadata/v1/instance/"),
            ["instance", ""] => text("attributes/\nhostname\nid\nservice-accounts/\nzone\n"),
            ["project"] => moved("/computeMetadata/v1/project/"),
            ["project", ""] => text("numeric-project-id\nproject-id\n"),
            ["instance", "zone"] => text(format!(
                "projects/{}/zones/{}",
                place.project_number, place.zone
            )),
            ["instance", "hostname"] => text(&place.hostname),
            ["instance", "id"] => text(instance_id(&place.hostname)),
            ["instance", "attributes"] => {
                Redirect::permanent("/computeMetadata/v1/instance/attributes/").into_response()
            }
            ["instance", "attributes", ""] => text("cluster-location\ncluster-name\ncluster-uid\n"),
            ["instance", "attributes", "cluster-name"] => text(&place.cluster_name),
            ["instance", "attributes", "cluster-location"] => text(&place.cluster_location),
            ["instance", "attributes", "cluster-uid"] => text(instance_id(&place.cluster_name)),
            ["instance", "service-accounts", rest @ ..] => accounts(&server, rest, &query).await,
            _ => missing(),
        },
        _ => missing(),
    }
}

/// A stable number for a name.
fn instance_id(name: &str) -> String {
    use sha2::{Digest, Sha256};
    let [a, b, c, d, e, f, g, h, ..]: [u8; 32] = Sha256::digest(name).into();
    (u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1).to_string()
}

async fn accounts(server: &Server, path: &[&str], query: &[(String, String)]) -> Response {
    let email = match server.identity.email().await {
        Ok(email) => email,
        Err(error) => return error.into_response(),
    };
    let recursive =
        call::parameter(query, "recursive").is_some_and(|value| value.eq_ignore_ascii_case("true"));
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
    let asked = call::parameter(query, "scopes").unwrap_or_default();
    let mut scopes = crate::api::caller::split_scopes(asked);
    if scopes.is_empty() {
        scopes = DEFAULT_SCOPES.map(str::to_owned).to_vec();
    }
    match server.identity.token(scopes).await {
        Ok(token) => object(&token.shown()),
        Err(error) => error.into_response(),
    }
}

async fn identity_token(server: &Server, query: &[(String, String)]) -> Response {
    let audience = call::parameter(query, "audience").unwrap_or_default();
    if audience.is_empty() {
        let words = "non-empty audience parameter required\n";
        return (StatusCode::BAD_REQUEST, words).into_response();
    }
    match server.identity.identity_token(audience.to_owned()).await {
        Ok(token) => text(token),
        Err(error) => error.into_response(),
    }
}
