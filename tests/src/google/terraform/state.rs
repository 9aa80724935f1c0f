//! The state bucket on the emulator, with object versions, and the admins who work with it.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, ensure};
use http::header::AUTHORIZATION;
use namesake_gcp_emulator::{Emulator, Options};
use namesake_sandbox::{
    WorkFolder,
    cli::output::say,
    google::storage::Storage,
    host::{children::Children, ports},
    programs::kubernetes::Binaries,
};
use serde_json::{Value, json};

use super::{mocked::Bootstrap, workspace::Workspace};

const PROJECT: &str = "acme-admin";
/// The owner of the project.
const OWNER: &str = "owner@acme.com";

/// A state bucket.
#[derive(Debug)]
pub struct StateBucket {
    bootstrap: Bootstrap,
    emulator: Emulator,
    _storage: Storage,
    _children: Children,
    _folder: WorkFolder,
}

impl StateBucket {
    /// Starts storage with the bucket and the permissions that `terraform/bootstrap` makes.
    ///
    /// # Errors
    /// Something does not start, or bootstrap makes something that the emulator refuses.
    pub async fn start() -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let bootstrap = Bootstrap::mocked().await?;
        let folder = WorkFolder::create()?;
        let children = Children::start()?;
        let binaries =
            tokio::task::spawn_blocking(|| Binaries::find_or_build(&mut |line| say(line)))
                .await??;
        let port = ports::free()?;
        let url = format!("http://127.0.0.1:{port}");
        let storage = Storage::start(&children, &binaries, &folder, &url).await?;
        create_versioned_bucket(&storage, &bootstrap.bucket).await?;
        let owner = json!({"role": "roles/owner", "members": [format!("user:{OWNER}")]});
        let seed = json!({
            "projects": [{"id": PROJECT, "number": 123_456_789_012_u64, "bindings": [owner]}],
            "buckets": [{"name": bootstrap.bucket, "project": PROJECT, "bindings": bootstrap.bindings}],
        });
        let options = Options {
            listen: (Ipv4Addr::LOCALHOST, port).into(),
            seed: serde_json::from_value(seed)?,
            storage_upstream: Some(storage.url().to_owned()),
            ..Options::default()
        };
        Ok(Self {
            bootstrap,
            emulator: Emulator::start(options).await?,
            _storage: storage,
            _children: children,
            _folder: folder,
        })
    }

    /// The bucket's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.bootstrap.bucket
    }

    /// A person with a folder of their own, the HCL, and the `backend.hcl` that bootstrap prints.
    ///
    /// # Errors
    /// The folder cannot be created.
    pub fn admin(&self, email: &str, hcl: &str) -> Result<Workspace> {
        let workspace = Workspace::empty()?
            .with_env(
                "GOOGLE_OAUTH_ACCESS_TOKEN",
                &self.emulator.state().user_token(email),
            )
            .with_env(
                "GOOGLE_BACKEND_STORAGE_CUSTOM_ENDPOINT",
                &format!("{}/storage/v1/", self.emulator.base_url),
            );
        workspace.write("main.tf", hcl)?;
        workspace.write("backend.hcl", &self.bootstrap.backend)?;
        Ok(workspace)
    }

    /// Sends a request to Cloud Storage as this person, and returns status and body.
    ///
    /// # Errors
    /// The path is not valid.
    pub async fn request(&self, email: &str, method: &str, path: &str) -> Result<(u16, Value)> {
        let token = self.emulator.state().user_token(email);
        let request = http::Request::builder()
            .method(method)
            .uri(format!("/storage/v1/b/{}{path}", self.name()))
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .body(Vec::new())?;
        Ok(self.emulator.state().call(request).await)
    }

    /// All objects, or all versions of them, the newest last: name and generation.
    ///
    /// # Errors
    /// They cannot be listed.
    pub async fn objects(&self, versions: bool) -> Result<Vec<(String, u64)>> {
        let (status, answer) = self
            .request(OWNER, "GET", &format!("/o?versions={versions}"))
            .await?;
        ensure!(status == 200, "{status}: {answer}");
        let items = answer["items"].as_array().into_iter().flatten();
        let object = |item: &Value| {
            let generation = item["generation"].as_str()?.parse().ok()?;
            Some((item["name"].as_str()?.to_owned(), generation))
        };
        let mut objects: Vec<_> = items.filter_map(object).collect();
        objects.sort();
        Ok(objects)
    }

    /// The names of the objects.
    ///
    /// # Errors
    /// They cannot be listed.
    pub async fn names(&self) -> Result<Vec<String>> {
        Ok(self
            .objects(false)
            .await?
            .into_iter()
            .map(|(name, _)| name)
            .collect())
    }

    /// The content of an object.
    ///
    /// # Errors
    /// There is no such object, or it is not JSON.
    pub async fn content(&self, name: &str) -> Result<Value> {
        let path = format!("/o/{}?alt=media", name.replace('/', "%2F"));
        let (status, answer) = self.request(OWNER, "GET", &path).await?;
        ensure!(status == 200, "{status}: {answer}");
        Ok(answer)
    }

    /// The requests since number `after`: method, path, caller and status.
    #[must_use]
    pub fn requests(&self, after: u64) -> Vec<namesake_gcp_emulator::LoggedRequest> {
        self.emulator.state().requests(after)
    }

    /// The number of the last request.
    #[must_use]
    pub fn last_request(&self) -> u64 {
        self.requests(0).last().map_or(0, |request| request.number)
    }
}

/// The emulator creates buckets without versions, and keeps one that exists.
async fn create_versioned_bucket(storage: &Storage, name: &str) -> Result<()> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let bucket = json!({"name": name, "versioning": {"enabled": true}});
    let url = format!("{}/storage/v1/b", storage.url());
    let answer = client.post(url).json(&bucket).send().await?;
    answer
        .error_for_status()
        .context("the storage creates no bucket with versions")?;
    Ok(())
}
