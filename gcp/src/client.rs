//! The client: endpoints, credentials, rates and time limits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use google_cloud_auth::credentials::Credentials;
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_iam_admin_v1::client::Iam;

use crate::error::classify::source_text;
use crate::transport::rates::{RateStatus, Rates};
use crate::transport::retry::{Fence, Observer, Retry};
use crate::{Error, Failure, RateLimits};

/// Time limit of a call unless [`Gcp::within`] sets another.
const DEFAULT_LIMIT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Base URLs of Google's services, such as `https://iam.googleapis.com`. A base URL may have a path.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// Identity and Access Management.
    pub iam: String,
    /// IAM Service Account Credentials.
    pub iam_credentials: String,
    /// Security Token Service.
    pub sts: String,
    /// Cloud Storage, JSON.
    pub storage: String,
    /// Resource Manager.
    pub resource_manager: String,
}

impl Endpoints {
    /// All services at one URL, as the emulator serves them.
    #[must_use]
    pub fn all_at(url: &str) -> Self {
        Self {
            iam: url.to_owned(),
            iam_credentials: url.to_owned(),
            sts: url.to_owned(),
            storage: url.to_owned(),
            resource_manager: url.to_owned(),
        }
    }
}

/// A client for Google's APIs. Cheap to clone.
#[derive(Clone)]
pub struct Gcp {
    pub(crate) iam: Iam,
    pub(crate) http: reqwest::Client,
    pub(crate) credentials: Credentials,
    pub(crate) endpoints: Endpoints,
    rates: Arc<Rates>,
    fence: Option<Fence>,
    observer: Option<Observer>,
    limit: Duration,
}

impl Gcp {
    /// Creates the client; it sends nothing yet. `credentials` are our own: see [`crate::application_default`].
    ///
    /// # Errors
    /// The process has no default crypto provider, or an endpoint is not an http URL.
    pub async fn connect(endpoints: Endpoints, credentials: Credentials) -> Result<Self, Error> {
        let failed =
            |message: String| Error::Invalid(Failure::new("create the client for Google", message));
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(failed(
                "no default crypto provider: install rustls' ring provider at the start of the program".to_owned(),
            ));
        }
        let Endpoints {
            iam,
            iam_credentials,
            sts,
            storage,
            resource_manager,
        } = &endpoints;
        for url in [iam, iam_credentials, sts, storage, resource_manager] {
            let parsed =
                reqwest::Url::parse(url).map_err(|e| failed(format!("endpoint {url:?}: {e}")))?;
            if parsed.cannot_be_a_base() {
                return Err(failed(format!("endpoint {url:?}: not an http URL")));
            }
        }
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| failed(source_text(&e)))?;
        // The official crate sends each request once: `Retry` does the retries of all services alike.
        let iam = Iam::builder()
            .with_endpoint(iam.trim_end_matches('/'))
            .with_credentials(credentials.clone())
            .with_retry_policy(NeverRetry)
            .build()
            .await
            .map_err(|e| failed(source_text(&e)))?;
        Ok(Self {
            iam,
            http,
            credentials,
            endpoints,
            rates: Rates::new(RateLimits::default()),
            fence: None,
            observer: None,
            limit: DEFAULT_LIMIT,
        })
    }

    /// The same client with other rate limits, which has forgotten what it learned about rates. Its clones share one
    /// count of requests.
    #[must_use]
    pub fn with_rate_limits(&self, limits: RateLimits) -> Self {
        Self {
            rates: Rates::new(limits),
            ..self.clone()
        }
    }

    /// The same client, which changes something at Google only while `fence` returns true. It calls `fence` right before
    /// each request that writes.
    #[must_use]
    pub fn fenced(&self, fence: Fence) -> Self {
        Self {
            fence: Some(fence),
            ..self.clone()
        }
    }

    /// The same client, which reports each request that was sent to `observer`.
    #[must_use]
    pub fn observed(&self, observer: Observer) -> Self {
        Self {
            observer: Some(observer),
            ..self.clone()
        }
    }

    /// The same client with another time limit for each call, including retries and pauses. 60 s unless set.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Self {
        Self {
            limit,
            ..self.clone()
        }
    }

    /// The status of each rate in use.
    #[must_use]
    pub fn rate_statuses(&self) -> Vec<RateStatus> {
        self.rates.statuses()
    }

    pub(crate) fn retry(&self) -> Retry {
        let (fence, observer) = (self.fence.clone(), self.observer.clone());
        Retry::within(self.limit, Arc::clone(&self.rates), fence).observed(observer)
    }
}

impl fmt::Debug for Gcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gcp")
            .field("endpoints", &self.endpoints)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
