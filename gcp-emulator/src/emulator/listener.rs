//! The HTTP listener. Unlike axum's own, it can close a connection without an answer.

use axum::Router;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::world::controls::faults::Cut;

/// Serves `router` until `stop` is cancelled, and then closes all connections.
pub(crate) async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Most likely there are no file descriptors left; the next accept may succeed.
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        tokio::spawn(connection(stream, router.clone(), stop.clone()));
    }
}

async fn connection(stream: tokio::net::TcpStream, router: Router, stop: CancellationToken) {
    let service = service_fn(move |request: Request<Incoming>| answer(router.clone(), request));
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        () = stop.cancelled() => {}
        ended = connection => if let Err(error) = ended {
            tracing::debug!(%error, "connection ended");
        },
    }
}

/// Turns a planned cut into an error, for which hyper closes the connection.
async fn answer(
    router: Router,
    request: Request<Incoming>,
) -> Result<Response<Body>, std::io::Error> {
    let Ok(response) = router.oneshot(request.map(Body::new)).await;
    match response.extensions().get::<Cut>() {
        Some(_) => Err(std::io::Error::other("closed by a planned fault")),
        None => Ok(response),
    }
}
