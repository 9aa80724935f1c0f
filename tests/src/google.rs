//! Google for one stack: the emulator, with requests and settings for tests.

use std::{collections::BTreeSet, net::Ipv4Addr};

use anyhow::{Context, Result, anyhow};
use google_cloud_auth::credentials::{
    CacheableResource, Credentials, CredentialsProvider, EntityTag,
};
use google_cloud_gax::error::CredentialsError;
use namesake_gcp::{Endpoints, Gcp, RateLimits};
use namesake_gcp_emulator::{Emulator, Fault, Options, Settings, State};
use namesake_sandbox::{WORKLOAD_POOL, google::storage::Storage, host::ports};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::cluster::Cluster;

pub mod gcloud;
mod seed;
pub mod terraform;

use seed::{BROKER_TOKEN_OF, CLUSTER_PROJECT, OWNER};

/// The project of the identities' GSAs.
pub const IDENTITIES_PROJECT: &str = "acme-identities";
/// The bucket in which each user has a folder.
pub const BUCKET: &str = "acme-mf";
/// The broker's GSA, which distinguishes its requests from those of tasks.
const BROKER: &str = "namesake-broker@acme-identities.iam.gserviceaccount.com";

/// An emulated Google.
pub struct Google {
    emulator: Emulator,
    http: reqwest::Client,
    /// The objects in buckets; without it, there are only buckets and permissions.
    _storage: Option<Storage>,
}

impl Google {
    /// Starts a Google that trusts this cluster's tokens and gives the broker its roles.
    ///
    /// # Errors
    /// It cannot listen, or the seed is not valid.
    pub async fn start(cluster: &Cluster) -> Result<Self> {
        let options = Options {
            seed: seed::seed(cluster).await?,
            ..Options::default()
        };
        Self::begin(options, None).await
    }

    /// As [`Google::start`], with storage for objects.
    ///
    /// # Errors
    /// See [`Google::start`]; or the storage does not start.
    pub async fn start_with_storage(cluster: &Cluster) -> Result<Self> {
        let port = ports::free()?;
        let control_plane = &cluster.control_plane;
        let storage = Storage::start(
            control_plane.children(),
            control_plane.binaries(),
            cluster.folder(),
            &format!("http://127.0.0.1:{port}"),
        )
        .await?;
        let options = Options {
            listen: (Ipv4Addr::LOCALHOST, port).into(),
            seed: seed::seed(cluster).await?,
            storage_upstream: Some(storage.url().to_owned()),
            ..Options::default()
        };
        Self::begin(options, Some(storage)).await
    }

    async fn begin(options: Options, storage: Option<Storage>) -> Result<Self> {
        let google = Self {
            emulator: Emulator::start(options).await?,
            http: reqwest::Client::builder().no_proxy().build()?,
            _storage: storage,
        };
        google.seed(seed::for_owner())?;
        Ok(google)
    }

    /// Grants a person write access to a folder of the bucket.
    ///
    /// # Errors
    /// The name is not a valid folder name.
    pub fn grant_folder(&self, person: &str, folder: &str) -> Result<()> {
        let binding =
            json!({"role": "roles/storage.objectUser", "members": [format!("user:{person}")]});
        let folder = json!({"name": folder, "bindings": [binding]});
        let bucket =
            json!({"name": BUCKET, "project": CLUSTER_PROJECT, "managedFolders": [folder]});
        self.seed(json!({"buckets": [bucket]}))
    }

    /// Trusts another cluster of the project too.
    ///
    /// # Errors
    /// Its key set is not valid.
    pub async fn trust_cluster(&self, cluster: &Cluster) -> Result<()> {
        let pool = serde_json::from_value(seed::pool(cluster).await?)?;
        self.state().put_pool(pool).map_err(|what| anyhow!(what))
    }

    /// Deletes the workload pool; [`Google::trust_cluster`] creates it again.
    ///
    /// # Errors
    /// There is none.
    pub async fn delete_pool(&self) -> Result<()> {
        let url = format!("{}/emulator/v1/pools/{WORKLOAD_POOL}", self.base_url());
        self.http.delete(url).send().await?.error_for_status()?;
        Ok(())
    }

    /// Grants the broker's roles to a Kubernetes service account, `NAMESPACE/NAME`.
    ///
    /// # Errors
    /// The name is not valid.
    pub fn grant_broker_roles(&self, account: &str) -> Result<()> {
        self.seed(seed::for_broker(&format!(
            "serviceAccount:{WORKLOAD_POOL}[{account}]"
        )))
    }

    /// Makes a person the owner of both projects, with the roles that docs/acceptance.md requires.
    ///
    /// # Errors
    /// The address is not valid.
    pub fn grant_owner(&self, person: &str) -> Result<()> {
        self.seed(seed::for_acceptance(person))
    }

    /// Adds resources, in the form of a seed file.
    ///
    /// # Errors
    /// The seed is not valid.
    pub fn seed(&self, seed: Value) -> Result<()> {
        self.state()
            .seed(serde_json::from_value(seed)?)
            .map_err(|what| anyhow!(what))
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.emulator.base_url
    }

    /// The HTTP client of tasks.
    pub(crate) const fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The state of the emulator: settings, clock, planned faults, the journal of requests.
    #[must_use]
    pub fn state(&self) -> &State {
        self.emulator.state()
    }

    /// Stops it and closes every connection: Google is unreachable.
    pub fn stop(&self) {
        self.emulator.stop();
    }

    /// The address and the token for the broker's client.
    #[must_use]
    pub fn broker_credentials(&self) -> BrokerCredentials {
        BrokerCredentials {
            url: self.base_url().to_owned(),
            token: self.state().user_token(BROKER_TOKEN_OF).into(),
        }
    }

    /// Changes settings.
    ///
    /// # Errors
    /// A value is out of range.
    pub fn change_settings(&self, change: impl FnOnce(&mut Settings)) -> Result<()> {
        self.state()
            .change_settings(change)
            .map_err(|what| anyhow!(what))
    }

    /// Plans a fault; the emulator's README describes the format.
    ///
    /// # Errors
    /// The format is different.
    pub fn plan_fault(&self, fault: Value) -> Result<()> {
        self.state()
            .add_fault(serde_json::from_value::<Fault>(fault)?);
        Ok(())
    }

    /// Sends a request with all rights, without planned faults, and returns the status; 0 if the request is not valid.
    pub async fn request_as_owner(&self, method: &str, path: &str, body: &Value) -> u16 {
        let token = self.state().user_token(OWNER);
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::AUTHORIZATION, format!("Bearer {token}"))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body.to_string().into_bytes());
        match request {
            Ok(request) => self.state().call(request).await.0,
            Err(_) => 0,
        }
    }

    fn service_accounts(&self) -> Vec<Value> {
        let all = self.state().listing()["serviceAccounts"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let text = |account: &Value| account["email"].as_str().unwrap_or_default().to_owned();
        all.into_iter()
            .filter(|account| account["deleted"].is_null() && text(account) != BROKER)
            .collect()
    }

    /// The e-mails of all GSAs except the broker's.
    #[must_use]
    pub fn accounts(&self) -> Vec<String> {
        let all = self.service_accounts().into_iter();
        all.filter_map(|account| account["email"].as_str().map(str::to_owned))
            .collect()
    }

    /// The IDs of the GSAs for service accounts of this namespace.
    #[must_use]
    pub fn accounts_of(&self, namespace: &str) -> BTreeSet<String> {
        let mark = format!("ksa={namespace}/");
        let all = self.service_accounts().into_iter();
        let of = all.filter(|account| {
            account["description"]
                .as_str()
                .is_some_and(|text| text.contains(&mark))
        });
        of.filter_map(|account| {
            account["email"]
                .as_str()?
                .split('@')
                .next()
                .map(str::to_owned)
        })
        .collect()
    }

    /// Creates a GSA with this ID.
    ///
    /// # Errors
    /// The ID is not valid.
    pub fn create_account(&self, id: &str, description: &str) -> Result<()> {
        let seed = json!({"serviceAccounts": [{"project": IDENTITIES_PROJECT, "accountId": id, "description": description}]});
        self.seed(seed)
    }

    fn account(&self, id: &str) -> Result<Value> {
        let wanted = email(id);
        let mut all = self.service_accounts().into_iter();
        all.find(|account| account["email"] == wanted.as_str())
            .with_context(|| format!("{wanted} does not exist at Google"))
    }

    /// The description of a GSA.
    ///
    /// # Errors
    /// It does not exist.
    pub fn description_of(&self, id: &str) -> Result<String> {
        Ok(self.account(id)?["description"]
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }

    /// The name of a GSA's policy in the emulator's listing.
    ///
    /// # Errors
    /// The GSA does not exist.
    pub fn policy_of(&self, id: &str) -> Result<String> {
        let account = self.account(id)?;
        let uid = account["uniqueId"].as_str().unwrap_or_default();
        Ok(format!(
            "projects/{IDENTITIES_PROJECT}/serviceAccounts/{uid}"
        ))
    }

    /// All members in the policy of a GSA.
    ///
    /// # Errors
    /// It does not exist.
    pub fn members_of(&self, id: &str) -> Result<Vec<String>> {
        let policies = self.state().listing()["policies"].clone();
        let policy = &policies[self.policy_of(id)?];
        let bindings = policy["bindings"].as_array().into_iter().flatten();
        let members =
            bindings.flat_map(|binding| binding["members"].as_array().into_iter().flatten());
        Ok(members
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect())
    }
}

/// The e-mail of an identity's GSA.
#[must_use]
pub fn email(id: &str) -> String {
    format!("{id}@{IDENTITIES_PROJECT}.iam.gserviceaccount.com")
}

/// Google's address and the broker's token, for a client in any runtime.
#[derive(Debug)]
pub struct BrokerCredentials {
    url: String,
    token: SecretString,
}

impl BrokerCredentials {
    /// The broker's client.
    ///
    /// # Errors
    /// The address is not a URL.
    pub async fn connect(self) -> Result<Gcp> {
        let endpoints = Endpoints::all_at(&self.url);
        let gcp = Gcp::connect(endpoints, Credentials::from(FixedToken(self.token))).await?;
        // All tests of a run share one project, so its rates are as high as the emulator's.
        Ok(gcp.with_rate_limits(RateLimits {
            reads: 100_000,
            writes: 100_000,
            ..RateLimits::default()
        }))
    }
}

/// Credentials with one token for the whole run.
#[derive(Debug)]
struct FixedToken(SecretString);

impl CredentialsProvider for FixedToken {
    async fn headers(
        &self,
        _: http::Extensions,
    ) -> Result<CacheableResource<http::HeaderMap>, CredentialsError> {
        let value = format!("Bearer {}", self.0.expose_secret());
        let value = http::HeaderValue::try_from(value)
            .map_err(|error| CredentialsError::from_source(false, error))?;
        Ok(CacheableResource::New {
            entity_tag: EntityTag::new(),
            data: http::HeaderMap::from_iter([(http::header::AUTHORIZATION, value)]),
        })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}
