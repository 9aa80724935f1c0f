//! gcloud. No package registry has it, so these tests run where it is installed and say so where it is not; what it
//! sends is also in the tests of the other clients and in `gcp-emulator/tests/it`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::google::{Google, run, service_account_token};
use crate::pod;

const OVERRIDES: &str = "CLOUDSDK_API_ENDPOINT_OVERRIDES_";

/// gcloud with a configuration of its own that leads to the emulator.
struct Gcloud {
    program: PathBuf,
    env: Vec<(String, String)>,
}

impl Gcloud {
    /// `None`, with a line that says so, where gcloud is not installed.
    fn find(google: &Google) -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let programs = std::env::split_paths(&path).map(|folder| folder.join("gcloud"));
        let Some(program) = programs.into_iter().find(|file| file.is_file()) else {
            eprintln!("gcloud is not on PATH: this test of the emulator did not run it");
            return None;
        };
        let folder = google.folder.path().join("gcloud");
        std::fs::create_dir_all(&folder).unwrap();
        let folder = folder.display().to_string();
        let url = google.url();
        let mut env: Vec<(String, String)> = [
            ("IAM", format!("{url}/")),
            ("IAMCREDENTIALS", format!("{url}/")),
            ("CLOUDRESOURCEMANAGER", format!("{url}/")),
            ("STORAGE", format!("{url}/storage/v1/")),
        ]
        .map(|(name, value)| (format!("{OVERRIDES}{name}"), value))
        .into();
        env.extend(
            [
                ("CLOUDSDK_CONFIG", folder.as_str()),
                ("HOME", &folder),
                ("CLOUDSDK_CORE_PROJECT", "acme"),
                ("CLOUDSDK_CORE_DISABLE_PROMPTS", "1"),
                ("CLOUDSDK_CORE_DISABLE_USAGE_REPORTING", "1"),
                ("CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK", "1"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        Some(Self { program, env })
    }

    /// The same with one more variable.
    fn with(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same, run by the admin of the project.
    fn by_admin(self, google: &Google) -> Self {
        let token = google.emulator.state().user_token("admin@acme.com");
        let file = google.folder.path().join("token");
        std::fs::write(&file, token).unwrap();
        self.with("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", &shown(&file))
    }

    async fn run(&self, args: &str) -> String {
        let args: Vec<&str> = args.split(' ').collect();
        run(&self.program, &args, self.env.clone()).await
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[tokio::test]
async fn gcloud_removes_objects_and_managed_folders() {
    let google = Google::with_objects().await;
    let Some(gcloud) = Gcloud::find(&google) else {
        return;
    };
    let gcloud = gcloud.by_admin(&google);
    let file = google.folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let source = shown(&file);
    gcloud
        .run(&format!("storage cp {source} gs://acme-mf/by/gcloud"))
        .await;
    gcloud.run("storage rm gs://acme-mf/by/gcloud").await;
    gcloud
        .run("storage managed-folders delete gs://acme-mf/empty")
        .await;
    let state = google.emulator.state().listing();
    assert_eq!(state["buckets"][0]["managedFolders"], json!([]));
}

#[tokio::test]
async fn gcloud_makes_the_role_of_the_broker_as_the_installation_says_and_lists_it() {
    let google = Google::start().await;
    let Some(gcloud) = Gcloud::find(&google) else {
        return;
    };
    let gcloud = gcloud.by_admin(&google);
    gcloud
        .run("iam roles create namesakeBroker --project=acme --permissions=iam.serviceAccounts.create,resourcemanager.projects.get")
        .await;
    let listed = gcloud
        .run("iam roles list --project=acme --format=json")
        .await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["name"], "projects/acme/roles/namesakeBroker");
}

#[tokio::test]
async fn gcloud_learns_who_a_service_account_of_the_cluster_is() {
    let google = Google::start().await;
    let Some(gcloud) = Gcloud::find(&google) else {
        return;
    };
    let folder = google.folder.path();
    let (token, config) = (folder.join("ksa-token"), folder.join("direct.json"));
    std::fs::write(&token, service_account_token()).unwrap();
    let audience = format!(
        "identitynamespace:{}:{}",
        namesake_sandbox::WORKLOAD_POOL,
        namesake_sandbox::ISSUER
    );
    let direct = json!({
        "type": "external_account", "audience": audience,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{}/v1/token", google.url()),
        "token_info_url": format!("{}/v1/introspect", google.url()),
        "credential_source": {"file": token},
    });
    std::fs::write(&config, direct.to_string()).unwrap();
    gcloud
        .run(&format!("auth login --cred-file={}", shown(&config)))
        .await;
    let listed = gcloud.run("auth list --format=value(account)").await;
    assert!(
        listed.contains("/subject/ns/research/sa/mf-alice"),
        "{listed}"
    );
}

#[tokio::test]
async fn gcloud_in_a_pod_is_the_linked_account() {
    let google = Google::start().await;
    let Some(mut gcloud) = Gcloud::find(&google) else {
        return;
    };
    let server = pod::metadata_server(&google).await;
    gcloud.env.extend(server.env());
    let token = gcloud.run("auth print-access-token").await;
    let uri = format!("{}/tokeninfo?access_token={}", google.url(), token.trim());
    let about: Value = reqwest::get(uri).await.unwrap().json().await.unwrap();
    assert_eq!(about["email"], crate::google::ACCOUNT);
}
