//! Google's side: the emulator with the projects, workload pool and bucket of acme, in front of the object storage.

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use anyhow::{Context, Result, anyhow};
use namesake_core::IdentityName;
use namesake_gcp_emulator::{
    AccountSeed, BucketSeed, CustomRole, Emulator, FolderSeed, Options, PoolSeed, ProjectSeed, Seed,
};
use serde_json::{Value, json};

use crate::{
    ControlPlane, ISSUER, WORKLOAD_POOL, WorkFolder, google::storage::Storage, host::ports,
};

pub mod metadata;
pub mod storage;

/// The cluster's project.
pub const PROJECT: &str = "acme";
/// Its number.
pub const PROJECT_NUMBER: u64 = 314_159_265_358;
/// The project of the identities' Google accounts.
pub const IDENTITIES: &str = "acme-identities";
const IDENTITIES_NUMBER: u64 = 271_828_182_845;
/// The bucket with everybody's data, each user's in their own folder.
pub const BUCKET: &str = "acme-mf";
/// The owner of the projects: acme's admin.
pub const OWNER: &str = "admin@acme.com";
/// The broker's own Google account.
pub const BROKER_ACCOUNT: &str = "namesake-broker@acme-identities.iam.gserviceaccount.com";

const START_TRIES: u32 = 5;
/// The permissions of the broker's custom roles, as Terraform grants them.
const PERMISSIONS: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../terraform/modules/namesake/permissions.json"
));
const BROKER_ROLE: &str = "projects/acme-identities/roles/namesakeBroker";
const FOLDERS_ROLE: &str = "projects/acme/roles/namesakeFolders";

/// A running emulator with its storage.
#[derive(Debug)]
pub struct Google {
    emulator: Emulator,
    _storage: Storage,
}

impl Google {
    /// Starts both, in the current tokio runtime. `propagation` is how long IAM takes to propagate a change (minutes at Google).
    ///
    /// # Errors
    /// A port or program is not available.
    pub async fn start(
        control_plane: &ControlPlane,
        folder: &WorkFolder,
        propagation: Duration,
    ) -> Result<Self> {
        let world = world(&control_plane.jwks().await?, propagation)?;
        for attempt in 1.. {
            let port = ports::free()?;
            let url = format!("http://127.0.0.1:{port}");
            let storage = Storage::start(
                control_plane.children(),
                control_plane.binaries(),
                folder,
                &url,
            )
            .await?;
            let options = Options {
                listen: (Ipv4Addr::LOCALHOST, port).into(),
                seed: world.clone(),
                storage_upstream: Some(storage.url().to_owned()),
                ..Options::default()
            };
            match Emulator::start(options).await {
                Ok(emulator) => {
                    return Ok(Self {
                        emulator,
                        _storage: storage,
                    });
                }
                Err(error) if attempt == START_TRIES || ports::is_free(port) => {
                    return Err(error).context("the emulator of Google's side does not start");
                }
                // Another program took the port in between.
                Err(_) => storage.stop().await,
            }
        }
        Err(anyhow!("the emulator of Google's side was not started"))
    }

    /// The base URL of all of Google's APIs.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.emulator.base_url
    }

    /// The emulator.
    #[must_use]
    pub fn emulator(&self) -> &Emulator {
        &self.emulator
    }

    /// Grants a person the folder of their identity, as an admin of the bucket would, so that their laptop can write there too.
    ///
    /// # Errors
    /// The emulator refuses.
    pub fn grant_folder(&self, person: &str, identity: &IdentityName) -> Result<()> {
        let member = format!("user:{person}");
        let folder = FolderSeed {
            name: folder_of(identity),
            bindings: vec![binding("roles/storage.objectUser", &member)],
        };
        let bucket = bucket(Vec::new(), vec![folder]);
        let seed = Seed {
            buckets: vec![bucket],
            ..Seed::default()
        };
        self.emulator
            .state()
            .seed(seed)
            .map_err(|error| anyhow!("cannot grant {person} a folder: {error}"))
    }
}

/// The folder of an identity in the bucket, as the rules of the loopback overlay grant it.
#[must_use]
pub fn folder_of(identity: &IdentityName) -> String {
    format!("users/{}/", identity.key())
}

/// A custom role with the broker's permissions on a kind of resource, such as `identities`: a key of permissions.json.
///
/// # Errors
/// The file has no such key.
pub fn broker_role(name: &str, kind: &str) -> Result<CustomRole> {
    let mut all: BTreeMap<String, Vec<String>> = serde_json::from_str(PERMISSIONS)?;
    let permissions = all.remove(kind);
    Ok(CustomRole {
        name: name.to_owned(),
        included_permissions: permissions
            .with_context(|| format!("permissions.json has no {kind}"))?,
        ..CustomRole::default()
    })
}

fn binding(role: &str, member: &str) -> Value {
    json!({"role": role, "members": [member]})
}

fn bucket(bindings: Vec<Value>, managed_folders: Vec<FolderSeed>) -> BucketSeed {
    BucketSeed {
        name: BUCKET.to_owned(),
        project: PROJECT.to_owned(),
        uniform_bucket_level_access: true,
        bindings,
        managed_folders,
    }
}

/// What an admin of acme has set up, also for Namesake (docs/install.md).
fn world(jwks: &str, propagation: Duration) -> Result<Seed> {
    let broker = format!("serviceAccount:{BROKER_ACCOUNT}");
    let project = |id: &str, number: u64, bindings: Vec<Value>| ProjectSeed {
        id: id.to_owned(),
        number,
        bindings,
        ..ProjectSeed::default()
    };
    let owner = binding("roles/owner", &format!("user:{OWNER}"));
    let broker_ksa = format!("serviceAccount:{WORKLOAD_POOL}[namesake-system/namesake-broker]");
    Ok(Seed {
        projects: vec![
            project(PROJECT, PROJECT_NUMBER, vec![owner.clone()]),
            project(
                IDENTITIES,
                IDENTITIES_NUMBER,
                vec![owner, binding(BROKER_ROLE, &broker)],
            ),
        ],
        pools: vec![PoolSeed {
            pool: WORKLOAD_POOL.to_owned(),
            project: Some(PROJECT.to_owned()),
            issuer: ISSUER.to_owned(),
            jwks: serde_json::from_str(jwks).context("the cluster's public keys are not JSON")?,
            provider: None,
            allowed_audiences: Vec::new(),
        }],
        service_accounts: vec![AccountSeed {
            project: IDENTITIES.to_owned(),
            account_id: "namesake-broker".to_owned(),
            display_name: "Namesake's broker".to_owned(),
            description: String::new(),
            bindings: vec![binding("roles/iam.workloadIdentityUser", &broker_ksa)],
        }],
        buckets: vec![bucket(vec![binding(FOLDERS_ROLE, &broker)], Vec::new())],
        roles: vec![
            broker_role(BROKER_ROLE, "identities")?,
            broker_role(FOLDERS_ROLE, "folders")?,
        ],
        settings: delays(propagation),
        ..Seed::default()
    })
}

/// Google's delays scaled to `propagation`: policies take longest, new accounts are visible earlier.
fn delays(propagation: Duration) -> Value {
    let whole = propagation.as_secs_f64();
    json!({"delays": {
        "serviceAccountGet": whole / 4.0, "serviceAccountMember": whole / 2.0, "serviceAccountCredentials": whole / 2.0,
        "policyRead": whole / 8.0, "policy": whole,
    }})
}
