//! The cluster of a run: a complete installation, with namespaces for all users.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use namesake_api::names;
use namesake_sandbox::cli::output::say;
use namesake_sandbox::kubernetes::service::Service;
use namesake_sandbox::kubernetes::users::ADMIN;
use namesake_sandbox::{
    ControlPlane, Google, Node, NodeOptions, STACK, WorkFolder, kubernetes::install, sandbox,
};
use namesake_tests::cluster::manifests;
use serde_json::json;

use super::google;
use super::identities::RULES;
use super::process::Process;
use super::replica;
use super::size::Size;

/// The group of all users.
pub(crate) const PEOPLE: &str = "people@acme.com";
const LIMIT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);

/// A program that is measured; its Deployment has its name.
pub(crate) struct Component {
    /// The name of its Deployment.
    pub(crate) deployment: &'static str,
}

/// The broker.
pub(crate) const BROKER: Component = Component {
    deployment: names::BROKER_SERVICE_ACCOUNT,
};
/// The webhook.
pub(crate) const WEBHOOK: Component = Component {
    deployment: names::WEBHOOK_SERVICE_ACCOUNT,
};

/// A running cluster. Dropping it stops all its processes.
pub(crate) struct Home {
    // Dropped in this order.
    _services: Vec<Service>,
    _node: Node,
    /// The emulated Google.
    pub(crate) google: Google,
    /// The API server.
    pub(crate) control_plane: ControlPlane,
    /// An admin's client.
    pub(crate) admin: Client,
    /// By name.
    programs: BTreeMap<String, PathBuf>,
}

impl Home {
    /// Starts everything, and installs Namesake.
    ///
    /// # Errors
    /// A step fails.
    pub(crate) async fn start(folder: &WorkFolder, size: &Size) -> anyhow::Result<Self> {
        let images = sandbox::workspace_images()?;
        say("starting the control plane, Google's side and the node");
        let control_plane = ControlPlane::start(folder).await?;
        let google = Google::start(&control_plane, folder, Duration::ZERO).await?;
        google::prepare(&google)?;
        let options = NodeOptions {
            images: images.clone(),
            google: Some(google.url().to_owned()),
            ..NodeOptions::default()
        };
        let node = Node::start(&control_plane, folder, options).await?;
        say("installing manifests/ with the loopback overlay");
        let services = install::install(&control_plane, folder, google.url()).await?;
        let admin = control_plane.client(ADMIN).await?;
        let home = Self {
            _services: services,
            _node: node,
            google,
            control_plane,
            admin,
            programs: images,
        };
        home.configure().await?;
        home.opt_in(size).await?;
        Ok(home)
    }

    /// Writes the rules, and configures the broker for the quotas of this Google.
    async fn configure(&self) -> anyhow::Result<()> {
        let maps = Api::<ConfigMap>::namespaced(self.admin.clone(), names::SYSTEM_NAMESPACE);
        let rules = json!({"data": {names::RULES_KEY: RULES}});
        let rules = Patch::Merge(rules);
        maps.patch(names::RULES_CONFIG_MAP, &PatchParams::default(), &rules)
            .await
            .context("the rules")?;
        let quotas = [
            (
                names::ENV_CREATES_PER_MINUTE,
                google::CREATES_PER_MINUTE.to_string(),
            ),
            (names::ENV_POLICY_BYTES, google::POLICY_BYTES.to_string()),
        ];
        let env = quotas.map(|(name, value)| json!({"name": name, "value": value}));
        let template = json!({"spec": {"containers": [{"name": "broker", "env": env}]}});
        // One replica, because one process is measured.
        let change = json!({"spec": {"replicas": 1, "template": template}});
        self.change(BROKER.deployment, change).await
    }

    async fn change(&self, deployment: &str, change: serde_json::Value) -> anyhow::Result<()> {
        let all = Api::<Deployment>::namespaced(self.admin.clone(), names::SYSTEM_NAMESPACE);
        all.patch(
            deployment,
            &PatchParams::default(),
            &Patch::Strategic(change),
        )
        .await
        .with_context(|| format!("Deployment {deployment}"))?;
        Ok(())
    }

    /// Stops a component, and waits until its process has ended.
    ///
    /// # Errors
    /// It does not stop.
    pub(crate) async fn stop(&self, component: &Component) -> anyhow::Result<()> {
        self.change(component.deployment, json!({"spec": {"replicas": 0}}))
            .await?;
        let start = Instant::now();
        while self.process(component).is_some() {
            if start.elapsed() > LIMIT {
                bail!("{} does not end", component.deployment);
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Starts one replica of a component, and returns its process and the URL of its readiness as soon as they exist.
    ///
    /// # Errors
    /// No process starts.
    pub(crate) async fn start_one(
        &self,
        component: &Component,
    ) -> anyhow::Result<(Process, String)> {
        self.change(component.deployment, json!({"spec": {"replicas": 1}}))
            .await?;
        let start = Instant::now();
        loop {
            if let Some(process) = self.process(component)
                && let Some(address) = self.address(component).await?
            {
                return Ok((process, format!("https://{address}{}", names::READY_PATH)));
            }
            if start.elapsed() > LIMIT {
                bail!("{} does not start", component.deployment);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn process(&self, component: &Component) -> Option<Process> {
        let program = self.programs.get(component.deployment)?;
        replica::find(program, self.api_port())
    }

    /// Where the component's pod listens, once it has an address.
    async fn address(&self, component: &Component) -> anyhow::Result<Option<String>> {
        let pods = Api::<Pod>::namespaced(self.admin.clone(), names::SYSTEM_NAMESPACE);
        let pods = pods.list(&ListParams::default()).await?;
        let mut pods = pods.into_iter().filter(|pod| {
            pod.name_any().starts_with(component.deployment)
                && pod.metadata.deletion_timestamp.is_none()
        });
        let Some((spec, status)) = pods.find_map(|pod| pod.spec.zip(pod.status)) else {
            return Ok(None);
        };
        let env = spec.containers.into_iter().flat_map(|one| one.env);
        let mut env = env.flatten();
        let listen = env.find(|one| one.name == names::ENV_LISTEN);
        let listen = listen.and_then(|one| one.value).context("no address")?;
        let ip = status.pod_ip;
        Ok(ip.map(|ip| listen.replace("$(POD_IP)", &ip)))
    }

    /// All processes that share the processors, by name. Google, the node and the people are this process.
    ///
    /// # Errors
    /// A process does not run.
    pub(crate) fn everybody(&self) -> anyhow::Result<Vec<(String, Process)>> {
        let mut all = vec![
            (
                "the broker".to_owned(),
                self.process(&BROKER).context("no broker")?,
            ),
            ("the webhook".to_owned(), self.webhook()?),
            (
                "Google's side, node and crowd".to_owned(),
                Process::of(std::process::id()),
            ),
        ];
        for (name, pid) in self.control_plane.programs() {
            all.push((name, Process::of(pid.try_into()?)));
        }
        Ok(all)
    }

    /// The webhook's process.
    ///
    /// # Errors
    /// It does not run.
    pub(crate) fn webhook(&self) -> anyhow::Result<Process> {
        self.process(&WEBHOOK).context("the webhook does not run")
    }

    fn api_port(&self) -> &str {
        let server = self.control_plane.server();
        server.rsplit(':').next().unwrap_or_default()
    }

    async fn opt_in(&self, size: &Size) -> anyhow::Result<()> {
        let teams = (0..size.teams()).map(|n| format!("team-{n:02}"));
        let rooms = (0..size.rooms()).map(|n| format!("new-{n}"));
        let all: Vec<_> = teams.chain(rooms).collect();
        say(&format!("opting in {} namespaces", all.len()));
        let rights = manifests::objects(&manifests::file("opt-in/role-bindings.yaml")?)?;
        let one = |name: String| self.opt_in_one(name, &rights);
        futures::stream::iter(all)
            .map(one)
            .buffer_unordered(8)
            .try_collect()
            .await
    }

    /// Opts in a namespace: rights first, then the label.
    async fn opt_in_one(&self, name: String, rights: &[serde_json::Value]) -> anyhow::Result<()> {
        self.control_plane.namespace(&name, &[]).await?;
        let people = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "everybody"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": PEOPLE}],
        });
        for object in rights.iter().chain([&people]) {
            manifests::apply(&self.admin, object, &name, false).await?;
        }
        let labels = json!({"metadata": {"labels": {
            names::OPT_IN_LABEL: STACK, "pod-security.kubernetes.io/enforce": "baseline",
        }}});
        let labelled = Api::<Namespace>::all(self.admin.clone());
        labelled
            .patch(&name, &PatchParams::default(), &Patch::Merge(labels))
            .await?;
        Ok(())
    }
}
