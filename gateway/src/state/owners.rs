//! Who owns a run: read once from the metadata service, and kept, because it never changes.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use lru::LruCache;
use namesake_service::SingleFlight;
use parking_lot::Mutex;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;

/// Runs whose owner is kept; each needs about 200 bytes.
const KEPT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(49_999);
/// Longest wait for the metadata service.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How long after a failure the metadata service is not asked again about the same run.
const KEEP_FAILURE: Duration = Duration::from_millis(500);

/// Why the metadata service does not say who owns a run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OwnersError {
    /// It cannot be asked, or does not answer in time.
    #[error("the metadata service does not answer")]
    NoAnswer,
    /// It answers with an error.
    #[error("the metadata service answers with status {0}")]
    Status(u16),
    /// It answers with something else than a run.
    #[error("the answer of the metadata service is not a run")]
    NotARun,
    /// The client cannot be set up.
    #[error("the client for the metadata service: {0}")]
    Client(String),
}

/// The owners of runs, by path.
pub struct Owners {
    client: Client,
    service: String,
    known: Mutex<LruCache<Box<str>, Arc<str>>>,
    calls: SingleFlight<Box<str>, Option<Arc<str>>, OwnersError>,
}

/// A run, as the metadata service describes it.
#[derive(Deserialize)]
struct Run {
    #[serde(default)]
    user_name: Option<String>,
}

impl Owners {
    /// Asks the metadata service at this URL.
    ///
    /// # Errors
    /// The client cannot be set up.
    pub fn new(service: &Url) -> Result<Self, OwnersError> {
        let client = Client::builder()
            .timeout(TIMEOUT)
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| OwnersError::Client(error.to_string()))?;
        Ok(Self {
            client,
            service: service.as_str().trim_end_matches('/').to_owned(),
            known: Mutex::new(LruCache::new(KEPT)),
            calls: SingleFlight::new(Duration::ZERO, KEEP_FAILURE),
        })
    }

    /// The `user_name` of the run at this path, `/flows/FLOW/runs/RUN`, if it is in memory.
    pub fn known(&self, path: &str) -> Option<Arc<str>> {
        self.known.lock().get(path).cloned()
    }

    /// Asks for the `user_name` of the run at this path; empty if it has none. `None` if there is no such run. Only what exists is
    /// kept: what does not exist yet may be created at any time.
    ///
    /// # Errors
    /// The metadata service does not say.
    pub async fn ask(&self, path: &str) -> Result<Option<Arc<str>>, OwnersError> {
        let (client, url) = (self.client.clone(), format!("{}{path}", self.service));
        let call = self.calls.join(path.into(), || ask(client, url)).await;
        let owner = call.unwrap_or(Err(OwnersError::NoAnswer))?;
        if let Some(owner) = &owner {
            self.known.lock().put(path.into(), owner.clone());
        }
        Ok(owner)
    }
}

async fn ask(client: Client, url: String) -> Result<Option<Arc<str>>, OwnersError> {
    let answer = client.get(url).send().await;
    let answer = answer.map_err(|_| OwnersError::NoAnswer)?;
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(None),
        status => return Err(OwnersError::Status(status.as_u16())),
    }
    let run = answer.json::<Run>().await;
    let run = run.map_err(|error| match error.is_decode() {
        true => OwnersError::NotARun,
        false => OwnersError::NoAnswer,
    })?;
    Ok(Some(run.user_name.unwrap_or_default().into()))
}
