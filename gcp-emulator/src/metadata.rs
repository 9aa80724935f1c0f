//! A GKE-like metadata server, for one pod or for a person's workstation.
//!
//! It is a client of the emulator: it gets a token of the KSA, exchanges it with STS and calls generateAccessToken, over HTTP.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

mod client;
mod identity;
mod paths;
mod pod;
mod workstation;

pub use identity::{AccessToken, Identity, MetadataError};
pub use pod::{Pod, PodAccount, SourceError, TokenSource};
pub use workstation::Workstation;

const FLAVOR: &str = "metadata-flavor";
/// Scopes of a token if the request has none, as GKE's metadata server lists them.
const DEFAULT_SCOPES: [&str; 2] = [
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/userinfo.email",
];

/// What the server knows about the project, the cluster and the machine.
#[derive(Clone, Debug)]
pub struct InstanceInfo {
    /// Id of the cluster's project.
    pub project_id: String,
    /// Number of the cluster's project.
    pub project_number: u64,
    /// Name of the cluster, such as `ml`.
    pub cluster_name: String,
    /// Location of the cluster, such as `us-central1`.
    pub cluster_location: String,
    /// Zone of the machine, such as `us-central1-a`.
    pub zone: String,
    /// Host name of the pod or the workstation.
    pub hostname: String,
}

#[derive(Clone)]
struct Server {
    info: Arc<InstanceInfo>,
    identity: Arc<dyn Identity>,
}

/// Serves the metadata server on `listener` until `stop` is cancelled.
pub async fn serve(
    listener: TcpListener,
    info: InstanceInfo,
    identity: Arc<dyn Identity>,
    stop: CancellationToken,
) {
    crate::emulator::listener::serve(listener, router(info, identity), stop).await;
}

/// The router of the metadata server.
pub fn router(info: InstanceInfo, identity: Arc<dyn Identity>) -> Router {
    let server = Server {
        info: Arc::new(info),
        identity,
    };
    Router::new()
        .fallback(paths::answer)
        .layer(middleware::from_fn(check_flavor))
        .with_state(server)
}

/// Requires the header `Metadata-Flavor`, which a browser cannot be tricked into sending, and adds it to the response.
async fn check_flavor(request: Request, next: Next) -> Response {
    let has_flavor = request
        .headers()
        .get(FLAVOR)
        .is_some_and(|flavor| flavor == "Google");
    let is_forwarded = request.headers().contains_key("x-forwarded-for");
    let mut response = match request.uri().path() {
        _ if is_forwarded => refused("Request with X-Forwarded-For header is not allowed."),
        "/" => next.run(request).await,
        _ if has_flavor => next.run(request).await,
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
