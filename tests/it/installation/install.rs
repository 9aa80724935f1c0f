//! The installation as documented, from the first command to the uninstall. The tests run the commands in the documents unchanged,
//! except that gcloud's requests go to the emulator, and that the programs run outside of pods.

use std::{fs, sync::Arc};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::{Api, api::ListParams};
use namesake_api::{Identity, names};
use namesake_core::is_epoch;
use namesake_sandbox::{
    CLUSTER,
    google::broker_role,
    kubernetes::users::{ADMIN, ALICE},
    programs::kubernetes::KUBECTL,
};
use namesake_tests::{
    cluster::{
        Cluster,
        manifests::{self, copied},
    },
    documents,
    eventually::eventually,
    namespace::{account_of, runtime::runtime},
    stack::{Options, Stack},
};
use serde_json::{Value, json};

mod uninstall;

const INSTALL: &str = "install.md";
/// Not the default stack of the manifests, so that everything must follow the rules.
const BLUE: &str = "blue";

/// An admin's working folder, and the cluster for the installation.
struct Installation {
    stack: Arc<Stack>,
    folder: tempfile::TempDir,
}

impl Installation {
    /// Starts the programs, and performs the step "The cluster" of the document with an overlay for them.
    async fn new() -> Result<Self> {
        let cluster = Cluster::start(CLUSTER).await?;
        let rules = manifests::file("overlays/gke/rules/rules.yaml")?;
        let rules = rules.replace("\nstack: prod\n", &format!("\nstack: {BLUE}\n"));
        let options = Options {
            rules,
            ..Options::default()
        };
        let stack = Stack::start_on(cluster, options).await?;
        let installation = Self {
            stack,
            folder: tempfile::tempdir()?,
        };
        copied(installation.folder.path(), &format!("stack: {BLUE}"))?;
        let blocks = documents::commands(INSTALL, "### 4. The cluster")?;
        let [copy, rest @ ..] = blocks.as_slice() else {
            anyhow::bail!("the step has no commands");
        };
        installation.run(ADMIN, copy).await?;
        installation.change_the_overlay()?;
        installation.run(ADMIN, &opt_in("early", BLUE)).await?;
        // The cluster is not on GKE, and the programs that `kubectl namesake` asks about do not run in pods.
        let is_run = |block: &&String| {
            ["gcloud", "kubectl namesake"]
                .iter()
                .all(|program| !block.starts_with(program))
        };
        for block in rest.iter().filter(is_run) {
            installation.run(ADMIN, block).await?;
        }
        installation.wait_until_enforced().await?;
        Ok(installation)
    }

    /// Changes the copied overlay: the address of the webhook, and no replicas.
    fn change_the_overlay(&self) -> Result<()> {
        let overlay = self.folder.path().join("manifests/overlays/acme");
        let address = self.stack.webhook_url().replace("https://", "");
        let here = manifests::file("overlays/loopback/webhook-configurations.yaml")?;
        fs::write(
            overlay.join("loopback.yaml"),
            here.replace("127.0.0.1:10250", &address),
        )?;
        let file = overlay.join("kustomization.yaml");
        let text = fs::read_to_string(&file)?;
        let patches = "\npatches:\n  - path: loopback.yaml\n  - target: {kind: Deployment}\n    patch: |-\n      \
                       - {op: replace, path: /spec/replicas, value: 0}\n";
        fs::write(file, text.replacen("\npatches:\n", patches, 1))?;
        Ok(())
    }

    /// Runs a block of commands as somebody.
    async fn run(&self, user: &str, block: &str) -> Result<String> {
        let control_plane = &self.stack.cluster().control_plane;
        let kubectl = control_plane.binaries().path(KUBECTL);
        let kubeconfig = control_plane.kubeconfig(user);
        let (block, folder) = (block.to_owned(), self.folder.path().to_owned());
        let run = move || documents::run(&block, &folder, &kubectl, &kubeconfig);
        tokio::task::spawn_blocking(run).await?
    }

    async fn admin(&self) -> Result<kube::Client> {
        self.stack.cluster().control_plane.client(ADMIN).await
    }

    /// Waits until the API server calls the webhook for namespaces of our stack, and enforces the policies for it.
    async fn wait_until_enforced(&self) -> Result<()> {
        let probe = format!(
            "kubectl create namespace probe --dry-run=client -o yaml |\n\
             kubectl label --local -f - -o yaml {}={BLUE} pod-security.kubernetes.io/enforce=baseline |\n\
             kubectl create --dry-run=server -o yaml -f -",
            names::OPT_IN_LABEL
        );
        eventually("opting in is seen by webhook and policies", async || {
            let said = self.run(ADMIN, &probe).await?;
            ensure!(said.contains(names::EPOCH_ANNOTATION), "{said}");
            ensure!(!said.contains("nothing checks"), "{said}");
            Ok(())
        })
        .await
    }

    /// Opts in the first namespace, and runs the first Job there as alice, as documented.
    async fn first_namespace(&self) -> Result<()> {
        let blocks = documents::commands(INSTALL, "### 5. One namespace")?;
        ensure!(blocks.len() == 5, "{blocks:?}");
        let said = self.run(ADMIN, &blocks[0]).await?;
        ensure!(!said.contains("no rule can match"), "{said}");
        ensure!(!said.contains("nothing checks"), "{said}");
        let alice = self.stack.cluster().user(ALICE, "try").await?;
        eventually("the webhook sees the namespace", async || {
            // The rules for GKE require nodes with a metadata server.
            let selector = json!({"iam.gke.io/gke-metadata-server-enabled": "true"});
            let job = namesake_tests::drafts::metaflow_job().pod_field("nodeSelector", selector);
            let job = alice
                .dry_run::<k8s_openapi::api::batch::v1::Job>(job)
                .await?;
            let annotations = job.metadata.annotations.unwrap_or_default();
            ensure!(annotations.contains_key(names::STAMP_ANNOTATION));
            Ok(())
        })
        .await?;
        for block in &blocks[1..3] {
            ensure!(block.starts_with("# as alice@acme.com\n"), "{block}");
            self.run(ALICE, block).await?;
        }
        // This command reads the log of a container, and no container runs here.
        ensure!(documents::lines(&blocks[3]) == ["kubectl -n try logs job/hello"]);
        Ok(())
    }

    async fn jobs_pod(&self) -> Result<Pod> {
        let pods: Api<Pod> = Api::namespaced(self.admin().await?, "try");
        let of_it = ListParams::default().labels("job-name=hello");
        let mut all = pods.list(&of_it).await?.items;
        all.pop().context("the Job has no pod")
    }
}

/// Commands that create a namespace and opt it in.
fn opt_in(name: &str, stack: &str) -> String {
    format!(
        "kubectl create namespace {name}\n\
         kubectl label namespace {name} namesake.dev/stack={stack} pod-security.kubernetes.io/enforce=baseline"
    )
}

#[test]
fn a_namespace_that_was_opted_in_before_the_webhook_ran_gets_its_epoch_as_documented() -> Result<()>
{
    runtime().block_on(async {
        let installation = Installation::new().await?;
        let namespaces: Api<Namespace> = Api::all(installation.admin().await?);
        let epoch = async || {
            let early = namespaces.get("early").await?;
            let mut annotations = early.metadata.annotations.unwrap_or_default();
            anyhow::Ok(annotations.remove(names::EPOCH_ANNOTATION))
        };
        ensure!(epoch().await?.is_none(), "somebody else gave it an epoch");
        let blocks = documents::commands(INSTALL, "## 8. Namespaces and people")?;
        let lines = documents::lines(&blocks[0]);
        let annotate = lines[0].replace("stack=prod", &format!("stack={BLUE}"));
        installation.run(ADMIN, &annotate).await?;
        let first = epoch().await?;
        ensure!(first.as_deref().is_some_and(is_epoch), "{first:?}");
        installation.run(ADMIN, &annotate).await?;
        ensure!(epoch().await? == first, "the epoch changed");
        let check = &blocks[1].replace("stack=prod", &format!("stack={BLUE}"));
        let said = installation.run(ADMIN, check).await?;
        ensure!(said.contains(&first.unwrap_or_default()), "{said}");
        installation.stack.stop().await
    })
}

#[test]
fn the_first_example_of_the_documents_runs_as_its_user_on_a_stack_of_another_name() -> Result<()> {
    runtime().block_on(async {
        let installation = Installation::new().await?;
        installation.first_namespace().await?;
        let pod = installation.jobs_pod().await?;
        ensure!(
            account_of(&pod).starts_with("mf-alice-"),
            "{:?}",
            account_of(&pod)
        );
        let identities: Api<Identity> = Api::namespaced(installation.admin().await?, "try");
        let made = identities.list(&ListParams::default()).await?.items;
        let users: Vec<_> = made
            .iter()
            .map(|identity| identity.spec.user.as_str())
            .collect();
        ensure!(users == [ALICE], "{users:?}");
        let google = installation.stack.google();
        ensure!(
            google.accounts_of("try").len() == 1,
            "{:?}",
            google.accounts()
        );

        // The next namespace, in which people work already: rights first.
        let cluster = installation.stack.cluster();
        cluster.control_plane.namespace("research", &[]).await?;
        let blocks = documents::commands(INSTALL, "### 5. One namespace")?;
        let said = installation.run(ADMIN, &blocks[4]).await?;
        ensure!(!said.contains("no rule can match"), "{said}");
        installation.check_warnings().await?;
        installation.stack.stop().await
    })
}

impl Installation {
    /// Checks the warnings when a namespace without a rule, or with another stack's label, opts in.
    async fn check_warnings(&self) -> Result<()> {
        let said = self.run(ADMIN, &opt_in("no-rule", BLUE)).await?;
        ensure!(
            said.contains("no rule can match in namespace no-rule"),
            "{said}"
        );
        let said = self.run(ADMIN, &opt_in("other", "prod")).await?;
        ensure!(
            said.contains("no stack of this name is installed"),
            "{said}"
        );
        let map: Api<k8s_openapi::api::core::v1::ConfigMap> =
            Api::namespaced(self.admin().await?, names::SYSTEM_NAMESPACE);
        let map = map.get(names::RULES_CONFIG_MAP).await?;
        let rules = map.data.unwrap_or_default().remove(names::RULES_KEY);
        let rules = rules
            .context("no rules")?
            .replace("[try, research]", "[research]");
        let patch = json!({"data": {names::RULES_KEY: rules}});
        let edit = format!(
            "kubectl -n namesake-system patch configmap namesake-rules --dry-run=server --type=merge -p '{}'",
            patch.to_string().replace('\'', "'\\''")
        );
        let said = self.run(ADMIN, &edit).await?;
        ensure!(
            said.contains("no rule can match in opted-in no-rule, try"),
            "{said}"
        );
        Ok(())
    }
}

/// Google's hosts that the broker calls, such as `iam.googleapis.com`.
fn hosts() -> Vec<&'static str> {
    let endpoints = [
        names::IAM_ENDPOINT,
        names::IAM_CREDENTIALS_ENDPOINT,
        names::STS_ENDPOINT,
        names::STORAGE_ENDPOINT,
        names::RESOURCE_MANAGER_ENDPOINT,
    ];
    endpoints
        .map(|url| url.trim_start_matches("https://"))
        .to_vec()
}

#[test]
fn every_google_api_that_the_broker_calls_is_enabled_in_both_projects() -> Result<()> {
    let blocks = documents::commands(INSTALL, "### 1. Google")?;
    let lines: Vec<_> = blocks
        .iter()
        .flat_map(|block| documents::lines(block))
        .collect();
    for project in ["acme", "acme-identities"] {
        let flag = format!("--project={project}");
        let enabled: Vec<_> = lines
            .iter()
            .map(|line| documents::words(line))
            .filter(|words| {
                words.get(2).is_some_and(|verb| verb == "enable") && words.contains(&flag)
            })
            .flatten()
            .collect();
        for host in hosts() {
            ensure!(
                enabled.iter().any(|api| api == host),
                "{project}: {host} is not enabled"
            );
        }
    }
    Ok(())
}

#[test]
fn the_documented_roles_of_the_broker_have_the_permissions_that_terraform_grants() -> Result<()> {
    let blocks = documents::commands(INSTALL, "### 2. Google")?;
    let lines = blocks.iter().flat_map(|block| documents::lines(block));
    let documented: Vec<_> = lines
        .filter_map(|line| {
            let mut words = documents::words(&line).into_iter();
            let list =
                words.find_map(|word| word.strip_prefix("--permissions=").map(str::to_owned))?;
            let mut permissions: Vec<_> = list.split(',').map(str::to_owned).collect();
            permissions.sort();
            Some(permissions)
        })
        .collect();
    let granted: Result<Vec<_>> = ["identities", "folders"]
        .into_iter()
        .map(|kind| Ok(broker_role("", kind)?.included_permissions))
        .collect();
    let granted = granted?;
    ensure!(documented == granted, "{documented:?} is not {granted:?}");
    Ok(())
}

/// The objects of a kind with our name prefix, as `NAMESPACE/NAME`.
async fn ours(client: &kube::Client, path: &str) -> Result<Vec<String>> {
    let request = http::Request::get(path).body(Vec::new())?;
    let list: Value = client.request(request).await?;
    let all = list["items"].as_array().into_iter().flatten();
    let metadata = all.map(|object| &object["metadata"]);
    let names = metadata.filter_map(|metadata| {
        let name = metadata["name"].as_str()?;
        let is_ours = name.contains("namesake") || name.starts_with("mf-");
        let namespace = metadata["namespace"].as_str().unwrap_or_default();
        is_ours.then(|| format!("{namespace}/{name}"))
    });
    Ok(names.collect())
}
