//! Which cluster this is, by the issuer of its tokens, whatever the rules say. A copy of another cluster's rules derives that
//! cluster's names and marks, and the broker would take that cluster's identities for its own.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use kube::Client;
use namesake_core::Reason;
use tracing::{debug, error};

use crate::google::principal;
use crate::identity::step_failure::StepFailure;

/// Where the API server publishes the issuer of its tokens; service accounts may read it.
const DISCOVERY: &str = "/.well-known/openid-configuration";
/// The start waits at most this long for the issuer; after that it is read in the background.
const START_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two attempts to read it.
const PAUSE: Duration = Duration::from_secs(10);

/// The issuer of this cluster's tokens, once it is known.
#[derive(Default)]
pub struct ClusterId(ArcSwapOption<String>);

impl ClusterId {
    /// Reads the issuer, and waits a short time for the answer.
    pub async fn discover(&self, client: &Client) {
        let _ = tokio::time::timeout(START_TIMEOUT, self.read_issuer(client)).await;
    }

    /// Tries to read the issuer until that succeeds. Never returns.
    pub async fn keep_discovering(&self, client: &Client) {
        while self.0.load().is_none() {
            tokio::time::sleep(PAUSE).await;
            self.read_issuer(client).await;
        }
        std::future::pending::<()>().await;
    }

    /// Sets the issuer.
    pub fn set_issuer(&self, issuer: &str) {
        self.0.store(Some(Arc::new(issuer.to_owned())));
    }

    /// Whether this is known to be another cluster than `cluster`. While the issuer is not known, the verification of each
    /// identity finds it out.
    #[must_use]
    pub fn differs_from(&self, cluster: &str) -> bool {
        let issuer = self.0.load();
        issuer
            .as_ref()
            .is_some_and(|issuer| **issuer != principal::issuer(cluster))
    }

    /// Refuses to do anything at Google for an identity of another cluster.
    ///
    /// # Errors
    /// `OtherCluster`, with both names.
    pub fn check(&self, cluster: &str) -> Result<(), StepFailure> {
        if !self.differs_from(cluster) {
            return Ok(());
        }
        let issuer = self.0.load();
        let issuer = issuer.as_ref().map_or("", |issuer| issuer.as_str());
        let why = format!(
            "the rules name cluster {cluster}, and the tokens of this cluster are issued by {issuer}: set cluster in the rules to this cluster's own name. Under another cluster's name, the identities of that cluster would be changed and deleted; so nothing is done at Google"
        );
        Err(StepFailure::lasting(Reason::OtherCluster, why))
    }

    async fn read_issuer(&self, client: &Client) {
        // Cannot fail: the path is a constant.
        let Ok(request) = axum::http::Request::get(DISCOVERY).body(Vec::new()) else {
            return;
        };
        let issuer = client.request_text(request).await.map(|text| {
            let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            json["issuer"].as_str().map(str::to_owned)
        });
        match issuer {
            Ok(Some(issuer)) => self.set_issuer(&issuer),
            Ok(None) => error!("the API server does not say who issues its tokens"),
            Err(error) => debug!(%error, "the issuer of this cluster's tokens is not known yet"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ML: &str = "projects/acme/locations/us-central1/clusters/ml";

    #[test]
    fn another_cluster_than_that_of_the_rules_is_refused() {
        let cluster_id = ClusterId::default();
        assert!(cluster_id.check(ML).is_ok());
        cluster_id.set_issuer(&principal::issuer(ML));
        assert!(cluster_id.check(ML).is_ok());
        let failure = cluster_id
            .check("projects/acme/locations/us-central1/clusters/gpu")
            .unwrap_err();
        assert_eq!(
            (failure.reason, failure.breaks),
            (Reason::OtherCluster, true)
        );
        for part in ["clusters/gpu", "clusters/ml", "rules"] {
            assert!(failure.message.contains(part), "{}", failure.message);
        }
    }
}
