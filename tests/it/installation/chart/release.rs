//! A release on a real API server: installed, tested, upgraded by the other major of Helm, and uninstalled. The programs do not run:
//! the API server could not reach them without a service network (`tests/it/cli` tests what a healthy installation says).

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
};
use namesake_api::{Identity, names::SYSTEM_NAMESPACE};
use namesake_sandbox::{ControlPlane, Node, NodeOptions, WorkFolder, kubernetes::users::ADMIN};
use namesake_tests::{cluster::manifests, eventually::within, namespace::runtime::runtime};
use serde_json::json;

use super::{EXAMPLE, Said, helm, helms};

/// The longest command of Helm: the pod of a hook starts, and Helm reads its log.
const TIMEOUT: Duration = Duration::from_secs(120);
const RESEARCH: &str = "research";
/// What an uninstall leaves, so that no identity is deleted without the broker.
const KIND: &str = "CustomResourceDefinition identities.namesake.dev";

/// An API server with a node that runs `kubectl namesake`, and without Namesake.
struct Admin {
    control_plane: ControlPlane,
    client: Client,
    _node: Node,
    _folder: WorkFolder,
}

impl Admin {
    async fn start() -> Result<Self> {
        let folder = WorkFolder::create()?;
        let control_plane = ControlPlane::start(&folder).await?;
        let client = control_plane.client(ADMIN).await?;
        let options = NodeOptions {
            images: [("cli".to_owned(), program("kubectl-namesake")?)].into(),
            ..NodeOptions::default()
        };
        let node = Node::start(&control_plane, &folder, options).await?;
        for name in [SYSTEM_NAMESPACE, RESEARCH] {
            let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
            let namespaces: Api<Namespace> = Api::all(client.clone());
            namespaces
                .create(&PostParams::default(), &namespace)
                .await?;
        }
        Ok(Self {
            control_plane,
            client,
            _node: node,
            _folder: folder,
        })
    }

    /// Runs a command of Helm about the release, for at most two minutes.
    async fn helm(&self, program: &Path, args: &[&str]) -> Result<Said> {
        let program = program.to_path_buf();
        let mut args: Vec<String> = args.iter().map(|&it| it.to_owned()).collect();
        args.push(format!("--namespace={SYSTEM_NAMESPACE}"));
        let kubeconfig = self.control_plane.kubeconfig(ADMIN);
        let run = tokio::task::spawn_blocking(move || {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            helm(&program, &args, Some(&kubeconfig))
        });
        tokio::time::timeout(TIMEOUT, run)
            .await
            .context("helm does not return")??
    }

    fn identities(&self) -> Api<Identity> {
        Api::namespaced(self.client.clone(), RESEARCH)
    }

    /// Creates an identity of the stack, as the broker would.
    async fn create_identity(&self) -> Result<()> {
        let identity: Identity = serde_json::from_value(
            json!({"apiVersion": "namesake.dev/v1alpha1", "kind": "Identity",
            "metadata": {"name": "mf-alice-4k72lwgc2tsmxd"}, "spec": {"stack": "prod", "class": "research",
                "cluster": "projects/acme/locations/us-central1/clusters/ml", "user": "alice@acme.com",
                "values": {"user": "alice@acme.com"}, "mode": "impersonate", "project": "acme-identities",
                "key": "alice-4k72lwgc2tsmxd",
                "googleServiceAccount": "mf-alice-4k72lwgc2tsmxd@acme-identities.iam.gserviceaccount.com"}}),
        )?;
        self.identities()
            .create(&PostParams::default(), &identity)
            .await?;
        Ok(())
    }

    /// The titles of the objects that a release with these values has and that exist.
    async fn there(&self, program: &Path) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for object in super::rendered(program, EXAMPLE, SYSTEM_NAMESPACE, &[])? {
            if manifests::exists(&self.client, &object, SYSTEM_NAMESPACE).await? {
                found.push(manifests::title(&object));
            }
        }
        Ok(found)
    }
}

/// A program of this workspace.
fn program(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?;
    let folder = path
        .parent()
        .and_then(|it| it.parent())
        .context("no folder")?;
    Ok(folder.join(name))
}

const VALUES: [&str; 4] = [
    "--values",
    EXAMPLE,
    "--set",
    "webhook.replicas=0,broker.replicas=0,doctor.wait=1s",
];

/// A command with the chart and its values.
fn with_chart(command: &'static str) -> Vec<&'static str> {
    [[command, "namesake", "."].as_slice(), VALUES.as_slice()].concat()
}

impl Admin {
    /// An install over a kind that is not Helm's is refused, and nothing is installed.
    async fn check_foreign_kind(&self, program: &Path) -> Result<()> {
        let said = self
            .helm(program, &with_chart("install"))
            .await?
            .refusal()?;
        ensure!(
            said.contains("identities.namesake.dev") && said.contains("ownership"),
            "{said}"
        );
        ensure!(
            self.there(program).await? == [KIND],
            "something was installed"
        );
        Ok(())
    }

    /// The check ends with what it found: no program runs here.
    async fn check_finding(&self, program: &Path) -> Result<()> {
        let said = self.helm(program, &["test", "namesake"]).await?.refusal()?;
        ensure!(
            said.contains("FOUND  leader") && said.contains("to do: kubectl"),
            "{said}"
        );
        ensure!(
            !said.contains("UNSEEN"),
            "its account has too few rights: {said}"
        );
        Ok(())
    }

    /// While there is an identity, an uninstall is refused with the commands, and deletes nothing.
    async fn check_uninstall(&self, program: &Path) -> Result<()> {
        self.create_identity().await?;
        let before = self.there(program).await?;
        let uninstall = ["uninstall", "namesake"];
        let said = self.helm(program, &uninstall).await?.refusal()?;
        ensure!(
            said.contains("kubectl -n research delete identities"),
            "{said}"
        );
        ensure!(
            self.there(program).await? == before && before.len() > 60,
            "{before:?}"
        );
        let gone = DeleteParams::default();
        self.identities()
            .delete("mf-alice-4k72lwgc2tsmxd", &gone)
            .await?;
        self.helm(program, &uninstall).await?.success()?;
        within(TIMEOUT, "everything but the kind is deleted", async || {
            let left = self.there(program).await?;
            ensure!(left == [KIND], "{left:?}");
            Ok(())
        })
        .await
    }
}

#[test]
fn a_release_is_checked_upgraded_by_the_other_helm_and_uninstalled_only_without_identities()
-> Result<()> {
    runtime().block_on(async {
        let admin = Admin::start().await?;
        let [three, four] = helms()?;
        let kind = manifests::objects(&manifests::file("cluster/crd.yaml")?)?;
        manifests::apply(&admin.client, &kind[0], SYSTEM_NAMESPACE, false).await?;
        admin.check_foreign_kind(three).await?;
        for (first, second) in [(three, four), (four, three)] {
            // Before the first install the kind is not Helm's, and then it is that of the release before.
            let mut install = with_chart("install");
            install.extend((first == three).then_some("--take-ownership"));
            admin.helm(first, &install).await?.success()?;
            admin.check_finding(first).await?;
            admin
                .helm(second, &with_chart("upgrade"))
                .await?
                .success()?;
            admin.check_uninstall(second).await?;
        }
        Ok(())
    })
}
