//! The keys of the cluster's tokens. Envoy cannot read them from the API server, which wants a client that it knows.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use kube::Client;
use serde::Deserialize;

use super::State;

/// Path of the keys at the API server; all service accounts may read them.
const PATH: &str = "/openid/v1/jwks";
/// Between two reads; the API server publishes a new key long before it signs with it.
const PAUSE: Duration = Duration::from_secs(60);
/// After a failed read.
const RETRY_PAUSE: Duration = Duration::from_secs(2);

/// The keys that were read last, as a JSON Web Key Set.
#[derive(Debug, Default)]
pub struct ClusterKeys(ArcSwapOption<String>);

/// Why keys are not used.
#[derive(Debug, thiserror::Error)]
#[error("the answer is not a JSON Web Key Set with at least one key")]
pub struct NotKeys;

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Map<String, serde_json::Value>>,
}

impl ClusterKeys {
    /// The keys; `None` before they were read for the first time.
    #[must_use]
    pub fn get(&self) -> Option<Arc<String>> {
        self.0.load_full()
    }

    /// Replaces the keys.
    ///
    /// # Errors
    /// The text is not a set of keys; those from before stay in use.
    pub fn set(&self, text: String) -> Result<(), NotKeys> {
        match serde_json::from_str::<KeySet>(&text) {
            Ok(set) if !set.keys.is_empty() => {
                self.0.store(Some(text.into()));
                Ok(())
            }
            _ => Err(NotKeys),
        }
    }
}

/// Reads the keys again and again; never returns. While the API server is down, those that were read last stay in use.
pub(super) async fn run(client: Client, state: &State) {
    let mut is_failing = false;
    loop {
        match read(&client, state).await {
            Ok(()) => {
                is_failing = false;
                state.synced.set_cluster_keys();
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => {
                if !is_failing {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "failed to read the keys of the cluster's tokens; those in memory stay in use"
                    );
                }
                is_failing = true;
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }
}

async fn read(client: &Client, state: &State) -> anyhow::Result<()> {
    let request = axum::http::Request::get(PATH).body(Vec::new())?;
    Ok(state
        .cluster_keys
        .set(client.request_text(request).await?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_set_of_keys_replaces_the_keys() {
        let keys = ClusterKeys::default();
        assert_eq!(keys.get(), None);
        let first = r#"{"keys": [{"kty": "RSA", "kid": "a"}]}"#;
        keys.set(first.to_owned()).unwrap();
        for text in ["", "{}", r#"{"keys": []}"#, r#"{"keys": ["a"]}"#, "<html>"] {
            assert!(keys.set(text.to_owned()).is_err(), "{text}");
            assert_eq!(keys.get().unwrap().as_str(), first);
        }
    }
}
