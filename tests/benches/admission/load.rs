//! Clients that create pods as a dry run, each with a connection of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use http::Request;
use http::header::CONTENT_TYPE;
use kube::Client;
use serde_json::Value;

/// Pods of one namespace.
#[derive(Clone)]
pub(crate) struct Target {
    /// What is measured, for the report.
    pub(crate) name: &'static str,
    /// One client for each connection.
    pub(crate) clients: Arc<Vec<Client>>,
    namespace: &'static str,
    body: Arc<Vec<u8>>,
    /// A part of each answer.
    expected: &'static str,
}

impl Target {
    /// Creates `pod` in this namespace; each answer contains `expected`.
    pub(crate) fn new(
        name: &'static str,
        clients: &Arc<Vec<Client>>,
        namespace: &'static str,
        pod: &Value,
        expected: &'static str,
    ) -> Self {
        Self {
            name,
            clients: clients.clone(),
            namespace,
            body: Arc::new(pod.to_string().into_bytes()),
            expected,
        }
    }

    /// The times of this many requests, sent by the first `clients` clients, each of which sends one after another.
    ///
    /// # Errors
    /// The API server refuses a pod, or an answer is not as expected.
    pub(crate) async fn load(&self, clients: usize, requests: usize) -> Result<Vec<Duration>> {
        let sent = Arc::new(AtomicUsize::new(0));
        let mut workers = Vec::with_capacity(clients);
        for client in self.clients.iter().take(clients) {
            let (target, client, sent) = (self.clone(), client.clone(), sent.clone());
            workers.push(tokio::spawn(async move {
                let mut times = Vec::new();
                while sent.fetch_add(1, Ordering::Relaxed) < requests {
                    times.push(target.create(&client).await?);
                }
                anyhow::Ok(times)
            }));
        }
        let mut times = Vec::with_capacity(requests);
        for worker in workers {
            times.extend(worker.await??);
        }
        Ok(times)
    }

    async fn create(&self, client: &Client) -> Result<Duration> {
        let (mut answer, mut time) = self.send(client).await?;
        // The API server closes a connection that was idle for 90 s, perhaps while this request was on its way.
        if matches!(
            answer,
            Err(kube::Error::Service(_) | kube::Error::HyperError(_))
        ) {
            (answer, time) = self.send(client).await?;
        }
        let answer = answer.context(self.name)?;
        ensure!(
            answer.contains(self.expected),
            "{}: no {} in {answer}",
            self.name,
            self.expected
        );
        Ok(time)
    }

    /// The answer to one request, and how long it took.
    async fn send(&self, client: &Client) -> Result<(kube::Result<String>, Duration)> {
        let path = format!("/api/v1/namespaces/{}/pods?dryRun=All", self.namespace);
        let request = Request::post(path).header(CONTENT_TYPE, "application/json");
        let request = request.body(self.body.to_vec())?;
        let started = Instant::now();
        let answer = client.request_text(request).await;
        Ok((answer, started.elapsed()))
    }
}
