//! The real Argo Workflows: a cluster with its controller, and a node that runs its pods with its executor.

use std::{collections::BTreeSet, path::PathBuf, process::Stdio, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{ResourceExt, api::DynamicObject};
use namesake_sandbox::{
    CLUSTER, Node, NodeOptions,
    gateway::Authorizer,
    kubernetes::{
        argo::{ArgoController, ArgoPrograms},
        users::{ADMIN, kubeconfig_path},
    },
    programs::python::Python,
    sandbox::pod_env,
};
use serde_json::{Value, json};
use tokio::{process::Command, sync::OnceCell};

mod laptop;

pub use laptop::Laptop;

use crate::{
    cluster::{Cluster, manifests},
    controllers::replayed_argo::kind,
    endpoints::{ENDPOINTS, Endpoints},
    eventually::within,
    google::Google,
    namespace::{TestNamespace, in_namespace, runtime::runtime},
    stack::{Options, SHARED_RULES, Stack},
};

/// The longest run of a Workflow: a busy machine starts a dozen programs for each step.
pub const TIMEOUT: Duration = Duration::from_secs(240);
/// The additional role bindings of the class in the shared rules, as docs/rules.md says for Argo.
const BINDINGS: &str =
    "mode: impersonate\n    roleBindings: [namesake-argo-task, namesake-argo-parallel]";
/// The pods of these tests have a token for the gateway, so that Argo's own containers do too.
const POD_TOKENS: &str = "  podTokens: true\n";
/// What people need in addition to `edit` to use Metaflow with Argo: a second `create` deletes the sensor, if there is one.
const SENSORS: &str = include_str!("../../crds/sensors-for-people.yaml");

/// Everything that tests of the real Argo share.
struct SharedArgo {
    stack: Arc<Stack>,
    programs: ArgoPrograms,
    python: Python,
    endpoints: Endpoints,
    _authorizer: Authorizer,
    _node: Node,
    _argo: ArgoController,
}

impl SharedArgo {
    /// The one of this process. It stops with the process.
    async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<SharedArgo> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    async fn start() -> Result<Self> {
        let build = || {
            let progress = &mut |line: &str| tracing::info!("{line}");
            anyhow::Ok((
                ArgoPrograms::find_or_build(progress)?,
                Python::find_or_install(progress)?,
            ))
        };
        let (programs, python) = tokio::task::spawn_blocking(build).await??;
        let cluster = Cluster::start(CLUSTER).await?;
        let google = Arc::new(Google::start_with_storage(&cluster).await?);
        let admin = cluster.control_plane.client(ADMIN).await?;
        for object in manifests::objects(SENSORS)? {
            manifests::apply(&admin, &object, "default", false).await?;
        }
        let endpoints = Endpoints::of(&cluster).await?;
        let authority = endpoints.gateway.authority().display().to_string();
        let mut env = pod_env(google.base_url());
        env.push(("REQUESTS_CA_BUNDLE".to_owned(), authority));
        let node = NodeOptions {
            images: [("argoexec".to_owned(), programs.executor())].into(),
            isolated: BTreeSet::from(["argoexec".to_owned()]),
            path: vec![python.bin()],
            env,
            google: Some(google.base_url().to_owned()),
        };
        let node = Node::start(&cluster.control_plane, cluster.folder(), node).await?;
        let argo =
            ArgoController::start(&cluster.control_plane, cluster.folder(), &programs).await?;
        let options = Options {
            rules: SHARED_RULES.replacen("mode: impersonate", BINDINGS, 1) + ENDPOINTS + POD_TOKENS,
            google: Some(google),
            ..Options::default()
        };
        let stack = Stack::start_on(cluster, options).await?;
        Ok(Self {
            _authorizer: endpoints.authorize(stack.cluster()).await?,
            endpoints,
            stack,
            programs,
            python,
            _node: node,
            _argo: argo,
        })
    }
}

/// A namespace of one test in the cluster of the real Argo.
#[derive(Clone)]
pub struct ArgoNamespace {
    /// The namespace itself, opted in.
    pub ns: TestNamespace,
    shared: &'static SharedArgo,
}

/// Runs a test in a namespace of its own, in the cluster of the real Argo that all such tests share.
///
/// # Errors
/// The test fails: the objects in its namespace are printed.
pub fn with_real_argo<F>(test: impl FnOnce(ArgoNamespace) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    runtime().block_on(async {
        let shared = SharedArgo::shared().await?;
        let stack = Arc::clone(&shared.stack);
        in_namespace(stack, async |ns| test(ArgoNamespace { ns, shared }).await).await
    })
}

impl ArgoNamespace {
    /// Runs the `argo` command line as a person.
    ///
    /// # Errors
    /// It cannot be started, or does not finish.
    pub async fn argo(&self, person: &str, args: &[&str]) -> Result<CommandOutput> {
        let cluster = self.ns.stack.cluster();
        let kubeconfig = kubeconfig_path(&cluster.folder().kubeconfigs(), person);
        let mut command = Command::new(self.shared.programs.cli());
        command
            .args(args)
            .args(["--namespace", &self.ns.name])
            .env("KUBECONFIG", kubeconfig)
            .env("HOME", cluster.folder().data());
        CommandOutput::of(command).await
    }

    /// A person's laptop with the stock Metaflow client and this flow.
    ///
    /// # Errors
    /// See [`Laptop::open`].
    pub async fn laptop(&self, person: &'static str, flow: &str) -> Result<Laptop> {
        Laptop::open(&self.ns, &self.shared.python, person, flow).await
    }

    /// The gateway in front of the metadata service that all tests of the real Argo share.
    #[must_use]
    pub fn endpoints(&self) -> &'static Endpoints {
        &self.shared.endpoints
    }

    /// The current state of a Workflow.
    ///
    /// # Errors
    /// It does not exist.
    pub async fn workflow(&self, name: &str) -> Result<DynamicObject> {
        let admin = self.ns.admin().await?;
        Ok(admin.objects(&kind("Workflow")).get(name).await?)
    }

    /// Waits until a Workflow is in this phase; ending in another is an error with the messages of its nodes.
    ///
    /// # Errors
    /// It does not reach the phase in time.
    pub async fn wait_for_phase(&self, name: &str, phase: &str) -> Result<DynamicObject> {
        let found = within(TIMEOUT, &format!("{name} is {phase}"), async || {
            let workflow = self.workflow(name).await?;
            let now = workflow.data["status"]["phase"]
                .as_str()
                .unwrap_or_default();
            let is_finished = matches!(now, "Succeeded" | "Failed" | "Error");
            ensure!(
                now == phase || is_finished,
                "it is {now:?}: {}",
                messages(&workflow)
            );
            Ok(workflow)
        })
        .await?;
        let ended = found.data["status"]["phase"].as_str().unwrap_or_default();
        ensure!(
            ended == phase,
            "{name} is {ended} instead of {phase}: {}",
            messages(&found)
        );
        Ok(found)
    }

    /// Waits until a pod of this template of a Workflow is running, and returns it.
    ///
    /// # Errors
    /// None runs in time.
    pub async fn wait_for_running_pod(&self, workflow: &str, template: &str) -> Result<Pod> {
        within(
            TIMEOUT,
            &format!("{template} of {workflow} runs"),
            async || {
                let pods = self.pods_of(workflow).await?;
                let mut running = pods.into_iter().filter(|pod| {
                    let status = pod.status.as_ref();
                    status.and_then(|it| it.phase.as_deref()) == Some("Running")
                        && pod.name_any().contains(template)
                });
                let pod = running.next();
                match pod {
                    Some(pod) => Ok(pod),
                    None => bail!("{}", messages(&self.workflow(workflow).await?)),
                }
            },
        )
        .await
    }

    /// The pods of a Workflow, by Argo's label.
    ///
    /// # Errors
    /// The API server does not answer.
    pub async fn pods_of(&self, workflow: &str) -> Result<Vec<Pod>> {
        let all = self.ns.pods().await?.into_iter();
        let is_of = |pod: &Pod| {
            let label = pod.labels().get("workflows.argoproj.io/workflow");
            label.map(String::as_str) == Some(workflow)
        };
        Ok(all.filter(is_of).collect())
    }

    /// Waits for a pod of a Workflow, in any phase.
    ///
    /// # Errors
    /// There is none in time.
    pub async fn first_pod_of(&self, workflow: &str) -> Result<Pod> {
        within(TIMEOUT, &format!("{workflow} has a pod"), async || {
            let pods = self.pods_of(workflow).await?;
            pods.into_iter().next().context("none yet")
        })
        .await
    }

    /// Checks that a Workflow has at least so many pods, and that each runs as this user, whom it names to the metadata service.
    ///
    /// # Errors
    /// There are fewer, or one runs as somebody else.
    pub async fn check_all_ran_as(
        &self,
        workflow: &str,
        at_least: usize,
        user: &str,
    ) -> Result<()> {
        let pods = self.pods_of(workflow).await?;
        ensure!(pods.len() >= at_least, "{workflow} has {} pods", pods.len());
        for pod in &pods {
            let whose = self.ns.runs_as(pod, user).await;
            whose.with_context(|| format!("pod {}", pod.name_any()))?;
            check_named_user(pod, user).with_context(|| format!("pod {}", pod.name_any()))?;
        }
        Ok(())
    }

    /// The Workflow that a client created: the only one besides these.
    ///
    /// # Errors
    /// There is none within a minute and a half, or more than one.
    pub async fn new_workflow(&self, besides: &[&str]) -> Result<DynamicObject> {
        let admin = self.ns.admin().await?;
        let all = admin.objects(&kind("Workflow"));
        within(Duration::from_secs(90), "a new Workflow", async || {
            let list = all.list(&kube::api::ListParams::default()).await?.items;
            let mut new = list
                .into_iter()
                .filter(|it| !besides.contains(&it.name_any().as_str()));
            let found = new.next().context("there is none")?;
            ensure!(new.next().is_none(), "there are several");
            Ok(found)
        })
        .await
    }
}

/// Checks the user in the environment of every container of a pod: Metaflow's template says `argo-workflows`.
fn check_named_user(pod: &Pod, user: &str) -> Result<()> {
    let spec = pod.spec.as_ref().context("no spec")?;
    for container in &spec.containers {
        let env = container.env.iter().flatten();
        let mut named = env.filter(|variable| variable.name == "METAFLOW_USER");
        let named = named.next().and_then(|variable| variable.value.as_deref());
        ensure!(
            named == Some(user),
            "container {} names {named:?}",
            container.name
        );
    }
    Ok(())
}

/// The messages of the nodes of a Workflow.
fn messages(workflow: &DynamicObject) -> String {
    let status = &workflow.data["status"];
    let nodes = status["nodes"].as_object().into_iter().flatten();
    let texts = nodes.map(|(_, node)| {
        let text = |key: &str| node[key].as_str().unwrap_or_default().to_owned();
        format!(
            "{} {}: {}",
            text("displayName"),
            text("phase"),
            text("message")
        )
    });
    let texts: Vec<String> = texts.collect();
    format!("{} {}", status["message"], texts.join("; "))
}

/// The result of a command.
#[derive(Debug)]
pub struct CommandOutput {
    /// Whether it succeeded.
    pub success: bool,
    /// Standard output and standard error.
    pub text: String,
}

impl CommandOutput {
    async fn of(mut command: Command) -> Result<Self> {
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let output = tokio::time::timeout(TIMEOUT, output)
            .await
            .context("the command did not finish")??;
        let text = [output.stdout, output.stderr].concat();
        Ok(Self {
            success: output.status.success(),
            text: String::from_utf8_lossy(&text).into_owned(),
        })
    }

    /// Checks that it succeeded, and returns the output.
    ///
    /// # Errors
    /// It failed.
    pub fn expect_success(self) -> Result<String> {
        ensure!(self.success, "it failed:\n{}", self.text);
        Ok(self.text)
    }

    /// Checks that it failed with this in its output.
    ///
    /// # Errors
    /// It succeeded, or the output does not contain it.
    pub fn expect_failure(self, part: &str) -> Result<()> {
        ensure!(!self.success, "it should have failed:\n{}", self.text);
        ensure!(self.text.contains(part), "no {part:?} in:\n{}", self.text);
        Ok(())
    }
}

/// A Workflow or WorkflowTemplate of shell scripts: the first template is the entrypoint.
#[must_use]
pub fn scripts(what: &str, name: &str, templates: &[(&str, &str)]) -> Value {
    let all = templates.iter().map(|(name, script)| {
        json!({"name": name, "container": {"image": "x", "command": ["sh", "-c"], "args": [script]}})
    });
    let entrypoint = templates.first().map(|(name, _)| name);
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": what, "metadata": {"name": name},
        "spec": {"entrypoint": entrypoint, "templates": all.collect::<Vec<_>>()},
    })
}

/// Writes an object to a file, for the command line.
///
/// # Errors
/// It cannot be written.
pub fn file(object: &Value) -> Result<(tempfile::TempDir, PathBuf)> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("object.json");
    std::fs::write(&path, object.to_string())?;
    Ok((folder, path))
}
