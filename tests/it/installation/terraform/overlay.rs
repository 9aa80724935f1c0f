//! The overlay that Terraform writes for a stack, rendered with this repository's manifests.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use namesake_sandbox::{
    cli::output::say,
    programs::kubernetes::{Binaries, KUBECTL},
};
use namesake_tests::{
    cluster::manifests,
    google::terraform::{mocked, workspace::Workspace},
};
use serde_json::Value;
use tokio::sync::OnceCell;

/// A stack with everything, as its admin writes it.
const STACK: &str = r#"
mock_provider "google" {}

variables {
  org_prefix = "initech"
  stacks     = { prod = { project = "initech-ml", region = "europe-west1", namespaces = ["research", "try"] } }
  stack      = "prod"
  domain     = "initech.com"
  users      = ["group:ds@initech.com"]
  namesake = {
    quotas  = { accounts = 250 }
    admins  = ["root@initech.com"]
    gateway = { ui_host = "ui.initech.com", api_host = "api.initech.com", web_client_id = "1-web.apps.googleusercontent.com" }
  }
}

run "plan" {
  command = plan
}
"#;

/// The objects of the stack, and its names.
struct Rendered {
    objects: Vec<Value>,
    names: Value,
}

/// Renders what the commands of `terraform/README.md` write.
async fn rendered() -> Result<&'static Rendered> {
    static RENDERED: OnceCell<Rendered> = OnceCell::const_new();
    RENDERED.get_or_try_init(render).await
}

async fn render() -> Result<Rendered> {
    let plan = mocked::plan("examples/gke", STACK).await?;
    let outputs = &plan["output_changes"];
    let output = |name: &str| {
        let text = outputs[name]["after"].as_str();
        text.with_context(|| format!("output {name} is not known before the apply"))
    };
    let workspace = Workspace::of_terraform("")?;
    let manifests = workspace.folder().join("../manifests");
    let overlay = manifests.join("overlays/prod");
    for (file, text) in [
        ("kustomization.yaml", output("overlay")?),
        ("namespaces.yaml", output("namespaces")?),
        ("rules/rules.yaml", output("rules")?),
    ] {
        write(&overlay.join(file), text)?;
    }
    let rules = "rules/kustomization.yaml";
    fs::copy(
        manifests.join("overlays/gke").join(rules),
        overlay.join(rules),
    )?;
    let kubectl = tokio::task::spawn_blocking(|| Binaries::find_or_build(&mut |line| say(line)))
        .await??
        .path(KUBECTL);
    let folder = overlay.display().to_string();
    let rendering = workspace.start_program(&kubectl, &["kustomize", &folder])?;
    let text = rendering.wait().await?.success()?;
    Ok(Rendered {
        objects: manifests::objects(&text)?,
        names: outputs["names"]["after"].clone(),
    })
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::create_dir_all(path.parent().context("a file without a folder")?)?;
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

impl Rendered {
    fn of_kind(&self, kind: &str) -> Vec<&Value> {
        self.objects
            .iter()
            .filter(|it| it["kind"] == kind)
            .collect()
    }

    fn name(&self, name: &str) -> Result<&str> {
        let found = self.names[name].as_str();
        found.with_context(|| format!("no name {name} in {}", self.names))
    }
}

#[tokio::test]
async fn the_overlay_of_terraform_renders_and_its_broker_is_the_account_of_terraform() -> Result<()>
{
    let stack = rendered().await?;
    let mut accounts = stack.of_kind("ServiceAccount").into_iter();
    let broker = accounts.find(|it| {
        it["metadata"]["name"]
            .as_str()
            .is_some_and(|it| it.contains("broker"))
    });
    let broker = broker.context("no service account of the broker")?;
    let email = broker["metadata"]["annotations"]["iam.gke.io/gcp-service-account"].as_str();
    ensure!(
        email.is_some() && email == stack.names["emails"]["broker"].as_str(),
        "{broker}"
    );
    let deployments = stack.of_kind("Deployment");
    ensure!(
        deployments.len() == 3,
        "not webhook, broker and gateway: {}",
        deployments.len()
    );
    let registry = format!("europe-west1-docker.pkg.dev/{}/", stack.name("project")?);
    for deployment in deployments {
        let image = deployment["spec"]["template"]["spec"]["containers"][0]["image"].as_str();
        ensure!(
            image.is_some_and(|it| it.starts_with(&registry)),
            "{image:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn every_namespace_of_the_overlay_is_one_of_the_stack() -> Result<()> {
    let stack = rendered().await?;
    let mut own = vec![stack.name("system_namespace")?];
    own.extend(
        stack.names["user_namespaces"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str),
    );
    for namespace in stack.of_kind("Namespace") {
        let name = namespace["metadata"]["name"].as_str().unwrap_or_default();
        ensure!(own.contains(&name), "{name} is not in {own:?}");
        ensure!(name.ends_with("-prod"), "{name} does not name the stack");
    }
    for object in &stack.objects {
        if let Some(namespace) = object["metadata"]["namespace"].as_str() {
            ensure!(
                own.contains(&namespace),
                "{namespace} of {}",
                object["metadata"]["name"]
            );
        }
    }
    ensure!(stack.of_kind("Namespace").len() >= 3);
    Ok(())
}

#[tokio::test]
async fn nothing_of_the_example_is_left_in_the_overlay() -> Result<()> {
    let stack = rendered().await?;
    for object in &stack.objects {
        // Descriptions in the resource's definition have examples.
        let is_ours = object["kind"] != "CustomResourceDefinition";
        ensure!(!is_ours || !object.to_string().contains("acme"), "{object}");
    }
    Ok(())
}
