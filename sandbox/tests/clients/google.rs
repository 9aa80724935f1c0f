//! The emulator in front of an object store, as every client finds it.

use std::path::Path;
use std::process::{Command, Output};

use data_encoding::BASE64URL_NOPAD;
use namesake_gcp_emulator::{Emulator, Options, PoolSeed, Seed};
use namesake_sandbox::{
    ISSUER, WORKLOAD_POOL, WorkFolder, google::storage::Storage, host::children::Children,
    programs::kubernetes::Binaries,
};
use ring::rsa::PublicKeyComponents;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

/// An account that alice, and the pod's KSA, may use.
pub(crate) const ACCOUNT: &str = "mf-alice@acme.iam.gserviceaccount.com";
const KEY: &[u8] = include_bytes!("../../../gcp-emulator/testdata/issuer-key.der");

/// A running emulator.
pub(crate) struct Google {
    pub(crate) emulator: Emulator,
    pub(crate) folder: WorkFolder,
    _storage: Option<Storage>,
    _children: Option<Children>,
}

impl Google {
    /// Without objects.
    pub(crate) async fn start() -> Self {
        crypto();
        let options = Options {
            seed: world(),
            ..Options::default()
        };
        Self {
            emulator: Emulator::start(options).await.unwrap(),
            folder: WorkFolder::create().unwrap(),
            _storage: None,
            _children: None,
        }
    }

    /// With a fake-gcs-server that keeps the objects.
    pub(crate) async fn with_objects() -> Self {
        crypto();
        let binaries = tokio::task::spawn_blocking(|| Binaries::find_or_build(&mut |_| ()));
        let binaries = binaries.await.unwrap().unwrap();
        let folder = WorkFolder::create().unwrap();
        let children = Children::start().unwrap();
        // The store must know where clients find it before the front, which needs the store, can listen there.
        let port = namesake_sandbox::host::ports::free().unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let storage = Storage::start(&children, &binaries, &folder, &url)
            .await
            .unwrap();
        let options = Options {
            listen: ([127, 0, 0, 1], port).into(),
            seed: world(),
            storage_upstream: Some(storage.url().to_owned()),
            ..Options::default()
        };
        Self {
            emulator: Emulator::start(options).await.unwrap(),
            folder,
            _storage: Some(storage),
            _children: Some(children),
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.emulator.base_url
    }

    /// The environment that the programs read.
    pub(crate) fn env(&self) -> Vec<(String, String)> {
        let token = |person: &str| {
            self.emulator
                .state()
                .user_token(&format!("{person}@acme.com"))
        };
        [
            ("EMULATOR_URL", self.url().to_owned()),
            ("ACCOUNT", ACCOUNT.to_owned()),
            ("ADMIN_TOKEN", token("admin")),
            ("ALICE_TOKEN", token("alice")),
            ("BOB_TOKEN", token("bob")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

/// An HTTP client cannot be made without it, be it for http only.
fn crypto() {
    let _already = rustls::crypto::ring::default_provider().install_default();
}

/// Runs a program in this environment alone, besides PATH, and returns what it printed; it must succeed.
pub(crate) async fn run(program: &Path, args: &[&str], env: Vec<(String, String)>) -> String {
    let mut command = Command::new(program);
    command.args(args).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("NO_PROXY", "127.0.0.1");
    command.envs(env);
    let shown = format!("{} {}", program.display(), args.join(" "));
    let ended = tokio::task::spawn_blocking(move || command.output()).await;
    let Output {
        status,
        stdout,
        stderr,
    } = ended.unwrap().unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&stdout).into_owned(),
        String::from_utf8_lossy(&stderr).into_owned(),
    );
    assert!(
        status.success(),
        "{shown} ended with {status}:\n{stdout}{stderr}"
    );
    stdout
}

fn world() -> Seed {
    let admin = "user:admin@acme.com";
    let role = |role: &str, member: &str| json!({"role": role, "members": [member]});
    let bindings: Vec<Value> = [
        "roles/owner",
        "roles/iam.serviceAccountAdmin",
        "roles/storage.admin",
        "roles/resourcemanager.projectIamAdmin",
    ]
    .map(|name| role(name, admin))
    .into();
    let ksa = format!("serviceAccount:{WORKLOAD_POOL}[research/mf-alice]");
    let account = [
        role("roles/iam.workloadIdentityUser", &ksa),
        role(
            "roles/iam.serviceAccountTokenCreator",
            "user:alice@acme.com",
        ),
    ];
    let browser = role("roles/browser", "user:alice@acme.com");
    let mut seed: Seed = serde_json::from_value(json!({
        "projects": [{"id": "acme", "number": 314_159_265_358_u64,
            "bindings": bindings.iter().chain([&browser]).collect::<Vec<_>>()}],
        "buckets": [{"name": "acme-mf", "project": "acme", "managedFolders": [{"name": "empty/"}]}],
        "serviceAccounts": [{"project": "acme", "accountId": "mf-alice", "bindings": account}],
    }))
    .unwrap();
    seed.pools.push(PoolSeed {
        pool: WORKLOAD_POOL.to_owned(),
        project: Some("acme".to_owned()),
        issuer: ISSUER.to_owned(),
        jwks: key_set(),
        provider: None,
        allowed_audiences: Vec::new(),
    });
    seed
}

fn key() -> RsaKeyPair {
    RsaKeyPair::from_pkcs8(KEY).unwrap()
}

fn key_set() -> Value {
    let parts = PublicKeyComponents::<Vec<u8>>::from(key().public());
    let (n, e) = (
        BASE64URL_NOPAD.encode(&parts.n),
        BASE64URL_NOPAD.encode(&parts.e),
    );
    json!({"keys": [{"use": "sig", "kty": "RSA", "kid": "k1", "alg": "RS256", "n": n, "e": e}]})
}

/// A token of the KSA `research/mf-alice`, as the cluster's API server makes it.
pub(crate) fn service_account_token() -> String {
    let now = jiff::Timestamp::now().as_second();
    let claims = json!({
        "aud": [WORKLOAD_POOL], "iss": ISSUER, "iat": now, "nbf": now, "exp": now + 900,
        "sub": "system:serviceaccount:research:mf-alice",
        "kubernetes.io": {"namespace": "research",
            "serviceaccount": {"name": "mf-alice", "uid": "0a1b2c3d-0000-4000-8000-000000000001"}},
    });
    let header = json!({"alg": "RS256", "kid": "k1"});
    let signed = [header, claims].map(|part| BASE64URL_NOPAD.encode(part.to_string().as_bytes()));
    let signed = signed.join(".");
    let key = key();
    let mut signature = vec![0; key.public().modulus_len()];
    let random = ring::rand::SystemRandom::new();
    key.sign(
        &RSA_PKCS1_SHA256,
        &random,
        signed.as_bytes(),
        &mut signature,
    )
    .unwrap();
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
}
