//! Stores objects directly in etcd. Through the API server, fifty thousand identities would take ten minutes that are not measured;
//! so the API server stores the first one, and the others are copies of it.

use std::time::Duration;

use anyhow::{Context, ensure};
use data_encoding::BASE64;
use serde_json::{Value, json};

/// The number of objects in one transaction: etcd allows 128, and 1.5 MB.
const TOGETHER: usize = 100;
const LIMIT: Duration = Duration::from_secs(60);

/// A client of etcd's JSON gateway.
pub(crate) struct Etcd {
    url: String,
    http: reqwest::Client,
}

/// An object and its key.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) key: String,
    pub(crate) object: Value,
}

impl Etcd {
    /// A client for this URL.
    ///
    /// # Errors
    /// The client cannot be created.
    pub(crate) fn at(url: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().timeout(LIMIT);
        Ok(Self {
            url: url.to_owned(),
            http: http.build()?,
        })
    }

    /// Whether something is stored under this key.
    ///
    /// # Errors
    /// etcd does not answer.
    pub(crate) async fn has(&self, key: &str) -> anyhow::Result<bool> {
        let question = json!({"key": BASE64.encode(key.as_bytes()), "count_only": true});
        let answer = self.ask("range", &question).await?;
        // The gateway's JSON has 64-bit numbers as strings.
        Ok(answer["count"].as_str().is_some_and(|count| count != "0"))
    }

    /// Stores these objects in order.
    ///
    /// # Errors
    /// etcd refuses one.
    pub(crate) async fn store(&self, all: &[Stored]) -> anyhow::Result<()> {
        for some in all.chunks(TOGETHER) {
            let put = |one: &Stored| {
                let value = BASE64.encode(one.object.to_string().as_bytes());
                json!({"request_put": {"key": BASE64.encode(one.key.as_bytes()), "value": value}})
            };
            let puts: Vec<_> = some.iter().map(put).collect();
            let answer = self.ask("txn", &json!({"success": puts})).await?;
            ensure!(answer["succeeded"] == true, "etcd: {answer}");
        }
        Ok(())
    }

    async fn ask(&self, what: &str, question: &Value) -> anyhow::Result<Value> {
        let request = self.http.post(format!("{}/v3/kv/{what}", self.url));
        let answer = request.json(question).send().await;
        let answer = answer.context("etcd")?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "etcd: {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }
}
