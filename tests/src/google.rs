//! Google's side of one stack: the emulator, and what a task with a service account's token finds there.

use std::{collections::BTreeSet, net::Ipv4Addr};

use anyhow::{Context, Result, anyhow};
use google_cloud_auth::credentials::{
    CacheableResource, Credentials, CredentialsProvider, EntityTag,
};
use google_cloud_gax::error::CredentialsError;
use namesake_gcp::{Endpoints, Gcp, RateLimits};
use namesake_gcp_emulator::{Emulator, Fault, Options, Seed, Settings, State};
use namesake_sandbox::{WORKLOAD_POOL, google::storage::Storage, host::ports};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::cluster::Cluster;

pub mod gcloud;

/// Where the identities' GSAs live.
pub const IDENTITIES_PROJECT: &str = "acme-identities";
/// Where the workload pool and the bucket are.
const CLUSTER_PROJECT: &str = "acme";
/// Where everybody keeps their objects, each in a folder of their own.
pub const BUCKET: &str = "acme-mf";
const CLUSTER_NUMBER: u64 = 123_456_789_012;
const IDENTITIES_NUMBER: u64 = 210_987_654_321;
/// The broker's own account: its requests are told from a task's by it.
const BROKER: &str = "namesake-broker@acme-identities.iam.gserviceaccount.com";
/// The person who stands for the broker's account; the emulator hands out tokens for people.
const BROKER_TOKEN_OF: &str = "namesake-broker@acme.com";

/// An emulated Google.
pub struct Google {
    emulator: Emulator,
    http: reqwest::Client,
    /// Objects of buckets; without it there are buckets and permissions only.
    _storage: Option<Storage>,
}

impl Google {
    /// Starts one that believes this cluster's tokens and lets the broker do its work.
    ///
    /// # Errors
    /// The listener, or a seed that does not fit.
    pub async fn start(cluster: &Cluster) -> Result<Self> {
        let options = Options {
            seed: world(cluster).await?,
            ..Options::default()
        };
        Self::begin(options, None).await
    }

    /// As [`Google::start`], with a storage behind it in which tasks and people keep objects.
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
            seed: world(cluster).await?,
            storage_upstream: Some(storage.url().to_owned()),
            ..Options::default()
        };
        Self::begin(options, Some(storage)).await
    }

    async fn begin(options: Options, storage: Option<Storage>) -> Result<Self> {
        Ok(Self {
            emulator: Emulator::start(options).await?,
            http: reqwest::Client::builder().no_proxy().build()?,
            _storage: storage,
        })
    }

    /// Lets a person write into a folder of the bucket from their laptop.
    ///
    /// # Errors
    /// The name is not a folder's.
    pub fn grant_folder(&self, person: &str, folder: &str) -> Result<()> {
        let binding =
            json!({"role": "roles/storage.objectUser", "members": [format!("user:{person}")]});
        let folder = json!({"name": folder, "bindings": [binding]});
        let bucket =
            json!({"name": BUCKET, "project": CLUSTER_PROJECT, "managedFolders": [folder]});
        self.seed(json!({"buckets": [bucket]}))
    }

    /// Believes another cluster of the project from now on too.
    ///
    /// # Errors
    /// Its key set is none.
    pub async fn trust_cluster(&self, cluster: &Cluster) -> Result<()> {
        let pool = serde_json::from_value(pool(cluster).await?)?;
        self.state().put_pool(pool).map_err(|what| anyhow!(what))
    }

    /// Has no workload pool any more, until it [believes](Google::believes) a cluster again.
    ///
    /// # Errors
    /// It had none.
    pub async fn delete_pool(&self) -> Result<()> {
        let url = format!("{}/emulator/v1/pools/{WORKLOAD_POOL}", self.base_url());
        self.http.delete(url).send().await?.error_for_status()?;
        Ok(())
    }

    /// Lets a Kubernetes service account, `NAMESPACE/NAME`, do here what the broker may.
    ///
    /// # Errors
    /// The name is none.
    pub fn grant_broker_roles(&self, account: &str) -> Result<()> {
        let member = format!("serviceAccount:{WORKLOAD_POOL}[{account}]");
        let may = |role: &str| json!([{"role": role, "members": [member]}]);
        let seed = json!({
            "projects": [
                {"id": CLUSTER_PROJECT, "number": CLUSTER_NUMBER, "bindings": may("roles/browser")},
                {"id": IDENTITIES_PROJECT, "number": IDENTITIES_NUMBER, "bindings": may("roles/iam.serviceAccountAdmin")},
            ],
            "buckets": [{"name": BUCKET, "project": CLUSTER_PROJECT, "bindings": may("roles/storage.admin")}],
        });
        self.seed(seed)
    }

    /// Adds to what is here, in the form of a seed file.
    ///
    /// # Errors
    /// What does not fit.
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

    /// The client by which tasks reach it.
    pub(crate) const fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The emulated world: settings, clock, planned failures, the journal of requests.
    #[must_use]
    pub fn state(&self) -> &State {
        self.emulator.state()
    }

    /// Ends it and every connection: Google is away.
    pub fn stop(&self) {
        self.emulator.stop();
    }

    /// What the broker's client is made from.
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
    /// A value out of range.
    pub fn change_settings(&self, change: impl FnOnce(&mut Settings)) -> Result<()> {
        self.state()
            .change_settings(change)
            .map_err(|what| anyhow!(what))
    }

    /// Plans a failure; its form is in the emulator's README.
    ///
    /// # Errors
    /// It has another form.
    pub fn plan_fault(&self, fault: Value) -> Result<()> {
        self.state()
            .add_fault(serde_json::from_value::<Fault>(fault)?);
        Ok(())
    }

    /// Somebody with every right does something here, whatever is planned to fail; what they are answered is theirs to read.
    pub async fn request_as_owner(&self, method: &str, path: &str, body: &Value) -> u16 {
        let token = self.state().user_token(BROKER_TOKEN_OF);
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

    /// E-mails of all accounts but the broker's.
    #[must_use]
    pub fn accounts(&self) -> Vec<String> {
        let all = self.service_accounts().into_iter();
        all.filter_map(|account| account["email"].as_str().map(str::to_owned))
            .collect()
    }

    /// Ids of the accounts that were made for service accounts of this namespace.
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

    /// Somebody makes an account of this id.
    ///
    /// # Errors
    /// The id is no id.
    pub fn create_account(&self, id: &str, description: &str) -> Result<()> {
        let seed = json!({"serviceAccounts": [{"project": IDENTITIES_PROJECT, "accountId": id, "description": description}]});
        self.seed(seed)
    }

    fn account(&self, id: &str) -> Result<Value> {
        let wanted = email(id);
        let mut all = self.service_accounts().into_iter();
        all.find(|account| account["email"] == wanted.as_str())
            .with_context(|| format!("Google has no {wanted}"))
    }

    /// The description of an account.
    ///
    /// # Errors
    /// There is none of this id.
    pub fn description_of(&self, id: &str) -> Result<String> {
        Ok(self.account(id)?["description"]
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }

    /// The name of an account's policy among all policies.
    ///
    /// # Errors
    /// There is no account of this id.
    pub fn policy_of(&self, id: &str) -> Result<String> {
        let account = self.account(id)?;
        let uid = account["uniqueId"].as_str().unwrap_or_default();
        Ok(format!(
            "projects/{IDENTITIES_PROJECT}/serviceAccounts/{uid}"
        ))
    }

    /// Everybody who may act as an account.
    ///
    /// # Errors
    /// There is none of this id.
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

/// What an admin set up before, and for the broker.
async fn world(cluster: &Cluster) -> Result<Seed> {
    let broker = format!("user:{BROKER_TOKEN_OF}");
    let world = json!({
        "projects": [
            {"id": CLUSTER_PROJECT, "number": CLUSTER_NUMBER,
             "bindings": [{"role": "roles/browser", "members": [broker]}]},
            {"id": IDENTITIES_PROJECT, "number": IDENTITIES_NUMBER,
             "bindings": [{"role": "roles/iam.serviceAccountAdmin", "members": [broker]}]},
        ],
        "pools": [pool(cluster).await?],
        "serviceAccounts": [{"project": IDENTITIES_PROJECT, "accountId": "namesake-broker"}],
        "buckets": [{"name": BUCKET, "project": CLUSTER_PROJECT, "bindings": [{"role": "roles/storage.admin", "members": [broker]}]}],
        // All tests of a run share one project and one bucket.
        "settings": {"limits": {"serviceAccounts": 100_000, "writesPerMinute": 100_000, "readsPerMinute": 100_000, "bucketUpdatesPerSecond": null}},
    });
    Ok(serde_json::from_value(world)?)
}

/// A cluster as an issuer of the pool that all clusters of its project share.
async fn pool(cluster: &Cluster) -> Result<Value> {
    let keys: Value = serde_json::from_str(&cluster.control_plane.jwks().await?)?;
    Ok(json!({"pool": WORKLOAD_POOL, "issuer": cluster.issuer(), "jwks": keys}))
}

/// The e-mail of an identity's account.
#[must_use]
pub fn email(id: &str) -> String {
    format!("{id}@{IDENTITIES_PROJECT}.iam.gserviceaccount.com")
}

/// The broker's address and token at Google, for a client in whichever runtime it is to live.
#[derive(Debug)]
pub struct BrokerCredentials {
    url: String,
    token: SecretString,
}

impl BrokerCredentials {
    /// The broker's client.
    ///
    /// # Errors
    /// The address is no URL.
    pub async fn connect(self) -> Result<Gcp> {
        let endpoints = Endpoints::all_at(&self.url);
        let gcp = Gcp::connect(endpoints, Credentials::from(Fixed(self.token))).await?;
        // All tests of a run share one project: its rates are as high here as the emulator's.
        Ok(gcp.with_rate_limits(RateLimits {
            reads: 100_000,
            writes: 100_000,
            ..RateLimits::default()
        }))
    }
}

/// One token, for the whole run.
#[derive(Debug)]
struct Fixed(SecretString);

impl CredentialsProvider for Fixed {
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
