//! The load generator: a fixed number of connections, each sending one review after another.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::time::{Interval, interval_at};
use tokio_rustls::TlsConnector;

use super::process::Child;

/// The load on a server.
#[derive(Clone)]
pub(crate) struct Load {
    /// Kept-alive TLS connections, each with one request under way.
    pub(crate) connections: usize,
    /// Requests in all, shared by the connections.
    pub(crate) requests: usize,
    /// The path of each request.
    pub(crate) path: &'static str,
    /// The body of every request.
    pub(crate) body: Bytes,
    /// Requests per second, of all connections together; without it, each connection sends as soon as it has its answer.
    pub(crate) rate: Option<u32>,
}

/// The outcome of one load.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    /// Sorted times of single requests.
    pub(crate) latencies: Vec<Duration>,
}

impl Outcome {
    /// Answers per second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// The time that `percent` of the requests did not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let index =
            (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(index).copied().unwrap_or_default()
    }
}

impl Load {
    /// Loads `server`, and checks that each answer is HTTP 200 and contains `expected`.
    ///
    /// # Errors
    /// On the first answer that is not as expected, or when a connection breaks.
    pub(crate) async fn run(
        &self,
        server: &Child,
        expected: &'static [u8],
    ) -> anyhow::Result<Outcome> {
        let each = self.requests / self.connections;
        let mut senders = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            senders.push(connect(server).await?);
        }
        let started = Instant::now();
        let workers: Vec<_> = senders
            .into_iter()
            .enumerate()
            .map(|(number, sender)| {
                let connection = Connection {
                    sender,
                    pace: self.pace(number),
                };
                tokio::spawn(connection.send(self.path, self.body.clone(), each, expected))
            })
            .collect();
        let mut latencies = Vec::with_capacity(self.requests);
        for worker in workers {
            latencies.extend(worker.await??);
        }
        let elapsed = started.elapsed();
        latencies.sort_unstable();
        Ok(Outcome { elapsed, latencies })
    }

    // When this connection sends its requests: the connections take turns.
    fn pace(&self, connection: usize) -> Option<Interval> {
        let turn = Duration::from_secs(1) / self.rate?;
        let first = tokio::time::Instant::now() + turn * connection as u32;
        Some(interval_at(first, turn * self.connections as u32))
    }
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    pace: Option<Interval>,
}

async fn connect(server: &Child) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = tokio::net::TcpStream::connect(server.address()).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").context("name")?;
    let stream = TlsConnector::from(server.tls())
        .connect(name, stream)
        .await?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

impl Connection {
    async fn send(
        mut self,
        path: &'static str,
        body: Bytes,
        requests: usize,
        expected: &'static [u8],
    ) -> anyhow::Result<Vec<Duration>> {
        let mut latencies = Vec::with_capacity(requests);
        for _ in 0..requests {
            if let Some(pace) = &mut self.pace {
                pace.tick().await;
            }
            let request = http::Request::post(path)
                .header("host", "localhost")
                .header("content-type", "application/json")
                .body(Full::new(body.clone()))?;
            let started = Instant::now();
            self.sender.ready().await?;
            let response = self.sender.send_request(request).await?;
            let status = response.status();
            let answer = response.into_body().collect().await?.to_bytes();
            latencies.push(started.elapsed());
            ensure!(
                status == 200
                    && answer
                        .windows(expected.len())
                        .any(|window| window == expected),
                "unexpected answer {status}: {}",
                String::from_utf8_lossy(&answer)
            );
        }
        Ok(latencies)
    }
}
