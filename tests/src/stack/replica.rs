//! A replica of the broker as a separate process, with the default timings. It has its own credentials at Google and at the API
//! server, so that its requests can be distinguished from those of other replicas.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use k8s_openapi::api::core::v1::ServiceAccount;
use namesake_api::names::{self, BROKER_SERVICE_ACCOUNT, SYSTEM_NAMESPACE};
use namesake_gcp_emulator::LoggedRequest;
use namesake_sandbox::{
    WORKLOAD_POOL,
    host::children::{Child, Launch},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::{
    eventually::eventually,
    google::Google,
    namespace::TestNamespace,
    stack::{program::built, scrape},
};

/// Longer than the graceful shutdown of a broker takes.
const GRACE: Duration = Duration::from_secs(10);

/// A replica. It is killed when it is dropped.
pub struct Replica {
    /// The address of its API.
    pub address: SocketAddr,
    /// The address of its metrics.
    metrics: SocketAddr,
    child: Child,
    /// Its Kubernetes service account, as in its principal at Google.
    caller: String,
    /// The credential ID of its token for the API server.
    credential: String,
}

impl Replica {
    /// Starts a replica of this name on the stack of a test, and waits until it is ready.
    ///
    /// # Errors
    /// It is not built, or does not become ready.
    pub async fn start(ns: &TestNamespace, name: &str) -> Result<Self> {
        let (stack, cluster) = (&ns.stack, ns.stack.cluster());
        let account = json!({"metadata": {"name": name}});
        let account: ServiceAccount = serde_json::from_value(account)?;
        ns.admin().await?.create::<ServiceAccount>(account).await?;
        let caller = format!("subject/ns/{}/sa/{name}", ns.name);
        stack
            .google()
            .grant_broker_roles(&format!("{}/{name}", ns.name))?;
        let token = cluster
            .token(SYSTEM_NAMESPACE, BROKER_SERVICE_ACCOUNT, &[])
            .await?;
        let credential = credential_of(&token)?;
        let subject = cluster.token(&ns.name, name, &[WORKLOAD_POOL]).await?;
        let files = Files::write(ns, name, &token, &subject)?;
        let folder = cluster.folder();
        let program = PathBuf::from(built("namesake-broker")?.get_program());
        let mut launch = Launch::new(&files.name, &program, Vec::new(), &folder.logs());
        launch.env = files.env(stack.google());
        let child = cluster.control_plane.children().spawn(&launch)?;
        let mut replica = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            metrics: SocketAddr::from(([127, 0, 0, 1], 0)),
            child,
            caller,
            credential,
        };
        (replica.address, replica.metrics) = replica.listen_addresses().await?;
        let url = format!("https://{}", replica.address);
        stack.wait_until_ready(&url).await?;
        Ok(replica)
    }

    /// Freezes the process, like a machine that hangs.
    pub fn pause(&self) {
        self.child.pause();
    }

    /// Continues a paused process.
    pub fn resume(&self) {
        self.child.resume();
    }

    /// Shuts it down gracefully.
    pub async fn stop(&self) {
        self.child.stop(GRACE).await;
    }

    /// Its caller name at Google, for planned faults.
    #[must_use]
    pub fn caller(&self) -> &str {
        &self.caller
    }

    /// Whether its metrics say that it is the leader.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn is_leader(&self) -> Result<bool> {
        let text = self.metrics().await?;
        Ok(text.lines().any(|line| line == "namesake_broker_leading 1"))
    }

    /// Its metrics, as Prometheus reads them.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn metrics(&self) -> Result<String> {
        scrape(&format!("http://{}", self.metrics)).await
    }

    /// Whether its log contains this word.
    #[must_use]
    pub fn has_logged(&self, word: &str) -> bool {
        let log = std::fs::read_to_string(self.child.log());
        log.is_ok_and(|text| text.contains(word))
    }

    /// Its write requests to Google after this request.
    #[must_use]
    pub fn writes_at_google(&self, ns: &TestNamespace, after: u64) -> Vec<String> {
        let all = ns.stack.google().state().requests(after).into_iter();
        let reads = |entry: &LoggedRequest| {
            entry.method == "GET"
                || [":getIamPolicy", ":testIamPermissions"]
                    .iter()
                    .any(|verb| entry.path.ends_with(verb))
        };
        let own = all.filter(|entry| entry.caller.contains(&self.caller) && !reads(entry));
        own.map(|entry| format!("{} {} {}", entry.method, entry.path, entry.status))
            .collect()
    }

    /// Its write requests to the API server, including refused ones; its Lease and Events are not counted.
    ///
    /// # Errors
    /// The audit log cannot be read.
    pub fn writes_in_the_cluster(&self, ns: &TestNamespace) -> Result<Vec<String>> {
        let events = ns.stack.cluster().audit_events()?.into_iter();
        let own = events.filter(|event| {
            let ids = &event["user"]["extra"]["authentication.kubernetes.io/credential-id"];
            ids[0] == self.credential.as_str()
        });
        Ok(own
            .map(|event| format!("{} {}", event["verb"], event["requestURI"]))
            .collect())
    }

    /// The addresses of its API and its metrics, from its log.
    async fn listen_addresses(&self) -> Result<(SocketAddr, SocketAddr)> {
        eventually("the replica listens", async || {
            ensure!(self.child.ended().is_none(), "{}", self.child.failure());
            let log = std::fs::read_to_string(self.child.log())?;
            let lines = log
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            let mut serving = lines.filter(|line: &Value| line["message"] == "serving");
            let line = serving.next_back().context("it does not listen yet")?;
            let address = |key: &str| {
                let address = line[key].as_str();
                anyhow::Ok(address.context("the log line has no address")?.parse()?)
            };
            Ok((address("address")?, address("metrics")?))
        })
        .await
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.child.kill();
    }
}

/// The files with its credentials for the cluster and for Google.
struct Files {
    name: String,
    kubeconfig: PathBuf,
    google: PathBuf,
}

impl Files {
    fn write(
        ns: &TestNamespace,
        name: &str,
        token: &SecretString,
        subject: &SecretString,
    ) -> Result<Self> {
        let (cluster, google) = (ns.stack.cluster(), ns.stack.google());
        let name = format!("{name}-{}", ns.name);
        let file = |what: &str| cluster.folder().data().join(format!("{name}-{what}"));
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {
                "server": cluster.control_plane.server(),
                "certificate-authority-data": BASE64.encode(cluster.control_plane.ca_pem().as_bytes()),
            }}],
            "users": [{"name": "c", "user": {"token": token.expose_secret()}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        });
        std::fs::write(file("subject"), subject.expose_secret())?;
        let account = json!({
            "type": "external_account",
            "audience": format!("identitynamespace:{WORKLOAD_POOL}:{}", cluster.issuer()),
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": format!("{}/v1/token", google.base_url()),
            "credential_source": {"file": file("subject")},
        });
        std::fs::write(file("kubeconfig"), kubeconfig.to_string())?;
        std::fs::write(file("google"), account.to_string())?;
        let (kubeconfig, google) = (file("kubeconfig"), file("google"));
        Ok(Self {
            name,
            kubeconfig,
            google,
        })
    }

    fn env(&self, google: &Google) -> Vec<(String, String)> {
        let google_at = google.base_url().to_owned();
        let endpoints = [
            names::ENV_IAM_ENDPOINT,
            names::ENV_IAM_CREDENTIALS_ENDPOINT,
            names::ENV_STS_ENDPOINT,
            names::ENV_STORAGE_ENDPOINT,
            names::ENV_RESOURCE_MANAGER_ENDPOINT,
        ];
        let endpoints = endpoints.map(|name| (name, google_at.clone()));
        let text = |path: &PathBuf| path.display().to_string();
        let others = [
            ("KUBECONFIG", text(&self.kubeconfig)),
            ("GOOGLE_APPLICATION_CREDENTIALS", text(&self.google)),
            ("NO_PROXY", "127.0.0.1".to_owned()),
            (names::ENV_LISTEN, "127.0.0.1:0".to_owned()),
            (names::ENV_METRICS_LISTEN, "127.0.0.1:0".to_owned()),
            (names::ENV_TLS_NAMES, "127.0.0.1".to_owned()),
            (names::ENV_REPLICA, self.name.clone()),
            (names::ENV_DRAIN, "0s".to_owned()),
        ];
        let all = endpoints.into_iter().chain(others);
        all.map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// The credential ID of a token in the API server's audit log.
fn credential_of(token: &SecretString) -> Result<String> {
    let claims = token
        .expose_secret()
        .split('.')
        .nth(1)
        .context("the token is not a JWT")?;
    let claims: Value = serde_json::from_slice(&BASE64URL_NOPAD.decode(claims.as_bytes())?)?;
    Ok(format!(
        "JTI={}",
        claims["jti"].as_str().context("the token has no jti")?
    ))
}
