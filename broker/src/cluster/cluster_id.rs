//! Which cluster this is: the issuer of its tokens says so, whatever the rules say. A copy of another cluster's rules derives
//! that cluster's names and marks, and would take its identities for its own.

use std::time::Duration;

use arc_swap::ArcSwapOption;
use kube::Client;
use std::sync::Arc;
use tracing::{debug, error};

use crate::google::principal;
use crate::identity::failure::Failure;
use crate::identity::reason::ConditionReason;

/// Where the API server says who issues its tokens; service accounts may read it.
const DISCOVERY: &str = "/.well-known/openid-configuration";
/// Longest wait before anything is done at Google; after that it is found out meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(10);

/// The issuer, once it is known.
#[derive(Default)]
pub struct Place(ArcSwapOption<String>);

impl Place {
    /// Asks the API server, and waits for its answer for a moment.
    pub async fn learn(&self, client: &Client) {
        let _ = tokio::time::timeout(PATIENCE, self.ask(client)).await;
    }

    /// Asks until there is an answer, and never ends.
    pub async fn keep_learning(&self, client: &Client) {
        while self.0.load().is_none() {
            tokio::time::sleep(PAUSE).await;
            self.ask(client).await;
        }
        std::future::pending::<()>().await;
    }

    /// Takes it as known.
    pub fn is(&self, issuer: &str) {
        self.0.store(Some(Arc::new(issuer.to_owned())));
    }

    /// Whether this is known to be another cluster than that. Where nobody can say, the proof of an identity will.
    #[must_use]
    pub fn is_not(&self, cluster: &str) -> bool {
        let issuer = self.0.load();
        issuer
            .as_ref()
            .is_some_and(|issuer| **issuer != principal::issuer(cluster))
    }

    /// Refuses to do anything at Google for an identity of another cluster.
    ///
    /// # Errors
    /// What the cluster is, and what the rules say.
    pub fn check(&self, cluster: &str) -> Result<(), Failure> {
        if !self.is_not(cluster) {
            return Ok(());
        }
        let issuer = self.0.load();
        let issuer = issuer.as_ref().map_or("", |issuer| issuer.as_str());
        let why = format!(
            "the rules name cluster {cluster}, and the tokens of this one are issued by {issuer}: write this cluster's own name under cluster in the rules. With another's name its identities would be taken for that cluster's, and taken down with ours; nothing is done at Google"
        );
        Err(Failure::lasting(ConditionReason::OtherCluster, why))
    }

    async fn ask(&self, client: &Client) {
        let request = http(DISCOVERY);
        let answer = match request {
            Some(request) => client.request_text(request).await,
            None => return,
        };
        let issuer = answer.map(|text| {
            let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            json["issuer"].as_str().map(str::to_owned)
        });
        match issuer {
            Ok(Some(issuer)) => self.is(&issuer),
            Ok(None) => error!("the API server does not say who issues its tokens"),
            Err(error) => debug!(%error, "who issues this cluster's tokens is not known yet"),
        }
    }
}

fn http(path: &str) -> Option<axum::http::Request<Vec<u8>>> {
    axum::http::Request::get(path).body(Vec::new()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ML: &str = "projects/acme/locations/us-central1/clusters/ml";

    #[test]
    fn a_cluster_that_is_not_the_one_of_the_rules_says_so() {
        let place = Place::default();
        assert!(place.check(ML).is_ok());
        place.is(&principal::issuer(ML));
        assert!(place.check(ML).is_ok());
        let failure = place
            .check("projects/acme/locations/us-central1/clusters/gpu")
            .unwrap_err();
        assert_eq!((failure.reason, failure.breaks), ("OtherCluster", true));
        for part in ["clusters/gpu", "clusters/ml", "rules"] {
            assert!(failure.message.contains(part), "{}", failure.message);
        }
    }
}
