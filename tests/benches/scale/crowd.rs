//! People who send requests to the API server at a steady rate, whether or not it keeps up.

use std::time::{Duration, Instant};

use anyhow::Context;
use futures::future::BoxFuture;
use kube::Client;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::home::PEOPLE;
use super::report::Times;

/// An additional gate, so that no pod of the bench runs.
const STAY: &str = "bench.example.com/stay";

/// People, by an admin's impersonation.
#[derive(Clone)]
pub(crate) struct Crowd(pub(crate) Client);

impl Crowd {
    /// Creates a pod as one of them, and returns the duration.
    ///
    /// # Errors
    /// The API server refuses.
    pub(crate) async fn pod(&self, user: &str, namespace: &str) -> anyhow::Result<Duration> {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "task-"},
            "spec": {
                "restartPolicy": "Never", "schedulingGates": [{"name": STAY}],
                "containers": [{"name": "task", "image": "none", "command": ["python", "flow.py"]}],
            },
        });
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        self.create(user, &path, &pod).await
    }

    /// Creates a service account as one of them, and returns the duration.
    ///
    /// # Errors
    /// The API server refuses.
    pub(crate) async fn service_account(
        &self,
        user: &str,
        namespace: &str,
    ) -> anyhow::Result<Duration> {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"generateName": "bare-"}});
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
        self.create(user, &path, &account).await
    }

    async fn create(&self, user: &str, path: &str, object: &Value) -> anyhow::Result<Duration> {
        let request = http::Request::post(path)
            .header("Content-Type", "application/json")
            .header("Impersonate-User", user)
            .header("Impersonate-Group", PEOPLE)
            .header("Impersonate-Group", "system:authenticated")
            .body(serde_json::to_vec(object)?)?;
        let started = Instant::now();
        let made = self.0.request::<Value>(request).await;
        made.with_context(|| format!("{user} at {path}"))?;
        Ok(started.elapsed())
    }
}

/// The action of a person, by number.
pub(crate) type Act = Box<dyn Fn(usize) -> BoxFuture<'static, anyhow::Result<Duration>> + Send>;

/// Performs `count` actions at a rate per second, until all are done or `until` ends, and returns their durations.
///
/// # Errors
/// A request is refused.
pub(crate) async fn steadily(
    count: usize,
    per_second: u32,
    act: Act,
    until: impl Future<Output = ()>,
) -> anyhow::Result<Times> {
    let mut tick = interval(Duration::from_secs(1) / per_second);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut acting, mut until) = (JoinSet::new(), std::pin::pin!(until));
    for number in 0..count {
        tokio::select! {
            biased;
            () = &mut until => break,
            _ = tick.tick() => {}
        }
        acting.spawn(act(number));
    }
    let mut times = Vec::with_capacity(acting.len());
    while let Some(done) = acting.join_next().await {
        times.push(done??);
    }
    Ok(Times::of(times))
}
