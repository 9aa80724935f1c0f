//! `helm test` of a release whose programs run: in pods, with the sandbox's addresses in place of a service network and of Google,
//! which a post-renderer writes into what Helm installs.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use namesake_api::names::SYSTEM_NAMESPACE;
use namesake_sandbox::{
    NodeOptions,
    google::Google,
    host::{ports, work_folder::workspace_root},
    kubernetes::service::Service,
};
use namesake_tests::namespace::runtime::runtime;

use super::{
    EXAMPLE,
    admin::{Admin, HERE, program},
    helms,
};

/// The placeholder ports of the loopback overlay: what they stand for, and the Deployment.
const SERVICES: [(&str, &str); 2] = [("10250", "namesake-webhook"), ("10251", "namesake-broker")];
const GOOGLE: &str = "10252";
/// The patches of the loopback overlay.
const PATCHES: [&str; 3] = ["webhook.yaml", "broker.yaml", "webhook-configurations.yaml"];

/// A release's programs, and what stands for Google and for its Services.
struct Running {
    admin: Admin,
    google: Google,
    services: Vec<Service>,
    ports: Vec<(&'static str, String)>,
}

impl Running {
    async fn start() -> Result<Self> {
        let mut admin = Admin::start().await?;
        let google = Google::start(&admin.control_plane, &admin.folder, Duration::ZERO).await?;
        let images = ["webhook", "broker"].map(|name| (name, format!("namesake-{name}")));
        let images = images
            .into_iter()
            .chain([("cli", "kubectl-namesake".to_owned())]);
        let images = images.map(|(image, name)| Ok((image.to_owned(), program(&name)?)));
        let options = NodeOptions {
            images: images.collect::<Result<_>>()?,
            google: Some(google.url().to_owned()),
            ..NodeOptions::default()
        };
        admin.start_node(options).await?;
        let port = google.url().rsplit(':').next().unwrap_or_default();
        let mut ports = vec![(GOOGLE, port.to_owned())];
        let mut services = Vec::new();
        for (stands_for, name) in SERVICES {
            let listener = ports::listener()?;
            ports.push((stands_for, listener.local_addr()?.port().to_string()));
            let pods: Api<Pod> = Api::namespaced(admin.client.clone(), SYSTEM_NAMESPACE);
            let label = format!("app.kubernetes.io/name={name}");
            services.push(Service::of_pods(listener, pods, &label)?);
        }
        Ok(Self {
            admin,
            google,
            services,
            ports,
        })
    }

    /// Writes the post-renderer: the patches of the loopback overlay, and the ports of this run.
    fn post_renderer(&self, folder: &Path) -> Result<String> {
        let overlay = workspace_root().join("manifests/overlays/loopback");
        let mut text = "resources: [all.yaml]\npatches:\n".to_owned();
        for name in PATCHES {
            fs::copy(overlay.join(name), folder.join(name))?;
            text += &format!("  - path: {name}\n");
        }
        fs::write(folder.join("kustomization.yaml"), text)?;
        let kubectl = self.admin.kubectl();
        let edits = self
            .ports
            .iter()
            .map(|(stands_for, port)| format!(" -e s/{stands_for}/{port}/g"));
        let script = format!(
            "#!/bin/sh -e\ncd '{}'\ncat >all.yaml\n'{}' kustomize . | sed{}\n",
            folder.display(),
            kubectl.display(),
            edits.collect::<String>()
        );
        let path = folder.join("render");
        fs::write(&path, script)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        path.to_str().map(str::to_owned).context("not UTF-8")
    }
}

#[test]
fn helm_test_passes_when_webhook_and_broker_run() -> Result<()> {
    runtime().block_on(async {
        let running = Running::start().await?;
        let folder = tempfile::tempdir()?;
        let renderer = running.post_renderer(folder.path())?;
        let [three, four] = helms()?;
        // Helm 4 takes post-renderers from plugins only.
        let install = [
            "install",
            "namesake",
            HERE,
            "--values",
            EXAMPLE,
            "--post-renderer",
            &renderer,
        ];
        running.admin.helm(three, &install).await?.success()?;
        for program in [three, four] {
            // The pod's exit code says that doctor found nothing; with a finding the test fails (release.rs).
            let said = running.admin.helm(program, &["test", "namesake"]).await?;
            let said = said.success()?;
            ensure!(said.contains("Succeeded"), "{said}");
        }
        drop((running.services, running.google));
        Ok(())
    })
}
