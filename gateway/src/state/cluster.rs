//! What the page asks of the API server: pods that wait at their gate, quotas, and parents without a proven requester. The answers
//! are kept for some seconds, so that people who reload the page do not load the API server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::ListParams;
use kube::{Api, Client};
use namesake_api::UnprovenReport;
use namesake_api::names::{GATE, QUOTA_CONFIG_MAP, UNPROVEN_CONFIG_MAP};
use namesake_service::SingleFlight;

/// How long an answer, or a failure, is used.
const KEEP: Duration = Duration::from_secs(5);
/// Longest wait for the API server.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Pods in one page of a list: each may be as large as an object gets (1.5 MiB).
const PAGE: u32 = 50;
/// Pages that are read of a namespace.
const MAX_PAGES: usize = 10;
/// Namespaces that are read at the same time.
const CONCURRENCY: usize = 4;

/// A pod that waits at Namesake's gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingPod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The KSA that it runs as, which is also the name of its Identity.
    pub account: String,
    /// When it was created.
    pub created: Option<Timestamp>,
}

/// A failure, in words for people.
type Failed = String;

/// The API server.
pub struct Cluster {
    client: Client,
    namespace: String,
    waiting: SingleFlight<String, Arc<Vec<WaitingPod>>, Failed>,
    maps: SingleFlight<&'static str, Option<Arc<BTreeMap<String, String>>>, Failed>,
}

impl Cluster {
    /// Reads with this client; the ConfigMaps of broker and webhook are in this namespace.
    #[must_use]
    pub fn new(client: Client, namespace: &str) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            waiting: SingleFlight::new(KEEP, KEEP),
            maps: SingleFlight::new(KEEP, KEEP),
        }
    }

    /// The pods in these namespaces that wait at their gate, the oldest first, and what could not be read.
    pub async fn waiting(&self, namespaces: Vec<String>) -> (Vec<WaitingPod>, Vec<Failed>) {
        let read = |namespace: String| async move {
            let client = self.client.clone();
            let list = namespace.clone();
            let call = || within(async move { list_waiting(client, &list).await });
            let pods = self.waiting.join(namespace.clone(), call).await;
            let failed = |why| format!("The pods of namespace {namespace} cannot be read: {why}");
            pods.unwrap_or_else(|| Err("internal error".to_owned()))
                .map_err(failed)
        };
        let read = stream::iter(namespaces)
            .map(read)
            .buffer_unordered(CONCURRENCY);
        let read: Vec<_> = read.collect().await;
        let (mut pods, mut failures) = (Vec::new(), Vec::new());
        for result in read {
            match result {
                Ok(found) => pods.extend(found.iter().cloned()),
                Err(failed) => failures.push(failed),
            }
        }
        pods.sort_by(|a, b| (a.created, &a.name).cmp(&(b.created, &b.name)));
        failures.sort();
        (pods, failures)
    }

    /// How much is used of each quota, as the broker reports it.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn quotas(&self) -> Result<Arc<BTreeMap<String, String>>, Failed> {
        let data = self.config_map(QUOTA_CONFIG_MAP).await?;
        Ok(data.unwrap_or_default())
    }

    /// The parents without a proven requester, as the webhook reports them.
    ///
    /// # Errors
    /// The report cannot be read, or does not exist yet.
    pub async fn unproven(&self) -> Result<UnprovenReport, Failed> {
        let data = self.config_map(UNPROVEN_CONFIG_MAP).await?;
        // The webhook creates it without data when it is not ready.
        let data = data.filter(|data| !data.is_empty());
        let data = data.ok_or_else(|| "the webhook has not reported any yet".to_owned())?;
        let report = UnprovenReport::from_data(&data);
        report.map_err(|error| format!("ConfigMap {UNPROVEN_CONFIG_MAP}: {error}"))
    }

    async fn config_map(
        &self,
        name: &'static str,
    ) -> Result<Option<Arc<BTreeMap<String, String>>>, Failed> {
        let maps = Api::<ConfigMap>::namespaced(self.client.clone(), &self.namespace);
        let call = || {
            within(async move {
                let map = maps.get_opt(name).await?;
                Ok(map.map(|map| Arc::new(map.data.unwrap_or_default())))
            })
        };
        let data = self.maps.join(name, call).await;
        data.unwrap_or_else(|| Err("internal error".to_owned()))
    }
}

async fn within<T>(read: impl Future<Output = kube::Result<T>>) -> Result<T, Failed> {
    match tokio::time::timeout(TIMEOUT, read).await {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(kube::Error::Api(status))) => Err(status.message),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the API server does not answer".to_owned()),
    }
}

// Pods without a node: those at a gate, and those that the scheduler has not placed. Never by labels, which tenants write.
async fn list_waiting(client: Client, namespace: &str) -> kube::Result<Arc<Vec<WaitingPod>>> {
    let pods = Api::<Pod>::namespaced(client, namespace);
    let mut params = ListParams::default().fields("spec.nodeName=").limit(PAGE);
    let mut waiting = Vec::new();
    for _ in 0..MAX_PAGES {
        let page = pods.list(&params).await?;
        waiting.extend(page.items.into_iter().filter_map(WaitingPod::of));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
    }
    Ok(Arc::new(waiting))
}

impl WaitingPod {
    fn of(pod: Pod) -> Option<Self> {
        let spec = pod.spec?;
        let mut gates = spec.scheduling_gates.iter().flatten();
        gates.find(|gate| gate.name == GATE)?;
        Some(Self {
            namespace: pod.metadata.namespace?,
            name: pod.metadata.name?,
            account: spec.service_account_name?,
            created: pod.metadata.creation_timestamp.map(|time| time.0),
        })
    }
}
