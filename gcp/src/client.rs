//! The client: endpoints, credentials and limits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use google_cloud_auth::credentials::Credentials;
use google_cloud_gax::error::Error as GaxError;
use google_cloud_gax::retry_policy::RetryPolicy;
use google_cloud_gax::retry_result::RetryResult;
use google_cloud_gax::retry_state::RetryState;
use google_cloud_iam_admin_v1::client::Iam;

use crate::error::classify;
use crate::transport::rates::{Rates, Standing};
use crate::transport::retry::{Fence, Retry};
use crate::{Error, Failure, PerMinute};

/// Limit of a call when [`Gcp::within`] sets no other.
const LIMIT: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(5);

/// Base URLs of Google's services, such as `https://iam.googleapis.com`; a path is kept.
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

/// Speaks to Google. Cheap to clone.
#[derive(Clone)]
pub struct Gcp {
    pub(crate) iam: Iam,
    pub(crate) http: reqwest::Client,
    pub(crate) credentials: Credentials,
    pub(crate) endpoints: Endpoints,
    rates: Arc<Rates>,
    fence: Option<Fence>,
    limit: Duration,
}

impl Gcp {
    /// Makes the clients; talks to nobody yet. `credentials` are our own: see [`crate::application_default`].
    ///
    /// # Errors
    /// When no default crypto provider is installed in the process, or an endpoint is no URL.
    pub async fn connect(endpoints: Endpoints, credentials: Credentials) -> Result<Self, Error> {
        let failed = |message: String| {
            Error::Invalid(Failure {
                what: "make the client for Google".to_owned(),
                message,
            })
        };
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(failed(
                "no default crypto provider: install rustls' ring provider at the start of the program".to_owned(),
            ));
        }
        for url in endpoints.all() {
            let parsed =
                reqwest::Url::parse(url).map_err(|e| failed(format!("endpoint {url:?}: {e}")))?;
            if parsed.cannot_be_a_base() {
                return Err(failed(format!("endpoint {url:?}: not an http URL")));
            }
        }
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| failed(classify::source_text(&e)))?;
        let iam = Iam::builder()
            .with_endpoint(endpoints.iam.trim_end_matches('/'))
            .with_credentials(credentials.clone())
            .with_retry_policy(Once)
            .build()
            .await
            .map_err(|e| failed(classify::source_text(&e)))?;
        Ok(Self {
            iam,
            http,
            credentials,
            endpoints,
            rates: Rates::new(PerMinute::default()),
            fence: None,
            limit: LIMIT,
        })
    }

    /// The same client, as fast as this; what it has learned about rates is forgotten. Clones made from it share one
    /// count.
    #[must_use]
    pub fn at(&self, limits: PerMinute) -> Self {
        Self {
            rates: Rates::new(limits),
            ..self.clone()
        }
    }

    /// The same client, which changes something at Google only while `fence` says so, and asks it right before each
    /// request.
    #[must_use]
    pub fn fenced(&self, fence: Fence) -> Self {
        Self {
            fence: Some(fence),
            ..self.clone()
        }
    }

    /// How each rate that was used stands.
    #[must_use]
    pub fn standings(&self) -> Vec<Standing> {
        self.rates.standings()
    }

    /// The same client with another limit for each call, retries and pauses included. 60 s unless set.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Self {
        Self {
            limit,
            ..self.clone()
        }
    }

    pub(crate) fn retry(&self) -> Retry {
        Retry::within(self.limit, Arc::clone(&self.rates), self.fence.clone())
    }
}

impl Endpoints {
    fn all(&self) -> [&str; 5] {
        [
            &self.iam,
            &self.iam_credentials,
            &self.sts,
            &self.storage,
            &self.resource_manager,
        ]
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

/// The official crate sends each request once: `retry` decides, for all services alike.
#[derive(Debug)]
struct Once;

impl RetryPolicy for Once {
    fn on_error(&self, _: &RetryState, error: GaxError) -> RetryResult {
        RetryResult::Permanent(error)
    }
}
