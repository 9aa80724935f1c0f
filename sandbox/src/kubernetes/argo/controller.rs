//! Argo's installation from its own manifests, and its controller as a process under its own service account.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result};
use serde_json::json;

use super::ArgoPrograms;
use crate::{
    ControlPlane, WorkFolder,
    host::children::{Child, Launch},
    kubernetes::{account::write_account_kubeconfig, kubectl::Kubectl, users::write_private},
};

/// The namespace in which Argo is installed.
pub const ARGO_NAMESPACE: &str = "argo";
/// The service account of the controller in its manifests.
const ACCOUNT: &str = "argo";
/// The image of the executor in pods; the node has a program for it.
pub const EXECUTOR_IMAGE: &str = "quay.io/argoproj/argoexec:v4.0.5";
/// The Role that Argo recommends for the accounts of steps, here as a ClusterRole.
pub const EXECUTOR_ROLE: &str = "argo-executor";
/// The ClusterRoleBinding that makes Argo's account a trusted controller of Namesake.
pub const CARRIER_BINDING: &str = "argo-is-a-carrier";
/// Its custom resources that a Workflow needs.
const KINDS: [&str; 3] = [
    "workflows.argoproj.io",
    "cronworkflows.argoproj.io",
    "workflowtaskresults.argoproj.io",
];
/// Kinds of Argo's manifests that are not installed: its pods are processes here, and its server is not needed.
const NOT_INSTALLED: [&str; 3] = ["Deployment", "Service", "PriorityClass"];
/// The port of the controller's health check, on every address of the machine; there is no flag for it.
const HEALTH_PORT: u16 = 6060;

/// Argo's running controller. It is killed with the control plane's processes.
#[derive(Debug)]
pub struct ArgoController {
    child: Child,
    _health_port: Option<TcpListener>,
}

impl ArgoController {
    /// Installs Argo with its full CRDs and its own roles, and starts its controller as `system:serviceaccount:argo:argo`.
    ///
    /// # Errors
    /// The API server refuses a manifest, or the controller cannot be started.
    pub async fn start(
        control_plane: &ControlPlane,
        folder: &WorkFolder,
        programs: &ArgoPrograms,
    ) -> Result<Self> {
        let kubectl = Kubectl::of_admin(control_plane);
        let manifests = programs.manifests().join("cluster-install");
        let place = folder.path().join("argo");
        let apply = move || install(&kubectl, &manifests, &place);
        tokio::task::spawn_blocking(apply)
            .await
            .context("the installation of Argo was interrupted")??;
        control_plane.wait_until_served(&KINDS).await?;
        let kubeconfig =
            write_account_kubeconfig(control_plane, ARGO_NAMESPACE, ACCOUNT, folder).await?;
        Self::launch(control_plane, folder, programs, &kubeconfig)
    }

    fn launch(
        control_plane: &ControlPlane,
        folder: &WorkFolder,
        programs: &ArgoPrograms,
        kubeconfig: &Path,
    ) -> Result<Self> {
        // Held so that the controller cannot listen there: nothing in a sandbox is reachable from other machines. If another program
        // has the port, that works too.
        let health_port = TcpListener::bind((Ipv4Addr::LOCALHOST, HEALTH_PORT)).ok();
        let kubeconfig = kubeconfig.display().to_string();
        let args = [
            ["--kubeconfig", &kubeconfig],
            ["--namespace", ARGO_NAMESPACE],
            ["--executor-image", EXECUTOR_IMAGE],
            ["--qps", "200"],
            ["--burst", "400"],
        ];
        let args = args.into_iter().flatten().map(str::to_owned).collect();
        let program = programs.controller();
        let mut launch = Launch::new("workflow-controller", &program, args, &folder.logs());
        launch.env = vec![("LEADER_ELECTION_DISABLE".into(), "true".into())];
        Ok(Self {
            child: control_plane.children().spawn(&launch)?,
            _health_port: health_port,
        })
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> &Path {
        self.child.log()
    }

    /// Stops it.
    pub async fn stop(self) {
        self.child.stop(Duration::from_secs(3)).await;
    }
}

fn install(kubectl: &Kubectl, manifests: &Path, place: &Path) -> Result<()> {
    fs::create_dir_all(place).with_context(|| format!("cannot create {}", place.display()))?;
    // Its manifests leave that to the admin. People who edit other namespaces have no rights here.
    let namespace = place.join("namespace.json");
    let object =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ARGO_NAMESPACE}});
    write_private(&namespace, &object.to_string())?;
    apply(kubectl, &namespace)?;
    let all = kubectl.run(&["kustomize", &manifests.display().to_string()])?;
    let rendered = place.join("argo.yaml");
    fs::write(&rendered, installed(&all))
        .with_context(|| format!("cannot write {}", rendered.display()))?;
    apply(kubectl, &rendered)?;
    let extra = place.join("extra.json");
    write_private(&extra, &extra_objects().to_string())?;
    apply(kubectl, &extra)
}

fn apply(kubectl: &Kubectl, file: &Path) -> Result<()> {
    let file = file.display().to_string();
    let args = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--filename",
        &file,
    ];
    kubectl.run(&args).map(drop)
}

/// The documents of the manifests that are installed.
fn installed(all: &str) -> String {
    let kept = all.split("\n---\n").filter(|document| {
        let kind = document
            .lines()
            .find_map(|line| line.strip_prefix("kind: "));
        !kind.is_some_and(|kind| NOT_INSTALLED.contains(&kind))
    });
    kept.collect::<Vec<_>>().join("\n---\n")
}

/// The controller's configuration, without ports that a second sandbox on this machine would need too; the role that Argo
/// recommends for accounts of steps (`executor`) but does not install; and the binding of Argo's account to Namesake's ClusterRole
/// for trusted controllers, as docs/install.md says (where Namesake is not installed, that role does not exist).
fn extra_objects() -> serde_json::Value {
    let off = "enabled: false\n";
    let rule = |resources: &[&str], verbs: &[&str]| json!({"apiGroups": ["argoproj.io"], "resources": resources, "verbs": verbs});
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "ConfigMap",
         "metadata": {"name": "workflow-controller-configmap", "namespace": ARGO_NAMESPACE},
         "data": {"metricsConfig": off, "telemetryConfig": off}},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": EXECUTOR_ROLE},
         "rules": [rule(&["workflowtaskresults"], &["create", "patch"])]},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": CARRIER_BINDING},
         "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "namesake-carrier"},
         "subjects": [{"kind": "ServiceAccount", "name": "argo", "namespace": ARGO_NAMESPACE}]},
    ]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argos_deployments_are_not_installed() {
        let all = "apiVersion: v1\nkind: ServiceAccount\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {}\n---\nkind: ClusterRole\n";
        let kept = installed(all);
        assert!(kept.contains("ServiceAccount") && kept.contains("ClusterRole"));
        assert!(!kept.contains("Deployment"), "{kept}");
    }
}
