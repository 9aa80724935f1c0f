//! Output of the stock Metaflow client for a person whose task is refused or fails at its gate. No pods run here.

use std::{collections::BTreeMap, net::TcpListener, process::Stdio, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;
use namesake_core::{IdentityName, Per};
use namesake_gcp_emulator::metadata::Workstation;
use namesake_sandbox::{
    CLUSTER, Google,
    google::{BUCKET, folder_of, metadata::MetadataServer},
    kubernetes::users::{ALICE, BOB},
    programs::python::Python,
};
use namesake_tests::{
    cluster::refusal::refused,
    drafts::metaflow_job,
    eventually::eventually,
    namespace::{TestNamespace, with_own_stack},
    stack::{Options, SHARED_RULES, STACK},
};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::{Child, Command};

const FLOW: &str = r#"
from metaflow import FlowSpec, step

class HelloFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    HelloFlow()
"#;
/// The timeout of a client's run, without its installation.
const TIMEOUT: Duration = Duration::from_secs(180);

/// Bob's laptop: the stock client, a kubeconfig and his own Google credentials.
struct Laptop {
    python: Python,
    home: TempDir,
    env: Vec<(String, String)>,
    _google: Google,
    _metadata: MetadataServer,
}

impl Laptop {
    async fn of_bob(ns: &TestNamespace) -> Result<Self> {
        let install = || Python::find_or_install(&mut |line| tracing::info!("{line}"));
        let python = tokio::task::spawn_blocking(install).await??;
        let cluster = ns.stack.cluster();
        let (control_plane, folder) = (&cluster.control_plane, cluster.folder());
        let google = Google::start(control_plane, folder, Duration::ZERO).await?;
        let values = BTreeMap::from([(Per::User, BOB.to_owned())]);
        let identity = IdentityName::derive(STACK, CLUSTER, &ns.name, "research", &values);
        google.grant_folder(BOB, &identity)?;
        let metadata =
            MetadataServer::start(Arc::new(Workstation::new(google.url(), BOB)), "laptop").await?;
        let home = tempfile::tempdir()?;
        let settings = json!({
            "METAFLOW_DEFAULT_DATASTORE": "gs",
            "METAFLOW_DATASTORE_SYSROOT_GS": format!("gs://{BUCKET}/{}metaflow", folder_of(&identity)),
            "METAFLOW_KUBERNETES_NAMESPACE": ns.name,
            "METAFLOW_KUBERNETES_CONTAINER_IMAGE": "python:3.11",
        });
        std::fs::create_dir(home.path().join(".metaflowconfig"))?;
        std::fs::write(
            home.path().join(".metaflowconfig/config.json"),
            settings.to_string(),
        )?;
        std::fs::write(home.path().join("hello.py"), FLOW)?;
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", python.bin().display());
        let own = [
            ("HOME", home.path().display().to_string()),
            ("PATH", path),
            ("LANG", "C.UTF-8".to_owned()),
            ("PYTHONUNBUFFERED", "1".to_owned()),
            (
                "KUBECONFIG",
                control_plane.kubeconfig(BOB).display().to_string(),
            ),
            // Anybody can set this; the refusal names bob nevertheless.
            ("METAFLOW_USER", ALICE.to_owned()),
            ("API_ENDPOINT_OVERRIDE", google.url().to_owned()),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value));
        let env = metadata.env().into_iter().chain(own).collect();
        Ok(Self {
            python,
            home,
            env,
            _google: google,
            _metadata: metadata,
        })
    }

    /// Runs `python hello.py run --with kubernetes`, and returns whether it succeeded, and its output.
    async fn run_flow(&self, more: &[(&str, String)]) -> Result<(bool, String)> {
        let mut client = self.command(&["hello.py", "run", "--with", "kubernetes"]);
        client
            .envs(more.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        let output = tokio::time::timeout(TIMEOUT, client.output())
            .await
            .context("the client did not finish")??;
        let text = [output.stdout, output.stderr].concat();
        Ok((
            output.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        ))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.python.program());
        command
            .args(args)
            .current_dir(self.home.path())
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .kill_on_drop(true);
        command
    }

    /// Starts a metadata service, and returns it with its URL.
    async fn start_metadata_service(&self) -> Result<(Child, String)> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let serve = "import sys, uvicorn\nfrom metaflow_local_service.server import create_app\n\
                     uvicorn.run(create_app('.'), host='127.0.0.1', port=int(sys.argv[1]), log_level='warning')";
        let child = self.command(&["-c", serve, &port.to_string()]).spawn()?;
        let url = format!("http://127.0.0.1:{port}");
        eventually("the metadata service answers", async || {
            let answer = reqwest::get(format!("{url}/ping")).await?;
            ensure!(answer.status().is_success(), "{}", answer.status());
            Ok(())
        })
        .await?;
        Ok((child, url))
    }
}

/// Runs a flow on bob's laptop, and returns whether it succeeded, and its output.
async fn run_flow_as_bob(ns: &TestNamespace) -> Result<(bool, String)> {
    Laptop::of_bob(ns).await?.run_flow(&[]).await
}

/// Lets Google refuse to create GSAs from now on.
fn refuse_new_accounts(ns: &TestNamespace) -> Result<()> {
    let message =
        "Permission 'iam.serviceAccounts.create' denied on resource (or it may not exist).";
    let body = json!({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": message}});
    ns.stack.google().plan_fault(
        json!({"method": "POST", "path": "/v1/projects/acme-identities/serviceAccounts",
        "times": 0, "answer": {"status": {"code": 403, "body": body}}}),
    )
}

/// Checks that the client failed, and that its output contains all these words.
fn check_shown(seen: &(bool, String), words: &[&str]) -> Result<()> {
    let (success, text) = seen;
    ensure!(!success, "the flow succeeded:\n{text}");
    for word in words {
        ensure!(
            text.contains(word),
            "{word:?} is not in the output:\n{text}"
        );
    }
    Ok(())
}

#[test]
fn the_stock_client_shows_a_new_user_that_the_broker_is_unavailable() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        ns.stack.kill_broker().await;
        let seen = run_flow_as_bob(&ns).await?;
        check_shown(
            &seen,
            &[
                "Unable to launch Kubernetes job",
                "the broker, which creates identities, did not answer",
                "try again",
                BOB,
            ],
        )
    })
}

#[test]
fn the_stock_client_shows_the_message_of_a_deny_rule() -> Result<()> {
    let deny = "rules:\n  - {name: gone, match: {user: bob@acme.com}, deny: \"bob works elsewhere now: ask #ml-platform\"}";
    let options = Options {
        rules: SHARED_RULES.replacen("rules:", deny, 1),
        ..Options::default()
    };
    with_own_stack(options, |ns| async move {
        let seen = run_flow_as_bob(&ns).await?;
        check_shown(
            &seen,
            &[
                "Unable to launch Kubernetes job",
                "bob works elsewhere now: ask #ml-platform",
                BOB,
            ],
        )
    })
}

/// Prints what the client's own class says about a failed Job.
const REASON: &str = "
import sys
from metaflow.plugins.kubernetes.kubernetes_client import KubernetesClient
from metaflow.plugins.kubernetes.kubernetes_job import RunningJob

job = RunningJob(KubernetesClient(), *sys.argv[1:])
print(job.has_failed, job.reason)
";

#[test]
fn the_stock_client_shows_why_a_waiting_task_was_failed() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        refuse_new_accounts(&ns)?;
        let bob = ns.bob().await?;
        let job = bob.create::<Job>(metaflow_job()).await?;
        let name = job.name_any();
        eventually("the Job has failed", async || {
            let job: Job = bob.all().get(&name).await?;
            ensure!(job.status.and_then(|status| status.failed) == Some(1));
            Ok(())
        })
        .await?;
        let install = || Python::find_or_install(&mut |line| tracing::info!("{line}"));
        let python = tokio::task::spawn_blocking(install).await??;
        let home = tempfile::tempdir()?;
        let output = Command::new(python.program())
            .args([
                "-c",
                REASON,
                &name,
                &job.uid().unwrap_or_default(),
                &ns.name,
            ])
            .env_clear()
            .env("HOME", home.path())
            .env(
                "KUBECONFIG",
                ns.stack.cluster().control_plane.kubeconfig(BOB),
            )
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(TIMEOUT, output)
            .await
            .context("the client did not finish")??;
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        for word in [
            "True",
            "IdentityFailed",
            "iam.serviceAccounts.create",
            "start the task again",
            BOB,
        ] {
            ensure!(
                text.contains(word),
                "{word:?} is not in the output:\n{text}"
            );
        }
        Ok(())
    })
}

#[test]
fn a_run_of_the_stock_client_with_a_metadata_service_shows_why_the_identity_failed() -> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        refuse_new_accounts(&ns)?;
        let laptop = Laptop::of_bob(&ns).await?;
        let (_service, url) = laptop.start_metadata_service().await?;
        let settings = [
            ("METAFLOW_DEFAULT_METADATA", "service".to_owned()),
            ("METAFLOW_SERVICE_URL", url),
        ];
        let seen = laptop.run_flow(&settings).await?;
        check_shown(
            &seen,
            &[
                "IdentityFailed: Namesake: PermissionDenied",
                "iam.serviceAccounts.create",
                "start the task again",
                BOB,
            ],
        )
    })
}

/// Without a metadata service, Metaflow 2.19 fails in its own clean-up before it shows why a task failed. The next run is refused
/// at a point where it does show the reason.
#[test]
fn a_run_of_the_stock_client_without_a_metadata_service_shows_it_from_the_second_run_on()
-> Result<()> {
    with_own_stack(Options::default(), |ns| async move {
        refuse_new_accounts(&ns)?;
        let laptop = Laptop::of_bob(&ns).await?;
        let (success, text) = laptop.run_flow(&[]).await?;
        ensure!(!success, "the flow succeeded:\n{text}");
        let bob = ns.bob().await?;
        eventually("new Jobs are refused", async || {
            let refusal = refused(bob.dry_run::<Job>(metaflow_job()).await)?;
            refusal.with_code(403)?.with_message("IdentityFailed")?;
            Ok(())
        })
        .await?;
        let seen = laptop.run_flow(&[]).await?;
        check_shown(
            &seen,
            &[
                "Unable to launch Kubernetes job",
                "IdentityFailed: ",
                "PermissionDenied",
                "iam.serviceAccounts.create",
                BOB,
            ],
        )
    })
}
